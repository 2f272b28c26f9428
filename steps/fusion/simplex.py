"""Search of the weights of a linear sum for the best MAF over the simplex (weights >= 0, sum 1). numpy only.

All weight vectors of a grid are tried at once: the full grid of 1 / FINE for few subsystems, for many a coarser one and
then moves of 1 / FINE from one subsystem to another as long as they help. What is kept of each vector is its confusion
matrix in every group of items, so that the best weights without one group, which is what cross-validation asks for,
take no second pass over the scores.

MAF on a few hundred items moves in steps, and the largest of thousands of values is partly luck. So of equally good
weights the nearest to equal ones are taken, and the fusion goes only part of the way from equal weights to them
(SHRINK).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from steps.scoring import metrics

FINE = 20  # steps of the full grid, and of the refinement
COARSE = {5: 10, 6: 8, 7: 7, 8: 6}  # steps of the grid by number of subsystems: 1001 to 1716 vectors
MOST = max(COARSE)  # subsystems
SHRINK = 0.5  # share of the way back to equal weights; on held-out dev speakers as good as, or better than, none
BLOCK = 2_000_000  # numbers in memory at once


def grid(count: int, steps: int) -> np.ndarray:
    """Every weight vector of `count` multiples of 1 / steps that sums to one: (M, count), the first weight falling."""
    parts = np.zeros((1, 0), dtype=np.int64)
    for _ in range(count - 1):
        left = steps - parts.sum(axis=1)
        parts = np.concatenate([np.column_stack([np.repeat(parts[[row]], left[row] + 1, axis=0),
                                                 np.arange(left[row], -1, -1)]) for row in range(len(parts))])
    return np.column_stack([parts, steps - parts.sum(axis=1)]) / steps


def decisions(logp: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Class of the largest weighted sum (M, N) of log-posteriors (N, K, C) by weights (M, K); the first on a tie."""
    items, count, classes = logp.shape
    flat = logp.transpose(1, 0, 2).reshape(count, items * classes)
    found = np.empty((len(weights), items), dtype=np.int64)
    rows = max(1, BLOCK // max(items * classes, 1))
    for start in range(0, len(weights), rows):
        sums = weights[start:start + rows] @ flat
        found[start:start + rows] = sums.reshape(len(sums), items, classes).argmax(axis=2)
    return found


@dataclass
class Search:
    """The best weights on a dev part, and without some of its groups.

    Attributes:
        logp: (N, K, C). y: (N,) class numbers, negative = unlabelled, left out. groups: (N,) numbered from 0.
    """

    logp: np.ndarray
    y: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        known = self.y >= 0
        self.logp, self.y, self.groups = self.logp[known], self.y[known], self.groups[known]
        count = self.logp.shape[1]
        if count > MOST:
            raise ValueError(f"the weights of {count} subsystems are too many to search; at most {MOST}")
        self.weights = np.concatenate([np.full((1, count), 1 / count), grid(count, COARSE.get(count, FINE))])
        self.tables = self.confusions(self.weights)

    def confusions(self, weights: np.ndarray) -> np.ndarray:
        """Confusion matrices (M, G, C, C) of each weight vector in each group."""
        classes, groups = self.logp.shape[2], int(self.groups.max(initial=0)) + 1
        cells = (self.groups * classes + self.y) * classes
        size = groups * classes * classes
        chosen = decisions(self.logp, weights) + cells + size * np.arange(len(weights))[:, None]
        return np.bincount(chosen.ravel(), minlength=size * len(weights)).reshape(-1, groups, classes, classes)

    def values(self, tables: np.ndarray, without: Collection[int]) -> np.ndarray:
        """MAF (M,) of all groups but `without`."""
        kept = [group for group in range(tables.shape[1]) if group not in without]
        return np.round(metrics.maf(tables[:, kept].sum(axis=1)), 12)

    def best(self, without: Collection[int] = ()) -> np.ndarray:
        """The best weights (K,) on all groups but `without`."""
        if not np.isin(self.groups, list(without), invert=True).any():
            return self.weights[0]  # equal: nothing is known
        values = self.values(self.tables, without)
        place = first_best(values, self.weights)
        weights, value = self.weights[place], values[place]
        if len(weights) not in COARSE:
            return weights
        while True:
            near = neighbors(weights)
            values = self.values(self.confusions(near), without)
            place = first_best(values, near)
            if not values[place] > value:
                return weights
            weights, value = near[place], values[place]


def shrunk(weights: np.ndarray, share: float = SHRINK) -> np.ndarray:
    """Weights (K,) moved towards equal ones."""
    return (1 - share) * weights + share / len(weights)


def distance(weights: np.ndarray) -> np.ndarray:
    """Squared distance (M,) of weight vectors (M, K) from equal weights."""
    return ((weights - 1 / weights.shape[1]) ** 2).sum(axis=1)


def first_best(values: np.ndarray, weights: np.ndarray) -> int:
    """Place of the largest value; of equal ones the nearest to equal weights, of those the first."""
    return int(np.lexsort((np.round(distance(weights), 12), -values))[0])


def neighbors(weights: np.ndarray) -> np.ndarray:
    """Weights (M, K) that a move of 1 / FINE (or of what is left) from one subsystem to another makes of (K,)."""
    found = []
    for giver in np.flatnonzero(weights > 1e-9).tolist():
        step = min(1 / FINE, weights[giver])
        for taker in range(len(weights)):
            if taker != giver:
                moved = weights.copy()
                moved[giver] -= step
                moved[taker] += step
                found.append(moved)
    return np.array(found)
