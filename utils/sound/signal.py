"""Levels and noise of a band. numpy only."""

from __future__ import annotations

import numpy as np

RATE = 16000


def active_level(voice: np.ndarray) -> float:
    """Root mean square of the 20 ms frames within 30 dB of the loudest one; of all samples where there are few."""
    frames = voice[:len(voice) // 320 * 320].reshape(-1, 320) if len(voice) >= 320 else voice.reshape(1, -1)
    power = (frames ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean()))


def to_pcm(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """int16 of samples whose full scale is 1, and the factor (at most 1) that keeps their peak at 0.98 or below."""
    factor = min(1.0, 0.98 / max(1e-9, float(np.abs(samples).max())))
    return np.round(samples * factor * 32767).astype("<i2"), factor


def band_noise(length: int, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """White noise between two frequencies (Hz), root mean square 1."""
    padded = -(-length // 1024) * 1024  # a length with small factors is transformed faster
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequencies = np.fft.rfftfreq(padded, 1 / RATE)
    noise = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies <= high)), padded)[:length]
    return noise / max(1e-9, float(np.sqrt((noise ** 2).mean())))
