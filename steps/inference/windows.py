"""A long recording in windows, in bounded memory: the samples as they are read, the records as arrays."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from steps.inference.outputs import Outputs

Record = dict[str, Any]


def starts_of(length: int, size: int, step: int) -> range:
    """First samples of the windows of `size` samples, `step` apart; the last reaches the end."""
    return range(0, max(length - size + step - 1, 0) + 1, step)


def windows_of(blocks: Iterable[np.ndarray], length: int, size: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """
    Args:
        blocks: (n,) each, that follow one another; `length` samples in all.

    Yields:
        The first sample of each window, and its samples (size,); the last window may be shorter.
    """
    rest, held, offset = iter(blocks), np.zeros(0, dtype=np.float32), 0  # offset: number of held[0]
    for start in starts_of(length, size, step):
        end = min(start + size, length)
        parts, reached = [held[start - offset:]], offset + len(held)
        while reached < end and (block := next(rest, None)) is not None:
            parts.append(block[max(0, start - reached):])
            reached += len(block)
        held = np.concatenate(parts)
        offset = reached - len(held)
        yield start, held[:end - start].copy()


class Windows(Sequence[Record]):
    """The records of windows, kept as arrays: a recording of ten hours has 36000.

    A record: {"start", "end"} in seconds, and what EmotionModel.score gives of it but for "file" and "seconds".
    """

    def __init__(self, outputs: Outputs, subsystems: Sequence[str]):
        self.outputs, self.subsystems = outputs, list(subsystems)
        self._times, self._scores = array("d"), array("d")
        self._words: list[Record] = []  # what is no number; windows that say the same share it
        self._same: dict[str, Record] = {}

    def append(self, begin: float, end: float, record: Mapping[str, Any]) -> None:
        """Take in a record with what is predicted, and "subsystems"."""
        self._times.extend((begin, end))
        for table in (self.outputs.values(record), *(record["subsystems"][name] for name in self.subsystems)):
            self._scores.extend(table[label] for label in self.outputs.columns)
        words = self.outputs.words(record)
        self._words.append(self._same.setdefault(json.dumps(words), words))

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        columns = self.outputs.columns
        whole, *alone = (dict(zip(columns, row, strict=True)) for row in self.scores[number].tolist())
        words = dict(self._words[number])
        return {"start": self._times[2 * number], "end": self._times[2 * number + 1],
                **self.outputs.restored(whole, words),
                "subsystems": dict(zip(self.subsystems, alone, strict=True)), **words}

    @property
    def scores(self) -> np.ndarray:
        """Posteriors or numbers (N, 1 + subsystems, columns): of the whole, then of each subsystem."""
        return np.frombuffer(self._scores).reshape(len(self), 1 + len(self.subsystems), len(self.outputs.columns))
