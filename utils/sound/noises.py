"""What sounds behind a voice: hum, babble, chords, impulses; and how it is added. numpy only; everything at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.sound.signal import RATE, active_level, band_noise


def hum(length: int, rng: np.random.Generator) -> np.ndarray:
    """An engine: harmonics of a wavering 45 to 130 Hz over rumble."""
    time = np.arange(length) / RATE
    fundamental, waver = rng.uniform(45, 130), rng.uniform(0.1, 0.6)
    phase = 2 * np.pi * (fundamental * time + 0.5 * np.sin(2 * np.pi * waver * time))
    tone = np.zeros(length)
    for harmonic in range(1, 13):
        tone += rng.uniform(0.2, 1) / harmonic * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    return tone + 0.4 * band_noise(length, 20, 400, rng) + 0.05 * band_noise(length, 400, 6000, rng)


def babble(length: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Other people's utterances, each repeated from a random place at about the same level."""
    mixture = np.zeros(length)
    for voice in voices:
        start = int(rng.integers(len(voice)))
        repeated = np.resize(np.roll(voice, -start), length)
        mixture += repeated / active_level(voice) * 10 ** (rng.uniform(-4, 4) / 20)
    return mixture


def chords(length: int, rng: np.random.Generator) -> np.ndarray:
    """Music: a plucked major or minor triad every half second or so."""
    mixture, start = np.zeros(length), 0
    while start < length:
        duration = int(rng.uniform(0.35, 0.8) * RATE)
        time = np.arange(min(2 * duration, length - start)) / RATE
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for interval in (0, int(rng.integers(3, 5)), 7):
            for harmonic in range(1, 5):
                tone = np.sin(2 * np.pi * root * 2 ** (interval / 12) * harmonic * time)
                mixture[start:start + len(time)] += tone * np.exp(-time * 3 * harmonic) / harmonic
        start += duration
    return mixture


def impulses(length: int, rng: np.random.Generator) -> np.ndarray:
    """Knocks and clicks, about three a second, over a faint hiss."""
    mixture = 0.02 * band_noise(length, 50, 7500, rng)
    for _ in range(max(2, int(rng.poisson(3 * length / RATE)))):
        start = int(rng.integers(length))
        time = np.arange(min(RATE // 5, length - start)) / RATE
        knock = np.sin(2 * np.pi * rng.uniform(200, 4000) * time) + 0.5 * rng.standard_normal(len(time))
        mixture[start:start + len(time)] += rng.uniform(0.3, 1) * knock * np.exp(-time * rng.uniform(30, 200))
    return mixture


def add_noise(voice: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Voice plus noise at `snr` dB: level of the speaking frames over the noise's root mean square."""
    scale = active_level(voice) / max(1e-9, float(np.sqrt((noise ** 2).mean()))) / 10 ** (snr / 20)
    return voice + scale * noise
