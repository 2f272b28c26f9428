"""Features of speaker recognition, computed from cepstra when they are read: deltas, then sliding mean normalization.

As Kaldi's egs/sre10: add-deltas | apply-cmvn-sliding --norm-vars=false --center=true --cmn-window=300, with the
energy-based choice of frames beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from steps.ivector.voice_activity import VoiceActivityConfig, voiced_frames
from utils.config import option


@dataclass
class SpeakerFeaturesConfig:
    """delta_order: 2 gives deltas and their deltas. window: frames of the sliding mean (10 ms each)."""

    delta_order: int = option(2, min=0, max=4)
    delta_window: int = option(3, min=1, max=20, help="frames on either side of a delta")
    mean_window: int = option(300, min=1, max=100_000)
    voice_activity: VoiceActivityConfig = field(default_factory=VoiceActivityConfig)


def speaker_features(cepstra: np.ndarray, config: SpeakerFeaturesConfig) -> tuple[np.ndarray, np.ndarray]:
    """
    Args:
        cepstra: (T, F), the first column the log energy.

    Returns:
        float32 (T, F * (delta_order + 1)), and which frames are voiced, bool (T,).
    """
    voiced = voiced_frames(cepstra[:, 0], config.voice_activity)
    features = add_deltas(cepstra, config.delta_order, config.delta_window)
    return (features - sliding_mean(features, config.mean_window)).astype(np.float32), voiced


def dimension(cepstra: int, config: SpeakerFeaturesConfig) -> int:
    """Columns of the features that so many cepstral coefficients give."""
    return cepstra * (config.delta_order + 1)


def add_deltas(features: np.ndarray, order: int, window: int) -> np.ndarray:
    """(T, F) -> float64 (T, F * (order + 1)): the features, their slopes, the slopes of these, ...

    The slope is that of the line through 2 * window + 1 frames; higher orders apply the composed filter to the features
    themselves, which are continued by their first and last frame (Kaldi, feat/feature-functions.cc).
    """
    features = np.asarray(features, dtype=np.float64)
    frames = len(features)
    slope = np.arange(-window, window + 1) / (2 * np.square(np.arange(1, window + 1)).sum())
    blocks, kernel = [features], np.ones(1)
    for _ in range(order if frames else 0):
        kernel = np.convolve(kernel, slope)
        reach = len(kernel) // 2
        padded = np.pad(features, ((reach, reach), (0, 0)), mode="edge")
        blocks.append(sum(weight * padded[shift:shift + frames] for shift, weight in enumerate(kernel)))
    return np.concatenate(blocks, axis=1) if frames else np.zeros((0, features.shape[1] * (order + 1)))


def sliding_mean(features: np.ndarray, window: int) -> np.ndarray:
    """Mean (T, F), float64, of the `window` frames around each frame; near the ends the window is moved, not shortened.

    By cumulative sums in float64, after the overall mean is taken off, so that they stay small.
    """
    features = np.asarray(features, dtype=np.float64)
    frames = len(features)
    if not frames:
        return features
    overall = features.mean(axis=0)
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features - overall, axis=0)])
    start = np.clip(np.arange(frames) - window // 2, 0, max(frames - window, 0))
    end = np.minimum(start + window, frames)
    return overall + (sums[end] - sums[start]) / (end - start)[:, None]
