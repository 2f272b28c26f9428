"""Energy-based voice activity detection: Kaldi's rule (ivector/voice-activity-detection.cc).

A frame's log energy is compared with threshold + mean_scale * (mean log energy of the utterance); the frame is voiced
where at least `proportion` of the frames within `context` of it are above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.config import option


@dataclass
class VoiceActivityConfig:
    """Kaldi's options; energies are log energies of 16-bit samples."""

    threshold: float = option(5.5, min=-50.0, max=50.0)
    mean_scale: float = option(0.5, min=0.0, max=1.0)
    context: int = option(2, min=0, max=100, help="frames on either side")
    proportion: float = option(0.12, min=0.0, max=1.0)


def voiced_frames(log_energy: np.ndarray, config: VoiceActivityConfig) -> np.ndarray:
    """(T,) log energies -> bool (T,); at the edges only the frames that there are count."""
    energy = np.asarray(log_energy, dtype=np.float64)
    frames = len(energy)
    if not frames:
        return np.zeros(0, dtype=bool)
    above = energy > config.threshold + config.mean_scale * energy.mean()
    count = np.concatenate([[0], np.cumsum(above)])
    frame = np.arange(frames)
    low, high = np.maximum(frame - config.context, 0), np.minimum(frame + config.context + 1, frames)
    return count[high] - count[low] >= config.proportion * (high - low)
