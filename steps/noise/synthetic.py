"""Noise of our own making: a bank of recordings for each kind, one for training and one for testing. numpy only.

    noise    engines, colored noise, a factory (engine and knocks)
    music    plucked chords under a melody
    babble   six talkers of noise-vocoded syllables: the rhythm and the bands of speech without words, and without a
             speaker of any corpus
    bursts   crying, laughing and coughing, with short gaps

Training and testing noises have nothing in common: other random streams, and every continuous parameter (frequencies,
slopes, rates, roots of chords) is drawn from the one or the other half of its range, in turns, so that neither half is
the easier one.
"""

from __future__ import annotations

import functools

import numpy as np

from steps.noise import POOLS
from steps.training.random_state import derive
from utils.sound import noises
from utils.sound.bursts import laughter, sob
from utils.sound.signal import RATE, band_noise

RECORDINGS = 6  # of a kind
SECONDS = 8.0  # of a recording
CELLS = 8  # that a range is divided into; every second one belongs to the training noises
TALKERS = 6
BANDS = ((100, 400, 1.0), (400, 800, 0.8), (800, 1600, 0.45), (1600, 2800, 0.25), (2800, 5500, 0.15))  # Hz, Hz, height


class HalfRange(np.random.Generator):
    """A generator whose uniform numbers fall into every second cell of their range, and whose whole numbers, where
    there are four or more, are every second one. half: 0 or 1."""

    def __init__(self, seed: int, half: int):
        super().__init__(np.random.PCG64(seed))
        self.half = half

    def uniform(self, low=0.0, high=1.0, size=None):  # type: ignore[no-untyped-def, override]
        cell = 2 * super().integers(CELLS // 2, size=size) + self.half
        return low + (high - low) * (cell + super().random(size)) / CELLS

    def integers(self, low, high=None, size=None):  # type: ignore[no-untyped-def, override]
        first, last = (0, low) if high is None else (low, high)
        if last - first < 4:
            return super().integers(first, last, size=size)
        return first + 2 * super().integers((last - first + 1 - self.half) // 2, size=size) + self.half


@functools.lru_cache(maxsize=4 * RECORDINGS)
def recording(kind: str, number: int, pool: str, seed: int) -> np.ndarray:
    """Recording `number` of a kind: float32 (T,)."""
    rng = HalfRange(derive(seed, "noise", pool, kind, number), POOLS.index(pool))
    return MAKERS[kind](int(SECONDS * RATE), number, rng).astype(np.float32)


def noise(length: int, number: int, rng: np.random.Generator) -> np.ndarray:
    if number % 3 == 0:
        return noises.hum(length, rng)
    if number % 3 == 1:
        return colored(length, rng.uniform(0.0, 2.0), rng)
    engine, knocks = noises.hum(length, rng), noises.impulses(length, rng)
    return engine / _level(engine) + 0.7 * knocks / _level(knocks)


def music(length: int, number: int, rng: np.random.Generator) -> np.ndarray:
    accompaniment, tune = noises.chords(length, rng), melody(length, rng)
    return accompaniment / _level(accompaniment) + rng.uniform(0.5, 1.2) * tune / _level(tune)


def babble(length: int, number: int, rng: np.random.Generator) -> np.ndarray:
    carriers = [band_noise(length, low, high, rng) for low, high, _ in BANDS]
    return sum((talker(carriers, rng) for _ in range(TALKERS)), np.zeros(length))


def bursts(length: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """One person's for a whole recording: crying, laughing or coughing."""
    pitch, pieces, total = rng.uniform(130, 330), [], 0
    while total < length:
        sound = (sob(pitch, rng), laughter(pitch, rng), cough(rng))[number % 3]
        pieces += [sound / np.abs(sound).max(), np.zeros(int(rng.uniform(0.1, 0.5) * RATE))]
        total += len(pieces[-2]) + len(pieces[-1])
    return np.concatenate(pieces)[:length]


MAKERS = {"noise": noise, "music": music, "babble": babble, "bursts": bursts}


def colored(length: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls with frequency to the power of -exponent: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20.0)
    return np.fft.irfft(spectrum * frequencies ** (-exponent / 2), length)


def melody(length: int, rng: np.random.Generator) -> np.ndarray:
    """A single voice that walks over a scale of whole tones, each note with an onset and a decay."""
    tune, start, place = np.zeros(length), 0, 12
    while start < length:
        duration = min(int(rng.uniform(0.12, 0.45) * RATE), length - start)
        time = np.arange(duration) / RATE
        place = int(np.clip(place + 2 * int(rng.integers(-1, 2)), 6, 24))
        pitch = 220 * 2 ** (place / 12) * rng.uniform(0.97, 1.03)
        note = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic ** 1.5 for harmonic in range(1, 6))
        tune[start:start + duration] += note * np.minimum(1.0, time / 0.02) * np.exp(-2.5 * time)
        start += duration
    return tune


def talker(carriers: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Syllables of noise: each opens and closes once and has its own balance of the bands; a pause here and there."""
    length = len(carriers[0])
    edges = np.cumsum(np.append(0.0, rng.uniform(0.11, 0.3, int(length / RATE / 0.11) + 2)))
    heights = rng.uniform(0.4, 1.0, len(edges)) * (rng.random(len(edges)) > 0.15)
    time = np.arange(length) / RATE
    syllable = np.searchsorted(edges, time, side="right") - 1
    phase = (time - edges[syllable]) / np.diff(edges)[syllable]
    envelope = heights[syllable] * np.sin(np.pi * phase) ** 0.8
    voice = np.zeros(length)
    for (_, _, height), carrier in zip(BANDS, carriers, strict=True):
        balance = rng.uniform(0.1, 1.0, len(edges))
        voice += height * balance[syllable] * np.roll(carrier, int(rng.integers(length)))
    return envelope * voice


def cough(rng: np.random.Generator) -> np.ndarray:
    """Two or three times an explosion of noise and what follows it, softer and lower."""
    pieces = []
    for _ in range(int(rng.integers(2, 4))):
        blast, rest = int(rng.uniform(0.03, 0.06) * RATE), int(rng.uniform(0.12, 0.25) * RATE)
        onset = band_noise(blast, 300, rng.uniform(3000, 6000), rng) * np.linspace(1.0, 0.6, blast)
        tail = band_noise(rest, 200, rng.uniform(1200, 2500), rng) * 0.5 * np.exp(-np.linspace(0, 4, rest))
        pieces += [onset, tail, np.zeros(RATE // 20)]
    return np.concatenate(pieces)


def _level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples ** 2)))
