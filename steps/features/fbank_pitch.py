"""Log mel filter bank with the log energy, the harmonic ratio and the log pitch of each frame.

The pitch comes from our own cross-correlation (pitch.py): its frames are the filter bank's, where openSMILE's contours
are cut otherwise and shorter by some frames, and it is free of openSMILE's license.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steps.data.audio import resample
from steps.features.extractor import RATE
from steps.features.fbank import Fbank, FbankConfig
from steps.features.framing import frames_of
from steps.features.pitch import harmonics, log_contour
from utils.config import option

PITCH_MS = 40.0  # longer than a frame of the filter bank: two periods of a low voice


@dataclass
class FbankPitchConfig(FbankConfig):
    """The filter bank's options and the pitch range in Hz."""

    extractor: str = option("fbank_pitch", choices=["fbank_pitch"])
    use_energy: bool = option(True, help="log energy of the frame as the first column")
    lowest_pitch: float = option(60.0, min=50.0, max=1000.0)
    highest_pitch: float = option(600.0, min=100.0, max=4000.0)
    voiced: float = option(0.5, min=0.0, max=1.0, help="smallest harmonic ratio of a frame with pitch")


class FbankPitch(Fbank):
    """samples -> (frames, 1 + mel bins + 2)."""

    Config = FbankPitchConfig
    config: FbankPitchConfig

    def __init__(self, name: str, config: FbankPitchConfig):
        super().__init__(name, config)
        self.dim += 2
        self.columns += ["harmonic_ratio", "log_pitch"]

    def extract(self, samples: np.ndarray) -> np.ndarray:
        bank, config = super().extract(samples), self.config
        length, shift = (round(RATE * ms / 1000) for ms in (PITCH_MS, config.frame_shift_ms))
        played = resample(samples, round(100 * config.speed), 100)  # as the filter bank hears it
        ratio, pitch = harmonics(frames_of(played, length, shift), RATE, config.lowest_pitch, config.highest_pitch,
                                 config.voiced)
        return np.column_stack([bank, ratio, log_contour(pitch)]).astype(np.float32)
