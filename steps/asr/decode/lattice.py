"""Lattices of any engine: total, best path, and the n-best list as distinct word sequences with their paths summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

PRUNE = 25.0  # nats under the total: what is less likely changes no posterior that is shown


@dataclass(frozen=True)
class Entry:
    """One word sequence of an n-best list.

    Attributes:
        words: ids. log_posterior: log of the share of its paths in the sum over all paths.
    """

    words: tuple[int, ...]
    log_posterior: float


@dataclass
class Lattice:
    """An acyclic graph of the likely paths of one utterance.

    Attributes:
        start: a state. finals: (S,) log weights of ending, -inf where a state is not final.
        sources, targets: (A,). words: (A,) an arc's word sequence, by its place in `sequences`.
        scores: (A,) log weights, acoustic and graph together.
        sequences: word sequences that arcs carry; the first is the empty one.
    """

    start: int
    finals: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    words: np.ndarray
    scores: np.ndarray
    sequences: Sequence[tuple[int, ...]]
    levels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Sort the arcs by level of their target, so that those into a level stand together."""
        self.levels = _levels(len(self.finals), self.sources, self.targets)
        self._keep(np.lexsort((self.targets, self.levels[self.targets])))

    def _keep(self, chosen: np.ndarray) -> None:
        self.sources, self.targets, self.words, self.scores = (
            array[chosen] for array in (self.sources, self.targets, self.words, self.scores))

    def best(self) -> float:
        """Log score of the best path; -inf if none ends."""
        return float((self._forward(np.maximum) + self.finals).max(initial=-np.inf))

    def total(self) -> float:
        """Log of the sum over all paths; -inf if none ends."""
        return float(np.logaddexp.reduce(self._forward(np.logaddexp) + self.finals, initial=-np.inf))

    def _forward(self, add: np.ufunc) -> np.ndarray:
        """(S,) over the paths from the start to each state."""
        reached = np.full(len(self.finals), -np.inf)
        reached[self.start] = 0.0
        for first, last in _runs(self.levels[self.targets]):
            values = reached[self.sources[first:last]] + self.scores[first:last]
            places, at = _groups(self.targets[first:last])
            reached[places] = add.reduceat(values, at)
        return reached

    def _backward(self) -> np.ndarray:
        """(S,) log of the sum over the paths from each state to an end."""
        left = self.finals.astype(np.float64).copy()
        order = np.lexsort((self.sources, -self.levels[self.sources]))
        sources = self.sources[order]
        for first, last in _runs(self.levels[sources]):
            chosen = order[first:last]
            values = self.scores[chosen] + left[self.targets[chosen]]
            places, at = _groups(sources[first:last])
            left[places] = np.logaddexp(left[places], np.logaddexp.reduceat(values, at))
        return left

    def nbest(self, count: int, histories: int = 0) -> list[Entry]:
        """The `count` likeliest word sequences, best first; their posteriors sum to at most 1.

        A state keeps the word sequences that lead to it with the sum over their paths, at most `histories` of them
        (0: four times `count`, 50 at least); with as many as there are, the list is exact.
        """
        before, after = self._forward(np.logaddexp), self._backward()
        total = after[self.start]
        if not total > -np.inf:
            return []
        with np.errstate(invalid="ignore"):
            likely = before[self.sources] + self.scores + after[self.targets] > total - PRUNE
        self._keep(np.flatnonzero(likely))
        search = _Histories(self, after, total, histories or max(50, 4 * count))
        masses = search.run()
        ordered = sorted(masses.items(), key=lambda item: (-item[1], item[0]))[:count]
        return [Entry(words, min(0.0, mass - total)) for words, mass in ordered]


