"""Augmentation of log mel features; every function takes its random generator and changes nothing in place."""

from __future__ import annotations

import numpy as np


def add_noise(features: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Add noise to speech, both log mel energies (T, F); the energies of uncorrelated signals add.

    Args:
        noise: repeated or cut to T. snr: dB, of the mean energies.
    """
    rows = np.arange(len(features)) % len(noise)
    gain = np.log(np.exp(features).mean()) - np.log(np.exp(noise).mean()) - snr * np.log(10) / 10
    return np.logaddexp(features, noise[rows] + gain, dtype=np.float32)


def stationary_noise(frames: int, bins: int, random: np.random.Generator) -> np.ndarray:
    """Log mel energies (T, F) of Gaussian noise of a random smooth spectrum.

    The power of a band of Gaussian noise follows a chi-squared distribution, whose degrees of freedom grow with the
    band's width: about 2 for the lowest mel bands and 20 for the highest.
    """
    place = np.linspace(0, 1, bins)
    waves = sum(random.normal(0, 2.0 / order) * np.cos(np.pi * order * place + random.uniform(0, np.pi))
                for order in range(1, 5))
    spectrum = random.uniform(-4, 2) * place + waves
    shape = 1.0 + 9.0 * place
    return (spectrum + np.log(random.gamma(shape, 1 / shape, (frames, bins)) + 1e-10)).astype(np.float32)
