"""openSMILE's feature sets from samples in memory: the same values as `opensmile.Smile`, without pandas around them.

opensmile's license is non-commercial: it is a dependency and nothing of it is copied. Its own Python class imports
pandas and audformat (1.3 s) and builds a table a file; only its binding to the C library is used here, with the
configuration files that it ships. One engine serves all files: `reset` starts it afresh without reading the
configuration again.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from steps.features.extractor import RATE, CannotCompute, Extractor
from utils.config import option
from utils.errors import UserError

SETS = {"is09": "is09-13/IS09_emotion", "is10": "is09-13/IS10_paraling_compat", "compare": "compare/ComParE_2016"}
LEVELS = {"functionals": "func", "lld": "lld", "lld_deltas": "lld_de"}
FRAME_SHIFT = 0.01  # seconds, in all three sets


@dataclass
class SmileConfig:
    """Options: which set; functionals of the utterance, frame-level contours (lld) or the contours' deltas."""

    extractor: str = option("opensmile", choices=["opensmile"])
    feature_set: str = option("is10", choices=SETS)
    level: str = option("functionals", choices=LEVELS)


class Engine:
    """One openSMILE instance. Not to be shared between threads."""

    def __init__(self, config: SmileConfig):
        library, root = _library()
        shared = root / "shared"
        self._smile = library.OpenSMILE()
        self._smile.initialize(str(root / f"{SETS[config.feature_set]}.conf"), {
            "source": shared / "standard_external_wave_input.conf.inc",
            "sampleRate": RATE, "nBits": 16,
            "sink": shared / "standard_external_data_output_single.conf.inc",
            "sinkLevel": LEVELS[config.level],
            "bufferModeRbConf": shared / "BufferModeRb.conf.inc",
            "frameModeFunctionalsConf": shared / "FrameModeFunctionals.conf.inc"}, loglevel=2)
        count = self._smile.external_sink_get_num_elements("extsink")
        self.columns = [self._smile.external_sink_get_element_name("extsink", index) for index in range(count)]
        self._used = False

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 (T,) in [-1, 1] at 16 kHz -> float32 (frames, columns); no rows when the clip is too short."""
        smile, rows = self._smile, []
        if self._used:
            smile.reset()
        self._used = True
        smile._callbacks.clear()  # the binding keeps every callback that was ever set
        smile.external_sink_set_callback("extsink", lambda row: rows.append(row.copy()))
        smile.external_audio_source_write_data("extsource", to_int16(samples).tobytes())
        smile.external_audio_source_set_eoi("extsource")
        smile.run()
        return np.stack(rows) if rows else np.empty((0, len(self.columns)), dtype=np.float32)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """As opensmile converts (times 32768, cut towards zero), but a full-scale sample is limited and not wrapped."""
    return np.clip(samples * np.float32(32768), -32768, 32767).astype(np.int16)


class Smile(Extractor):
    """openSMILE as the tasks call it; each thread has an engine of its own."""

    Config = SmileConfig
    packages = ("opensmile",)

    def __init__(self, name: str, config: SmileConfig):
        super().__init__(name, config)
        self._local = threading.local()
        self.columns = list(self._engine().columns)
        self.dim = len(self.columns)
        functionals = config.level == "functionals"
        self.kind = "utterance" if functionals else "frames"
        self.frame_shift = None if functionals else FRAME_SHIFT

    def _engine(self) -> Engine:
        engine: Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = Engine(self.config)
        return engine

    def extract(self, samples: np.ndarray) -> np.ndarray:
        try:
            rows = self._engine()(samples)
        except Exception:
            self._local.engine = None  # whatever state it is in, the next file gets a fresh one
            raise
        if not len(rows):
            milliseconds = 1000 * len(samples) / RATE
            raise CannotCompute(f"{milliseconds:.3g} ms are too short for openSMILE's {self.config.feature_set}")
        return rows[0] if self.kind == "utterance" else rows


def _library() -> tuple[ModuleType, Path]:
    """opensmile's binding (its module core/lib.py, loaded without the package around it) and its configuration root."""
    package = importlib.util.find_spec("opensmile")
    if package is None or not package.submodule_search_locations:
        raise UserError("opensmile is not installed; run utils/setup.sh")
    core = Path(package.submodule_search_locations[0]) / "core"
    if _loaded.get("module") is None:
        spec = importlib.util.spec_from_file_location("opensmile_binding", core / "lib.py")
        if spec is None or spec.loader is None or not (core / "config" / "shared").is_dir():
            raise UserError(f"{core} is not laid out as opensmile 2.5 and later are; install opensmile >= 2.6")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _loaded["module"] = module
    return _loaded["module"], core / "config"


_loaded: dict[str, Any] = {}
