"""Harmonic ratio and pitch of frames from their normalized cross-correlation (Giannakopoulos & Pikrakis 2014, 4.3.8).

    G(m) = sum_n x(n) x(n - m) / sqrt(sum_n x(n)^2 sum_n x(n - m)^2),  n = m ... L - 1

over the lags m of the pitch range. The harmonic ratio is the largest value. A period's multiples correlate as well as
itself, so the pitch is the shortest lag with a peak that comes near the largest value.
"""

from __future__ import annotations

import numpy as np

NEAR = 0.9  # of the largest value


def correlation(frames: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """(T, L) -> float64 (T, longest - shortest + 1): G at the lags shortest ... longest < L; 0 in silence."""
    length = frames.shape[1]
    x = frames - frames.mean(axis=1, keepdims=True, dtype=np.float64)
    size = 1 << (2 * length - 1).bit_length()
    products = np.fft.irfft(np.square(np.abs(np.fft.rfft(x, size))), size)[:, shortest:longest + 1]
    energy = np.concatenate([np.zeros((len(x), 1)), np.cumsum(np.square(x), axis=1)], axis=1)  # of the first n samples
    lags = np.arange(shortest, longest + 1)
    early, late = energy[:, length - lags], energy[:, -1:] - energy[:, lags]
    scale = np.sqrt(early * np.maximum(late, 0))
    heard = scale > 1e-10 * length  # a millionth of a 16-bit step is rounding
    return np.clip(np.divide(products, scale, out=np.zeros_like(products), where=heard), -1, 1)


def harmonics(frames: np.ndarray, rate: int, lowest: float, highest: float,
              voiced: float) -> tuple[np.ndarray, np.ndarray]:
    """(T, L) -> harmonic ratio (T,) and pitch (T,) in Hz, 0 where the ratio is under `voiced`.

    Args:
        lowest, highest: the pitch range in Hz.
    """
    shortest, longest = int(rate / highest), min(int(np.ceil(rate / lowest)), frames.shape[1] - 2)
    found = correlation(frames, shortest - 1, longest + 1)
    inner = found[:, 1:-1]
    ratio = np.maximum(inner.max(axis=1), 0)
    peak = (inner >= found[:, :-2]) & (inner >= found[:, 2:]) & (inner >= NEAR * ratio[:, None])
    lag = shortest + np.where(peak.any(axis=1), peak.argmax(axis=1), inner.argmax(axis=1))
    return ratio, np.where(ratio >= voiced, rate / lag, 0.0)


def log_contour(pitch: np.ndarray) -> np.ndarray:
    """log Hz (T,), drawn straight across frames without pitch; 0 throughout where no frame has one."""
    there = np.flatnonzero(pitch > 0)
    if not len(there):
        return np.zeros(len(pitch))
    return np.interp(np.arange(len(pitch)), there, np.log(pitch[there]))
