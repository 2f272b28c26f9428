"""Every random choice derives from (seed, epoch, utterance id or batch number), never from the state of a worker.

So a resumed run needs no saved generator: the choices of batch b of epoch e are the same whoever makes them, and
whether or not anything ran before.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable

import numpy as np


def derive(seed: int, *parts: int | str) -> int:
    """A 63-bit integer that depends on the seed and every part, and on nothing else."""
    text = "\0".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def shuffled(ids: Iterable[str], seed: int, epoch: int) -> list[str]:
    """The ids in the random order of this epoch; independent of the order in which they come."""
    return sorted(ids, key=lambda item: (derive(seed, epoch, item), item))


def generator(seed: int, *parts: int | str) -> np.random.Generator:
    """A numpy generator for one purpose."""
    return np.random.Generator(np.random.PCG64(derive(seed, *parts)))


def seed_everything(seed: int, *parts: int | str) -> int:
    """Seed Python, numpy and torch (all devices) from (seed, parts); returns the integer that did it."""
    import torch

    value = derive(seed, *parts)
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
    return value
