"""Changed copies of the features of an utterance, as semi-supervised training compares them.

An augmentation is a function (features, size, random) -> features, of float32 (F,) or (T, F),
normalized, so that 0 is the mean of the training part. It changes nothing in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from utils.errors import UsageError

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noise(x: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise of this standard deviation."""
    return x + (size * random.standard_normal(x.shape)).astype(np.float32)


def scale(x: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Each column times a factor from 1 - size to 1 + size."""
    return x * random.uniform(1 - size, 1 + size, x.shape[-1]).astype(np.float32)


def drop(x: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Each column becomes 0 with the probability `size`."""
    return x * (random.random(x.shape[-1]) >= size).astype(np.float32)


def time_mask(x: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """A stretch of at most this share of the frames becomes the mean of the utterance."""
    width = int(random.integers(0, int(size * len(x)) + 1))
    first = int(random.integers(0, len(x) - width + 1))
    masked = x.copy()
    masked[first:first + width] = x.mean(axis=0)
    return masked


def crop(x: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """At most this share of the frames is cut off, at both ends together; at least one frame
    stays."""
    length = max(1, len(x) - int(random.integers(0, int(size * len(x)) + 1)))
    first = int(random.integers(0, len(x) - length + 1))
    return x[first:first + length]


OF_ALL = {"noise": noise, "scale": scale, "drop": drop}
OF_FRAMES = {"time_mask": time_mask, "crop": crop}


def changing(steps: Sequence[Mapping[str, float]], layout: str, key: str) -> Change:
    """The augmentations of a list, one after the other.

    Args:
        steps: one-key mappings {name: size}. layout: "vector" or "frames". key: of the list, for
            messages.

    Raises:
        UsageError: an entry with another number of keys, an unknown name, or one that these
            features cannot have.
    """
    known = OF_ALL if layout == "vector" else {**OF_ALL, **OF_FRAMES}
    chosen: list[tuple[Callable[[np.ndarray, float, np.random.Generator], np.ndarray], float]] = []
    for step in steps:
        if len(step) != 1:
            raise UsageError(f"{key} has the entry {dict(step)}; expected one name and its "
                             "size, e.g. {noise: 0.1}")
        [(name, size)] = step.items()
        if name not in known:
            what = "is for frames" if name in OF_FRAMES else "is no augmentation"
            raise UsageError(f"{key} names {name}, which {what}; accepted here: {', '.join(known)}")
        chosen.append((known[name], size))

    def change(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        for function, size in chosen:
            x = function(x, size, random)
        return x

    return change
