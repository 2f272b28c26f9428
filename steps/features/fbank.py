"""Log mel filter banks by kaldi-native-fbank.

Samples are taken in [-1, 1], as lhotse and icefall do; Kaldi itself takes 16-bit values, which adds log(32768^2) to
every value. With snip_edges off, T samples give round(T / shift) frames, reflected at the edges, so that frames and
seconds agree and a 20 ms clip has two frames.

Before the filter bank the samples may be cleaned of noise and amplified (enhancement.py).
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from steps.data.audio import resample
from steps.features.enhancement import amplify, spectral_subtraction
from steps.features.extractor import RATE, CannotCompute, Extractor
from utils.config import option

# "hann" is the periodic window of an STFT, "hanning" Kaldi's symmetric one.
WINDOWS = ("povey", "hann", "hanning", "hamming", "blackman", "rectangular", "sine")
_COUNTING = threading.Lock()  # extractors are shared by threads; a lock of their own could not be pickled


@dataclass
class FbankConfig:
    """Options; times in milliseconds, frequencies in Hz."""

    extractor: str = option("fbank", choices=["fbank"])
    num_mel_bins: int = option(80, min=1, max=512)
    frame_length_ms: float = option(25.0, min=1.0, max=1000.0)
    frame_shift_ms: float = option(10.0, min=1.0, max=1000.0)
    window: str = option("povey", choices=WINDOWS)
    preemphasis: float = option(0.97, min=0.0, max=1.0)
    remove_dc_offset: bool = True
    low_freq: float = option(20.0, min=0.0, max=8000.0)
    high_freq: float = option(-400.0, min=-8000.0, max=8000.0, help="0 or less: added to half the sampling rate")
    snip_edges: bool = False
    dither: float = option(0.0, min=0.0, max=1.0, help="deviation of added noise; Kaldi's 1 is 3e-5 here")
    use_energy: bool = option(False, help="log energy of the frame as the first column")
    speed: float = option(1.0, min=0.5, max=2.0, help="the samples are played so many times as fast first")
    spectral_subtraction: bool | None = option(False, help="take out stationary noise, estimated by utterance")
    over_subtraction: float | None = option(2.0, min=0.0, max=20.0, help="times the noise's magnitude is taken out")
    spectral_floor: float | None = option(0.1, min=0.0, max=1.0, help="share of the noise's magnitude that stays")
    noise_share: float | None = option(0.1, min=0.0, max=1.0, help="the quietest frames, which tell the noise")
    gain: float | None = option(1.0, min=0.0, max=1000.0, help="factor of the samples, clipped to [-1, 1]")

    def __post_init__(self) -> None:
        """None, in a description, is a step that was not done."""
        for field in fields(self):
            if getattr(self, field.name) is None:
                setattr(self, field.name, field.default)

    def to_dict(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> FbankConfig:
        return FbankConfig(**data)


class FilterBank:
    """samples -> log mel energies. Holds no state between calls."""

    def __init__(self, config: FbankConfig, rate: int = RATE):
        import kaldi_native_fbank

        self._new = kaldi_native_fbank.OnlineFbank
        self._options = options = kaldi_native_fbank.FbankOptions()
        self.config, self.rate = config, rate
        frame, mel = options.frame_opts, options.mel_opts
        frame.samp_freq = rate
        frame.frame_length_ms, frame.frame_shift_ms = config.frame_length_ms, config.frame_shift_ms
        frame.window_type = config.window
        frame.preemph_coeff = config.preemphasis
        frame.remove_dc_offset = config.remove_dc_offset
        frame.snip_edges = config.snip_edges
        frame.dither = 0.0  # its noise has no seed that could be set; ours is added below
        mel.num_bins, mel.low_freq, mel.high_freq = config.num_mel_bins, config.low_freq, config.high_freq
        options.use_energy = config.use_energy
        self.dim = config.num_mel_bins + int(config.use_energy)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 (T,) in [-1, 1] -> float32 (frames, dim); no frame when T is under half a shift."""
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        if self.config.dither > 0:
            samples = samples + self.config.dither * self._noise(samples)
        bank = self._new(self._options)
        # A memoryview is taken in faster than an array (its items become numpy scalars) or a list (made first).
        bank.accept_waveform(self.rate, memoryview(samples))
        bank.input_finished()
        frames = bank.num_frames_ready
        out = np.empty((frames, self.dim), dtype=np.float32)
        for index in range(frames):
            out[index] = bank.get_frame(index)
        return out

    @staticmethod
    def _noise(samples: np.ndarray) -> np.ndarray:
        """Gaussian noise that depends on the samples alone, so that a resumed run draws the same."""
        return np.random.default_rng(zlib.crc32(samples.tobytes())).standard_normal(len(samples), dtype=np.float32)


class Fbank(Extractor):
    """The filter bank as the tasks call it."""

    Config = FbankConfig
    packages = ("kaldi-native-fbank",)

    def __init__(self, name: str, config: FbankConfig):
        super().__init__(name, config)
        self.bank = FilterBank(config)
        self.dim = self.bank.dim
        self.frame_shift = config.frame_shift_ms / 1000
        self.columns = ["log_energy"] * config.use_energy + [f"mel{bin}" for bin in range(config.num_mel_bins)]
        self._clipped = np.zeros(3, dtype=np.int64)  # utterances with clipped samples, those samples, all samples

    @property
    def options(self) -> dict[str, Any]:
        """Steps that are off are None, which is also what a description says that is older than they are."""
        options = super().options
        if not self.config.spectral_subtraction:
            options |= dict.fromkeys(("spectral_subtraction", "over_subtraction", "spectral_floor", "noise_share"))
        if self.config.gain == 1:
            options["gain"] = None
        return options

    def extract(self, samples: np.ndarray) -> np.ndarray:
        heard, clipped = prepared(samples, self.config)
        with _COUNTING:
            self._clipped += (clipped > 0, clipped, len(heard))
        features = self.bank(heard)
        if not len(features):
            raise CannotCompute(f"{1000 * len(samples) / RATE:.3g} ms are too short for one frame")
        return features

    def remarks(self) -> list[str]:
        utterances, clipped, samples = self._clipped.tolist()
        return [f"{utterances} clipped ({100 * clipped / samples:.2g} % of all samples)"] if utterances else []


def prepared(samples: np.ndarray, config: FbankConfig) -> tuple[np.ndarray, int]:
    """What the filter bank hears: at the speed, less noise, amplified; and how many samples were clipped."""
    samples = resample(samples, round(100 * config.speed), 100)
    if config.spectral_subtraction:
        samples = spectral_subtraction(samples, config.over_subtraction, config.spectral_floor, config.noise_share)
    return amplify(samples, config.gain) if config.gain != 1 else (samples, 0)
