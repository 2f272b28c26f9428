"""One part of a fold: its items, their features by position (vectors, frames read lazily, nothing), their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from steps.data.dataset import Item
from utils.errors import UserError

NO_LABEL = -1


class Features(Protocol):
    """Normalised features of a part, by position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> np.ndarray:
        """float32 (F,) or (T, F)."""

    def matrix(self) -> np.ndarray:
        """float32 (N, F); only features of kind "utterance"."""

    def take(self, positions: np.ndarray) -> Features: ...

    def join(self, other: Features) -> Features: ...


@dataclass(frozen=True)
class Vectors:
    """One vector an utterance, in memory: rows (N, F)."""

    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> np.ndarray:
        return self.rows[position]

    def matrix(self) -> np.ndarray:
        return self.rows

    def take(self, positions: np.ndarray) -> Vectors:
        return Vectors(self.rows[positions])

    def join(self, other: Features) -> Vectors:
        return Vectors(np.concatenate([self.rows, other.matrix()]))


@dataclass(frozen=True)
class Frames:
    """Sequences of frames, read from the archive and normalised when asked for.

    Attributes:
        rows: how many frames an item has, where that is known without reading them.
        shift: seconds between frames, where that is known.
    """

    read: Callable[[Item], np.ndarray]
    items: tuple[Item, ...]
    rows: Callable[[Item], int] | None = None
    shift: float | None = None

    def __len__(self) -> int:
        return len(self.items)

    def lengths(self) -> np.ndarray:
        """int64 (N,) frames of each."""
        rows = self.rows or (lambda item: len(self.read(item)))
        return np.array([rows(item) for item in self.items], dtype=np.int64)

    def __getitem__(self, position: int) -> np.ndarray:
        return self.read(self.items[position])

    def matrix(self) -> np.ndarray:
        raise UserError("these features are frames; this kind of subsystem needs one vector an utterance")

    def take(self, positions: np.ndarray) -> Frames:
        return replace(self, items=tuple(self.items[position] for position in positions))

    def join(self, other: Features) -> Frames:
        assert isinstance(other, Frames)
        return replace(self, items=self.items + other.items)


@dataclass(frozen=True)
class Nothing:
    """No features: the kind of subsystem reads the items' text."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> np.ndarray:
        raise UserError("there are no features here but text")

    def matrix(self) -> np.ndarray:
        raise UserError("there are no features here but text")

    def take(self, positions: np.ndarray) -> Nothing:
        return Nothing(len(positions))

    def join(self, other: Features) -> Nothing:
        return Nothing(self.count + len(other))


@dataclass(frozen=True)
class Part:
    """The items of one part that have features, sorted by id, and those that have none.

    Attributes:
        x: features, one entry an item.
        y: int64 (N,) class numbers, -1 unlabelled; or float64 (N,) numbers, NaN unlabelled. Of tracks, which the items
            have, their means.
        missing: items without features, and why.
    """

    items: tuple[Item, ...]
    x: Features
    y: np.ndarray
    missing: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.items]

    def unlabelled(self) -> Part:
        """Only the items that have none."""
        return self.take(np.flatnonzero(~known(self.y)))

    def labelled(self) -> Part:
        """Only the items that have a label."""
        return self.take(np.flatnonzero(known(self.y)))

    def take(self, positions: np.ndarray) -> Part:
        return replace(self, items=tuple(self.items[position] for position in positions), x=self.x.take(positions),
                       y=self.y[positions])

    def join(self, other: Part) -> Part:
        """This part and another, e.g. train and dev."""
        return Part(self.items + other.items, self.x.join(other.x), np.concatenate([self.y, other.y]),
                    {**self.missing, **other.missing})


def known(y: np.ndarray) -> np.ndarray:
    """bool (N,): which of class numbers or numbers are labels."""
    return ~np.isnan(y) if y.dtype.kind == "f" else y != NO_LABEL
