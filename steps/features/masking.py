"""SpecAugment (Park et al., Interspeech 2019) on a sequence of frames: bands of columns and stretches of frames."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Masks(Protocol):
    """How many masks and how wide; widths are drawn evenly from 0 to the widest."""

    frequency_masks: int
    max_frequency_mask_bins: int  # columns
    time_masks: int
    max_time_mask_fraction: float  # share of the utterance


def spec_augment(features: np.ndarray, config: Masks, random: np.random.Generator) -> np.ndarray:
    """Mask bands and stretches of (T, F) with the utterance's mean of each column; nothing is changed in place."""
    frames, bins = features.shape
    masked, mean = features.copy(), features.mean(axis=0)
    for _ in range(config.frequency_masks):
        width = int(random.integers(0, min(config.max_frequency_mask_bins, bins) + 1))
        first = int(random.integers(0, bins - width + 1))
        masked[:, first:first + width] = mean[first:first + width]
    for _ in range(config.time_masks):
        width = int(random.integers(0, int(config.max_time_mask_fraction * frames) + 1))
        first = int(random.integers(0, frames - width + 1))
        masked[first:first + width] = mean
    return masked
