"""Samples -> overlapping frames, where Kaldi puts them."""

from __future__ import annotations

import numpy as np


def frames_of(samples: np.ndarray, length: int, shift: int) -> np.ndarray:
    """(T,) -> (round(T / shift), length): frame i is centerd on sample (i + 1/2) shift; the ends are mirrored.

    These are the frames of kaldi-native-fbank with snip_edges off, so that columns of either stand side by side.
    """
    count = (len(samples) + shift // 2) // shift
    if not count:
        return np.empty((0, length), dtype=samples.dtype)
    before = length // 2 - shift // 2
    after = max(0, (count - 1) * shift + length - before - len(samples))
    padded = np.pad(samples, (before, after), mode="symmetric")
    return np.lib.stride_tricks.sliding_window_view(padded, length)[:(count - 1) * shift + 1:shift]
