"""Mel-frequency cepstral coefficients by kaldi-native-fbank, as Kaldi's speaker recipes take them (egs/sre10, sre16).

Samples in [-1, 1] are brought to 16-bit values first, so that energies, and the thresholds of voice activity detection
that are written for them, are Kaldi's own. Frames are those of the filter bank (snip_edges off).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steps.features.extractor import RATE, CannotCompute, Extractor
from steps.features.fbank import WINDOWS
from utils.config import option
from utils.errors import UsageError

FULL_SCALE = 32768.0  # of 16-bit samples


@dataclass
class MfccConfig:
    """Options; times in milliseconds, frequencies in Hz."""

    extractor: str = option("mfcc", choices=["mfcc"])
    num_ceps: int = option(20, min=1, max=512)
    num_mel_bins: int = option(30, min=1, max=512)
    use_energy: bool = option(True, help="log energy of the frame in the place of the first coefficient")
    cepstral_lifter: float = option(22.0, min=0.0, max=1000.0)
    frame_length_ms: float = option(25.0, min=1.0, max=1000.0)
    frame_shift_ms: float = option(10.0, min=1.0, max=1000.0)
    window: str = option("povey", choices=WINDOWS)
    preemphasis: float = option(0.97, min=0.0, max=1.0)
    low_freq: float = option(20.0, min=0.0, max=8000.0)
    high_freq: float = option(7600.0, min=-8000.0, max=8000.0, help="0 or less: added to half the sampling rate")
    snip_edges: bool = False


class Mfcc(Extractor):
    """samples -> (frames, num_ceps); the first column is the log energy where `use_energy` is set."""

    Config = MfccConfig
    packages = ("kaldi-native-fbank",)
    config: MfccConfig

    def __init__(self, name: str, config: MfccConfig):
        """
        Raises:
            UsageError: more coefficients than mel bins.
        """
        super().__init__(name, config)
        if config.num_ceps > config.num_mel_bins:
            raise UsageError(f"{name}: num_ceps is {config.num_ceps}; accepted: at most num_mel_bins "
                             f"({config.num_mel_bins})")
        self.dim = config.num_ceps
        self.frame_shift = config.frame_shift_ms / 1000
        self.columns = ["log_energy" if config.use_energy else "c0", *(f"c{i}" for i in range(1, self.dim))]
        self._new, self._options = _kaldi(config)

    def extract(self, samples: np.ndarray) -> np.ndarray:
        bank = self._new(self._options)
        bank.accept_waveform(RATE, memoryview(np.ascontiguousarray(samples, dtype=np.float32) * FULL_SCALE))
        bank.input_finished()
        frames = bank.num_frames_ready
        if not frames:
            raise CannotCompute(f"{1000 * len(samples) / RATE:.3g} ms are too short for one frame")
        out = np.empty((frames, self.dim), dtype=np.float32)
        for index in range(frames):
            out[index] = bank.get_frame(index)
        return out


def _kaldi(config: MfccConfig) -> tuple:
    """The library's class and its options."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.MfccOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq = RATE
    frame.frame_length_ms, frame.frame_shift_ms = config.frame_length_ms, config.frame_shift_ms
    frame.window_type, frame.preemph_coeff = config.window, config.preemphasis
    frame.snip_edges = config.snip_edges
    frame.dither = 0.0  # its noise has no seed that could be set
    mel.num_bins, mel.low_freq, mel.high_freq = config.num_mel_bins, config.low_freq, config.high_freq
    options.num_ceps, options.use_energy, options.raw_energy = config.num_ceps, config.use_energy, True
    options.energy_floor = 1.0  # digital silence has log energy 0, not minus infinity
    options.cepstral_lifter = config.cepstral_lifter
    return kaldi_native_fbank.OnlineMfcc, options