class _Histories:
    """Word sequences as numbers, and for every state which of them lead there."""

    def __init__(self, lattice: Lattice, after: np.ndarray, total: float, most: int):
        self.lattice, self.after, self.total, self.most = lattice, after, total, most
        self.known: dict[tuple[int, int], int] = {}
        self.parts: list[tuple[int, int]] = [(-1, 0)]  # history -> the shorter history, sequence that follows it
        self.first = np.zeros(len(lattice.finals), dtype=np.int64)  # where a state's entries are
        self.number = np.zeros(len(lattice.finals), dtype=np.int64)
        self.number[lattice.start] = 1
        self.store, self.masses, self.size = np.zeros(1, dtype=np.int64), np.zeros(1), 1

    def run(self) -> dict[tuple[int, ...], float]:
        """Log of the sum over the paths of each word sequence that reaches an end."""
        lattice = self.lattice
        for low, high in _runs(lattice.levels[lattice.targets]):
            self._level(slice(low, high))
        found: dict[tuple[int, ...], float] = {}
        for state in np.flatnonzero((self.number > 0) & (lattice.finals > -np.inf)):
            for place in range(self.first[state], self.first[state] + self.number[state]):
                words = self._words(int(self.store[place]))
                value = self.masses[place] + lattice.finals[state]
                found[words] = float(np.logaddexp(found.get(words, -np.inf), value))
        return found

    def _append(self, histories: np.ndarray, masses: np.ndarray) -> None:
        size = self.size + len(histories)
        if size > len(self.store):
            room = np.zeros(2 * size - len(self.store))
            self.store = np.concatenate([self.store, room.astype(np.int64)])
            self.masses = np.concatenate([self.masses, room])
        self.store[self.size:size], self.masses[self.size:size] = histories, masses
        self.size = size

    def _level(self, arcs: slice) -> None:
        """Let the arcs into one level carry the entries on."""
        lattice = self.lattice
        sources, targets = lattice.sources[arcs], lattice.targets[arcs]
        counts = self.number[sources]
        arc = np.repeat(np.arange(len(sources)), counts)
        inner = np.arange(len(arc)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = self.first[sources][arc] + inner
        values = self.masses[place] + lattice.scores[arcs][arc]
        reached = targets[arc]
        likely = values + self.after[reached] > self.total - PRUNE
        place, values, reached = place[likely], values[likely], reached[likely]
        if not len(place):
            return
        histories = self._extend(self.store[place], lattice.words[arcs][arc[likely]])
        order = np.lexsort((histories, reached))
        key = np.stack([reached[order], histories[order]])
        at = np.flatnonzero(np.concatenate([[True], (key[:, 1:] != key[:, :-1]).any(axis=0)]))
        values, (reached, histories) = np.logaddexp.reduceat(values[order], at), key[:, at]
        order = np.lexsort((histories, -values, reached))
        reached, histories, values = reached[order], histories[order], values[order]
        states, begins = _groups(reached)
        rank = np.arange(len(reached)) - np.repeat(begins, np.diff(np.append(begins, len(reached))))
        kept = rank < self.most
        reached, histories, values = reached[kept], histories[kept], values[kept]
        states, begins = _groups(reached)
        self.first[states] = self.size + begins
        self.number[states] = np.diff(np.append(begins, len(reached)))
        self._append(histories, values)

    def _extend(self, histories: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Each history with the words of an arc after it."""
        histories = histories.copy()
        for place in np.flatnonzero(words):
            key = (int(histories[place]), int(words[place]))
            if key not in self.known:
                self.known[key] = len(self.parts)
                self.parts.append(key)
            histories[place] = self.known[key]
        return histories

    def _words(self, history: int) -> tuple[int, ...]:
        reversed_parts = []
        while history > 0:
            history, part = self.parts[history]
            reversed_parts.append(self.lattice.sequences[part])
        return tuple(word for part in reversed(reversed_parts) for word in part)


def _levels(states: int, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(S,) the longest way to each state, in arcs; every arc leads to a higher level."""
    order = np.argsort(sources, kind="stable")
    begins = np.searchsorted(sources[order], np.arange(states + 1))
    waiting = np.bincount(targets, minlength=states)
    levels = np.zeros(states, dtype=np.int64)
    front, level = np.flatnonzero(waiting == 0), 0
    while len(front):
        levels[front] = level
        counts = begins[front + 1] - begins[front]
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        reached, arrivals = np.unique(targets[order[np.repeat(begins[front], counts) + inner]], return_counts=True)
        waiting[reached] -= arrivals
        front, level = reached[waiting[reached] == 0], level + 1
    assert not waiting.any(), "a lattice has no cycle"
    return levels


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Where equal neighbors begin and end."""
    edges = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)) if len(values) else []


def _groups(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of runs of equal neighbors: their values and where each begins."""
    at = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.zeros(0, dtype=int)
    return values[at], at
