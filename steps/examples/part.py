"""One part of a fold: its items, their inputs by name, their labels by target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from steps.data.dataset import Item
from utils.errors import UserError

NO_LABEL = -1


class Features(Protocol):
    """Normalized features of a part, by position."""

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
    """Sequences of frames, read and normalized when asked for; or waveforms, images and weighted texts, as they are.

    Attributes:
        rows: how many frames (samples, images, texts) an item has, where that is known without reading them.
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
class Part:
    """The items of one part that have every input, and those that lack one.

    Attributes:
        inputs: {name: features, one entry an item}.
        labels: {target: (N,)}: int64 class numbers, -1 without a label; or float64 numbers, NaN without one. Of tracks,
            which the items have, their means.
        missing: {id of an item that lacks an input: why}.
        context: bool (N,): items that are read and neither learned nor scored, so without labels; None: no item is.
    """

    items: tuple[Item, ...]
    inputs: Mapping[str, Features]
    labels: Mapping[str, np.ndarray]
    missing: dict[str, str] = field(default_factory=dict)
    context: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.context is None:
            object.__setattr__(self, "context", np.zeros(len(self.items), dtype=bool))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.items]

    @property
    def x(self) -> Features:
        """The one input of a part that has no other."""
        (features,) = self.inputs.values()
        return features

    @property
    def y(self) -> np.ndarray:
        """(N,) the labels of the first target."""
        return next(iter(self.labels.values()))

    def known(self) -> np.ndarray:
        """bool (N,): which items have a label of at least one target; no context has one."""
        return np.any([known(y) for y in self.labels.values()], axis=0)

    def unlabelled(self) -> Part:
        """Only the items that have no label."""
        return self.take(np.flatnonzero(~self.known()))

    def labelled(self) -> Part:
        """Only the items of `known`."""
        return self.take(np.flatnonzero(self.known()))

    def scored(self) -> Part:
        """Without the context."""
        return self.take(np.flatnonzero(~self.context)) if self.context.any() else self

    def take(self, positions: np.ndarray) -> Part:
        return replace(self, items=tuple(self.items[position] for position in positions),
                       inputs={name: features.take(positions) for name, features in self.inputs.items()},
                       labels={name: y[positions] for name, y in self.labels.items()},
                       context=self.context[positions])

    def join(self, other: Part) -> Part:
        """This part and another, e.g. train and dev; what is context of one and in the other, too, is there once."""
        one = self._without_context({item.id for item in other.scored()})
        two = other._without_context(set(one.ids))
        return Part(one.items + two.items,
                    {name: features.join(two.inputs[name]) for name, features in one.inputs.items()},
                    {name: np.concatenate([y, two.labels[name]]) for name, y in one.labels.items()},
                    {**self.missing, **other.missing}, np.concatenate([one.context, two.context]))

    def _without_context(self, ids: Collection[str]) -> Part:
        """Without those of `ids` that are context here."""
        if not self.context.any():
            return self
        return self.take(np.array([n for n, item in enumerate(self.items) if not self.context[n] or item.id not in ids],
                                  dtype=np.int64))

    def groups(self, of: str) -> list[np.ndarray]:
        """Positions of the items of each dialogue (session), in order of turn, start and id; groups by name.

        Args:
            of: "dialogue" or "session"; an item without one is a group of its own, behind the others.
        """
        members: dict[tuple[int, str], list[int]] = {}
        for position, item in enumerate(self.items):
            name = item.fields.get(of)
            members.setdefault((1, item.id) if name is None else (0, str(name)), []).append(position)
        order = {position: (item.turn or 0, item.start, item.id) for position, item in enumerate(self.items)}
        return [np.array(sorted(members[name], key=order.__getitem__)) for name in sorted(members)]


def known(y: np.ndarray) -> np.ndarray:
    """bool (N,): which of class numbers or numbers are labels."""
    return ~np.isnan(y) if y.dtype.kind == "f" else y != NO_LABEL
