"""Prefix beam search over CTC posteriors (Graves 2012, section 7.5.3; Hannun et al. 2014, algorithm 1).

All prefixes of a frame are advanced at once. With a beam that holds every prefix the sums are exact.
"""

from __future__ import annotations

import numpy as np

NONE = -1


def search(log_probs: np.ndarray, beam: int, units_a_frame: int, blank: int = 0) -> list[tuple[list[int], float]]:
    """Unit sequences with the log of the sum over their alignments, likeliest first, at most `beam`.

    Args:
        log_probs: log-softmax (T, V). beam: prefixes that a frame keeps.
        units_a_frame: only so many units, the likeliest of a frame, go on with a prefix.
    """
    log_probs = log_probs.astype(np.float64)
    tree = _Tree()
    nodes = np.zeros(1, dtype=np.int64)
    ended, open_ = np.zeros(1), np.full(1, -np.inf)  # log of the sum of what ends in a blank, in the last unit
    for row in log_probs:
        nodes, ended, open_ = _advance(row, nodes, ended, open_, tree, beam, _likeliest(row, units_a_frame, blank),
                                       blank)
    totals = np.logaddexp(ended, open_)
    order = np.argsort(-totals, kind="stable")
    return [(tree.units_of(int(nodes[place])), float(totals[place])) for place in order if totals[place] > -np.inf]


class _Tree:
    """Prefixes as numbers: 0 is the empty one, every other is a parent's with one unit more."""

    def __init__(self) -> None:
        self.parents, self.last = [NONE], [NONE]
        self._children: dict[tuple[int, int], int] = {}

    def child(self, node: int, unit: int) -> int:
        key = (node, unit)
        if key not in self._children:
            self._children[key] = len(self.last)
            self.parents.append(node)
            self.last.append(unit)
        return self._children[key]

    def units_of(self, node: int) -> list[int]:
        found = []
        while node > 0:
            found.append(self.last[node])
            node = self.parents[node]
        return found[::-1]


def _likeliest(row: np.ndarray, count: int, blank: int) -> np.ndarray:
    """The units, blank aside, that may go on with a prefix, ascending."""
    every = count >= len(row) - 1
    chosen = np.arange(len(row)) if every else np.sort(np.argpartition(-row, count)[:count + 1])
    return chosen[chosen != blank]


def _advance(row: np.ndarray, nodes: np.ndarray, ended: np.ndarray, open_: np.ndarray, tree: _Tree, beam: int,
             units: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One frame: prefixes that stay, joined by those that become them, and prefixes that grow by a unit."""
    last = np.array([tree.last[node] for node in nodes])
    totals = np.logaddexp(ended, open_)
    stay_ended = totals + row[blank]
    stay_open = np.where(last >= 0, open_ + row[last], -np.inf)
    # A unit that repeats the last one needs a blank between.
    grown = np.where(last[:, None] == units, ended[:, None], totals[:, None]) + row[units]
    where = {int(node): place for place, node in enumerate(nodes)}
    for place, node in enumerate(nodes):
        parent = where.get(tree.parents[node])
        column = np.searchsorted(units, last[place]) if parent is not None else len(units)
        if column < len(units) and units[column] == last[place]:
            stay_open[place] = np.logaddexp(stay_open[place], grown[parent, column])
            grown[parent, column] = -np.inf
    scores = np.concatenate([np.logaddexp(stay_ended, stay_open), grown.ravel()])
    chosen = np.argpartition(-scores, beam)[:beam] if beam < len(scores) else np.arange(len(scores))
    chosen = np.sort(chosen[scores[chosen] > -np.inf])
    stay, grow = chosen[chosen < len(nodes)], chosen[chosen >= len(nodes)] - len(nodes)
    new = [tree.child(int(nodes[place // len(units)]), int(units[place % len(units)])) for place in grow]
    return (np.concatenate([nodes[stay], np.array(new, dtype=np.int64)]),
            np.concatenate([stay_ended[stay], np.full(len(grow), -np.inf)]),
            np.concatenate([stay_open[stay], grown.ravel()[grow]]))
