"""What a model needs to know of a recording: features, each computed once whoever asks, and a transcript."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.components.directory import ADVICE, FEATURES, IVECTORS, RECOGNIZER
from steps.features.extractor import CannotCompute, Extractor
from utils.config import read_yaml
from utils.errors import UserError
from utils.renamed import present_path

if TYPE_CHECKING:
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.decode import Decoder
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.asr.transcripts.precomputed_transcripts import Transcript


@dataclass(frozen=True)
class Heard:
    """What is known of one recording, or of a window of one.

    Attributes:
        features: name -> (F,) or (T, F), not normalized. failed: name -> why there are none.
        transcript: None where nobody was asked to transcribe, or the recording is too short.
        notes: what is to be said of the sound.
    """

    key: str
    seconds: float
    speaker: str | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    transcript: Transcript | None = None
    notes: tuple[str, ...] = ()


class Computed:
    """The features of one recording by extractor, computed when first asked for. Samples: float32 (T,) at 16 kHz."""

    def __init__(self, samples: np.ndarray):
        self.samples = samples
        self._found: dict[str, np.ndarray | CannotCompute] = {}

    def of(self, extractor: Extractor) -> np.ndarray:
        """
        Raises:
            CannotCompute: with the reason.
        """
        key = json.dumps(extractor.options, sort_keys=True)
        if key not in self._found:
            try:
                self._found[key] = extractor.extract_shared(self.samples, self.of)
            except CannotCompute as reason:
                self._found[key] = reason
        found = self._found[key]
        if isinstance(found, CannotCompute):
            raise found
        return found


class Transcriber:
    """A recognizer with its decoding; each thread has a decoder of its own."""

    def __init__(self, recognizer: Recognizer, config: DecodeConfig, graph: Graph | None = None):
        self.recognizer, self.config, self.graph = recognizer, config, graph
        self._local = threading.local()

    @classmethod
    def open(cls, directory: Path, settings: Mapping[str, Any]) -> Transcriber:
        """
        Args:
            settings: all keys of steps.asr.decode.decode.DecodeConfig.

        Raises:
            UserError: no recognizer there, or it is damaged.
        """
        from steps.asr.decode.config import DecodeConfig
        from steps.asr.decode.graph import Graph
        from steps.asr.recognizers.recognizer import open_recognizer
        from utils.config import from_dict

        config = from_dict(DecodeConfig, settings)
        recognizer = open_recognizer(directory)
        return cls(recognizer, config,
                   Graph.open(directory / "graph", recognizer.units) if config.method == "graph" else None)

    def of(self, computed: Computed) -> Transcript | None:
        """As steps/transcribe.sh writes it; None for what is too short for a frame, or no sound."""
        from steps.asr.transcripts.precomputed_transcripts import of_hypotheses

        try:
            rows = computed.of(self.recognizer.extractor)
        except CannotCompute:
            return None
        if not np.isfinite(rows).all():
            return None
        return of_hypotheses(self._decoder().decode(self.recognizer.log_posteriors([rows])[0]))

    def _decoder(self) -> Decoder:
        from steps.asr.decode.decode import make_decoder

        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = self._local.decoder = make_decoder(self.config, self.recognizer.units,
                                                         self.recognizer.frame_shift, self.graph)
        return decoder


class Listener:
    """All that is computed from samples, by one call; may be shared by threads."""

    def __init__(self, extractors: Mapping[str, Extractor], transcriber: Transcriber | None = None):
        self.extractors, self.transcriber = dict(extractors), transcriber

    @classmethod
    def open(cls, directory: Path, about: Mapping[str, Any], transcribe: bool) -> Listener:
        """
        Args:
            directory: of an exported model. about: its model.yaml.

        Raises:
            UserError: an extractor that is not installed, or that makes other features now.
        """
        extractors = {name: open_extractor(directory, name, described) for name, described in about["features"].items()}
        told = about.get("recognizer")
        asr = present_path(directory / RECOGNIZER)
        transcriber = Transcriber.open(asr, told["decoding"]) if transcribe and told else None
        if transcriber is not None:
            check_options(transcriber.recognizer.extractor, told["features"])
        return cls(extractors, transcriber)

    def __call__(self, key: str, samples: np.ndarray, seconds: float, speaker: str | None = None) -> Heard:
        computed = Computed(samples)
        features: dict[str, np.ndarray] = {}
        failed: dict[str, str] = {}
        for name, extractor in self.extractors.items():
            try:
                rows = computed.of(extractor)
            except CannotCompute as reason:
                failed[name] = str(reason)
                continue
            wrong = rows.size - int(np.isfinite(rows).sum())
            if wrong:
                failed[name] = f"{wrong} of {rows.size} values are not finite"
            else:
                features[name] = rows
        transcript = self.transcriber.of(computed) if self.transcriber is not None else None
        return Heard(key, seconds, speaker, features, failed, transcript)


def open_extractor(directory: Path, name: str, described: Mapping[str, Any]) -> Extractor:
    """The extractor of features `name` with the options of training, whatever conf/ says today.

    Args:
        described: "dim", "version", "options" of the features that the model was trained on.
    """
    from steps.features import registry

    path, places = directory / FEATURES / f"{name}.yaml", []
    if not path.is_file():
        raise UserError(f"{path} is missing; {ADVICE}")
    kind = read_yaml(path, {"extractor": str}, ADVICE)["extractor"]
    if kind.startswith("precomputed") or (kind == "ivector") != (directory / IVECTORS / name).is_dir():
        raise UserError(f"{path}: extractor is {kind}, whose files are not in the model; {ADVICE}")
    if (directory / IVECTORS / name).is_dir():
        places = [f"directory={json.dumps(str(directory / IVECTORS / name))}"]
        asr = present_path(directory / RECOGNIZER)
        if asr.is_dir():
            places.append(f"asr={json.dumps(str(asr))}")
    extractor = registry.create(str(path), places)
    extractor.name = name
    extractor.bind({})
    check_options(extractor, described["options"])
    if (extractor.kind, extractor.dim) != (described["kind"], described["dim"]):
        raise UserError(f"{name} has {extractor.dim} columns here, the model was trained on {described['dim']}: "
                        f"install {described['version']}")
    return extractor


def check_options(extractor: Extractor, options: Mapping[str, Any]) -> None:
    """
    Raises:
        UserError: these would not be the features of training.
    """
    from utils.differences import differences

    for key, found, wanted in differences(extractor.options, options):
        raise UserError(f"{extractor.name}: {key} is {found!r} in this version, the model was trained with {wanted!r}; "
                        "export it again, or use the version that exported it")
