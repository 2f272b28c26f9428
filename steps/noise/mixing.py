"""What noise an utterance gets, and how it is added.

The signal-to-noise ratio is the mean power of the utterance's active frames (20 ms frames within 30 dB of the loudest:
utils/sound/signal.py) over the mean power of the noise behind the whole utterance. What the recording itself has of
noise counts as speech, so the ratio is that of what was added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.noise.sources import Source
from steps.training.random_state import generator
from utils.errors import UsageError
from utils.sound.noises import add_noise
from utils.sound.signal import to_pcm

RANDOM = "random"
LOWEST, HIGHEST = 0.0, 20.0  # dB, of random ratios
CLEAN_SHARE = 0.1  # of the utterances of a set with random ratios
LIMITS = (-20.0, 60.0)  # dB


@dataclass(frozen=True)
class Choice:
    """Of one utterance. kind and snr (dB) are None where it stays clean."""

    kind: str | None
    snr: float | None


@dataclass(frozen=True)
class Mixed:
    """int16 (T,) at 16 kHz; factor: below 1 where the sum was scaled down so that it does not clip."""

    samples: np.ndarray
    choice: Choice
    factor: float
    source: str


def parse_snr(text: str) -> float | None:
    """`--snr`: a number of dB, or None for "random".

    Raises:
        UsageError: neither.
    """
    if text == RANDOM:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not LIMITS[0] <= value <= LIMITS[1]:
        raise UsageError(f"--snr {text}: accepted: {LIMITS[0]:g} to {LIMITS[1]:g} (dB), or {RANDOM}")
    return value


def choose(key: str, snr: float | None, kinds: Sequence[str], pool: str, seed: int) -> Choice:
    """What utterance `key` gets: the same kind at every fixed ratio, so that ratios can be compared."""
    kind = kinds[int(generator(seed, "kind", pool, key).integers(len(kinds)))]
    if snr is not None:
        return Choice(kind, snr)
    rng = generator(seed, "ratio", pool, key)
    if rng.random() < CLEAN_SHARE:
        return Choice(None, None)
    return Choice(kind, round(float(rng.uniform(LOWEST, HIGHEST)), 1))


def mix(voice: np.ndarray, key: str, choice: Choice, source: Source, pool: str, seed: int) -> Mixed:
    """Args: voice: float (T,), full scale 1. The excerpt is the same at every ratio."""
    voice = np.asarray(voice, dtype=np.float64)
    if choice.kind is None or choice.snr is None or not voice.any():
        samples, factor = to_pcm(voice)
        return Mixed(samples, Choice(None, None), factor, "")
    behind, name = source.excerpt(choice.kind, len(voice), generator(seed, "excerpt", pool, key))
    samples, factor = to_pcm(add_noise(voice, np.asarray(behind, dtype=np.float64), choice.snr))
    return Mixed(samples, choice, factor, name)
