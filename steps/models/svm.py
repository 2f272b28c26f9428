"""Linear support vector machine, one class against the rest or against each other, learned in the dual on the Gram
matrix.

With about 1000 rows of 1582 or 6373 features the Gram matrix is small and is shared by every class and every C, so a
whole grid costs seconds whatever the number of features. Stored as one weight vector a class, or a pair.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from utils.arrays import Shapes

ONE_AGAINST_REST, ONE_AGAINST_ONE = "one_against_rest", "one_against_one"
RULES = (ONE_AGAINST_REST, ONE_AGAINST_ONE)
HINGE, SQUARED_HINGE = "hinge", "squared_hinge"
LOSSES = (HINGE, SQUARED_HINGE)
UNBOUNDED = 1e8  # C of a machine without a bound on its multipliers
NEVER = -1e3  # decision value of a class without a training row: below every other's


@dataclass(frozen=True)
class LinearSvm:
    """weights (C, F) and biases (C,), float64; the decision value of class c is x . weights[c] + biases[c]."""

    weights: np.ndarray
    biases: np.ndarray

    @property
    def classes(self) -> int:
        return len(self.biases)

    def decide(self, rows: np.ndarray) -> np.ndarray:
        """(N, F), dense or sparse -> decision values (N, C), float64."""
        if not hasattr(rows, "tocsr"):  # of scipy.sparse, which is not imported for it
            rows = np.asarray(rows, dtype=np.float64)
        return rows @ self.weights.T + self.biases

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays to be stored; `from_arrays` takes them back."""
        return {"weights": self.weights, "biases": self.biases}

    SHAPES: ClassVar[Shapes] = {"weights": ("C", "F"), "biases": ("C",)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> LinearSvm:
        return cls(np.asarray(arrays["weights"], dtype=np.float64), np.asarray(arrays["biases"], dtype=np.float64))


@dataclass(frozen=True)
class PairwiseSvm:
    """A machine for each pair of classes a < b: weights (P, F) and biases (P,), float64; above 0 is a.

    Pairs are in the order (0, 1), (0, 2), ..., (1, 2), ...
    """

    weights: np.ndarray
    biases: np.ndarray

    @property
    def classes(self) -> int:
        return (1 + math.isqrt(1 + 8 * len(self.biases))) // 2

    def decide(self, rows: np.ndarray) -> np.ndarray:
        """(N, F) -> (N, C): the votes of each class, and less than half a vote for the sum of its margins, as in
        scikit-learn's SVC."""
        margins = np.asarray(rows, dtype=np.float64) @ self.weights.T + self.biases  # (N, P)
        votes, sums = np.zeros((len(margins), self.classes)), np.zeros((len(margins), self.classes))
        for margin, (one, other) in zip(margins.T, pairs_of(self.classes), strict=True):
            votes[:, one] += margin > 0
            votes[:, other] += margin <= 0
            sums[:, one] += margin
            sums[:, other] -= margin
        return votes + sums / (3 * (np.abs(sums) + 1))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays to be stored; `from_arrays` takes them back."""
        return {"pair_weights": self.weights, "pair_biases": self.biases}

    SHAPES: ClassVar[Shapes] = {"pair_weights": ("P", "F"), "pair_biases": ("P",)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> PairwiseSvm:
        return cls(*(np.asarray(arrays[name], dtype=np.float64) for name in cls.SHAPES))


def pairs_of(classes: int) -> list[tuple[int, int]]:
    return [(one, other) for one in range(classes) for other in range(one + 1, classes)]


def one_against_rest(labels: np.ndarray, classes: int, features: int,
                     learn: Callable[[np.ndarray], tuple[np.ndarray, float]]) -> LinearSvm:
    """The machine of all classes: one class against the rest, each learned by itself.

    Args:
        labels: (N,) class numbers. features: F.
        learn: bool (N,), which rows are of the class -> weights (F,), bias.

    A class without a training row gets decision values below every other's.
    """
    weights, biases = np.zeros((classes, features)), np.full(classes, NEVER)
    for number in range(classes):
        positive = labels == number
        if positive.all():
            biases[number] = 1.0
        elif positive.any():
            weights[number], biases[number] = learn(positive)
    return LinearSvm(weights, biases)


def one_against_one(labels: np.ndarray, classes: int, features: int,
                    learn: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]) -> PairwiseSvm:
    """The machine of all classes: one for each pair, learned on the rows of both.

    Args:
        labels: (N,) class numbers. features: F.
        learn: positions of the rows (n,), bool (n,) which are of the first class -> weights (F,), bias.

    A class without a training row loses against every other.
    """
    pairs = pairs_of(classes)
    weights, biases = np.zeros((len(pairs), features)), np.ones(len(pairs))
    for number, (one, other) in enumerate(pairs):
        rows = np.flatnonzero((labels == one) | (labels == other))
        positive = labels[rows] == one
        if not positive.any():
            biases[number] = -1.0
        elif not positive.all():
            weights[number], biases[number] = learn(rows, positive)
    return PairwiseSvm(weights, biases)


def path(rows: np.ndarray, labels: np.ndarray, classes: int, penalties: Sequence[float], balanced: bool = True,
         rule: str = ONE_AGAINST_REST, loss: str = HINGE) -> Iterator[tuple[float, LinearSvm | PairwiseSvm]]:
    """Learn one machine for each penalty C.

    Args:
        rows: (N, F). labels: (N,) class numbers. balanced: each class weighs N / (2 N_c), so that the few count as much
            as the rest.
        rule: one of RULES. loss: one of LOSSES. The squared hinge is the hinge with 1 / (2 C s_i) more on the diagonal
            of the Gram matrix and no bound (Cortes & Vapnik 1995, section 3.1); s_i is the weight of row i.
    """
    from sklearn.svm import SVC  # using a machine needs no scikit-learn

    matrix = np.asarray(rows, dtype=np.float64)
    gram = matrix @ matrix.T
    for penalty in penalties:

        def learn(chosen: np.ndarray | slice, positive: np.ndarray, penalty: float = penalty
                  ) -> tuple[np.ndarray, float]:
            own = gram[chosen][:, chosen]
            if loss == HINGE:
                machine = SVC(C=penalty, kernel="precomputed", class_weight="balanced" if balanced else None,
                              cache_size=200, tol=1e-4)
            else:
                size = len(positive)
                weight = np.where(positive, size / (2 * positive.sum()), size / (2 * (~positive).sum())) \
                    if balanced else np.ones(size)
                own = own + np.diag(1 / (2 * penalty * weight))
                machine = SVC(C=UNBOUNDED, kernel="precomputed", cache_size=200, tol=1e-4)
            machine.fit(own, positive)
            return machine.dual_coef_[0] @ matrix[chosen][machine.support_], machine.intercept_[0]

        yield penalty, one_against_one(labels, classes, matrix.shape[1], learn) if rule == ONE_AGAINST_ONE else \
            one_against_rest(labels, classes, matrix.shape[1], functools.partial(learn, slice(None)))
