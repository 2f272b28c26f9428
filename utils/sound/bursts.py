"""Sounds of a voice that are no speech: laughter, sobs, and the vowel that they are made of. numpy only."""

from __future__ import annotations

import numpy as np

from utils.sound.signal import RATE, band_noise


def laughter(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Three to six voiced, breathy syllables whose pitch and loudness fall. pitch: Hz."""
    syllables = []
    count = int(rng.integers(3, 7))
    for k in range(count):
        decline = 1 - 0.5 * k / count
        syllable = vowel(pitch * (1.25 * decline ** 0.6), 0.7, float(rng.uniform(0.08, 0.12)), (750, 1250, 2700), rng)
        breath = band_noise(int(rng.uniform(0.05, 0.09) * RATE), 800, 4500, rng) * 0.12
        syllables += [syllable * decline, breath * decline]
    return np.concatenate(syllables)


def sob(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """One or two times a sharp breath in, then a shaking, falling moan. pitch: Hz."""
    pieces = []
    for _ in range(int(rng.integers(1, 3))):
        length = int(rng.uniform(0.12, 0.2) * RATE)
        breath = band_noise(length, 1200, 5000, rng) * np.linspace(0, 0.5, length) ** 2
        moan = vowel(pitch * 1.3, 0.6, float(rng.uniform(0.2, 0.35)), (450, 1000, 2500), rng)
        shake = 1 + 0.6 * np.sin(2 * np.pi * rng.uniform(8, 11) * np.arange(len(moan)) / RATE)
        pieces += [breath, np.zeros(RATE // 25), moan * shake * 0.6, np.zeros(RATE // 12)]
    return np.concatenate(pieces)


def vowel(pitch: float, fall: float, duration: float, formants: tuple[float, ...],
          rng: np.random.Generator) -> np.ndarray:
    """A vowel as a sum of harmonics under formant bumps; its pitch falls to `fall` times `pitch`."""
    time = np.arange(int(duration * RATE)) / RATE
    frequency = pitch * np.linspace(1, fall, len(time)) * rng.uniform(0.95, 1.05)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = np.zeros(len(time))
    for harmonic in range(1, int(5000 / pitch)):
        height = sum(np.exp(-0.5 * ((harmonic * pitch - formant) / 160) ** 2) / (1 + k)
                     for k, formant in enumerate(formants))
        voice += (height + 0.05 / harmonic) * np.sin(harmonic * phase)
    voice += 0.3 * band_noise(len(time), 500, 5000, rng)
    return voice * np.sin(np.pi * np.linspace(0, 1, len(time))) ** 0.7
