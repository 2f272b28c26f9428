"""From espeak-ng's samples to an emotional voice at 16 kHz: color, tremor, pauses, level, bursts. numpy only."""

from __future__ import annotations

import numpy as np

from utils.sound.bursts import laughter, sob
from utils.sound.signal import RATE, active_level

OVERSAMPLING = 4
TARGET_LEVEL = -27.0  # dB relative to full scale, of the frames in which somebody speaks
VIBRATO = 0.035  # relative change of frequency at tremor depth 1


def reshape(samples: np.ndarray, rate: int, *, warp: float = 1.0, tilt: float = 0.0, tremor: float = 0.0,
            tremor_rate: float = 5.0, phase: float = 0.0) -> np.ndarray:
    """Color, resample and shake in one pass.

    Filters in the frequency domain, oversamples by 4, and reads the result at the (trembling) times of 16 kHz samples.

    Args:
        samples: (T,) at `rate` Hz. warp: factor on all frequencies; the duration changes by its inverse.
        tilt: dB an octave about 1 kHz. tremor: depth 0 to 1 of a modulation of loudness and pitch at `tremor_rate` Hz.

    Returns: float64 (T',) at 16 kHz.
    """
    length = -(-(len(samples) + rate // 20) // 2048) * 2048  # padded, so that the filter does not wrap around
    spectrum = np.fft.rfft(samples, length)
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    octaves = np.log2(np.clip(frequencies, 125, 8000) / 1000)
    spectrum *= 10 ** (tilt * octaves / 20) * (frequencies < 0.487 * RATE / warp)
    fine = np.fft.irfft(spectrum, OVERSAMPLING * length) * OVERSAMPLING
    time = np.arange(int(len(samples) / rate / warp * RATE)) / RATE
    angle = 2 * np.pi * tremor_rate * time + phase
    shaken = warp * (time - VIBRATO * tremor / (2 * np.pi * tremor_rate) * np.cos(angle))
    voice = np.interp(shaken * rate * OVERSAMPLING, np.arange(len(fine)), fine)
    return voice * (1 + 0.7 * tremor * np.sin(angle)) / (1 + 0.7 * tremor)


def trim(voice: np.ndarray, margin: float = 0.08) -> np.ndarray:
    """Cut silence at both ends down to `margin` seconds."""
    loud = np.flatnonzero(np.abs(voice) > 0.01 * np.abs(voice).max())
    keep = int(margin * RATE)
    return voice[max(0, loud[0] - keep):loud[-1] + keep]


def set_level(voice: np.ndarray, loudness: float) -> np.ndarray:
    """Scale to TARGET_LEVEL + `loudness` dB."""
    return voice * (10 ** ((TARGET_LEVEL + loudness) / 20) / active_level(voice))


def insert_pauses(voice: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Insert up to `count` silences of 0.15 to 0.45 s at the quietest places between 15 % and 85 % of the utterance."""
    width = RATE // 50
    power = (voice[:len(voice) // width * width].reshape(-1, width) ** 2).mean(axis=1)
    low, high = int(0.15 * len(power)), int(0.85 * len(power))
    places: list[int] = []
    for frame in low + np.argsort(power[low:high], kind="stable"):
        if len(places) == count:
            break
        if all(abs(frame - other) > 15 for other in places):
            places.append(int(frame))
    pieces, start = [], 0
    for frame in sorted(places):
        cut = frame * width + width // 2
        pieces += [_fade(voice[start:cut]), np.zeros(int(rng.uniform(0.15, 0.45) * RATE))]
        start = cut
    return np.concatenate([*pieces, voice[start:]])


def _fade(piece: np.ndarray, length: int = 80) -> np.ndarray:
    """5 ms fade-out, so that a cut does not click."""
    faded = piece.copy()
    faded[-length:] *= np.linspace(1, 0, min(length, len(piece)))
    return faded


def add_burst(voice: np.ndarray, kind: str, pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Put a laugh or a sob before or after the words, as loud as they are or a little softer."""
    burst = laughter(pitch, rng) if kind == "laugh" else sob(pitch, rng)
    burst *= active_level(voice) / active_level(burst) * 10 ** (-rng.uniform(0, 6) / 20)
    gap = np.zeros(int(rng.uniform(0.05, 0.25) * RATE))
    return np.concatenate([burst, gap, voice] if rng.random() < 0.5 else [voice, gap, burst])
