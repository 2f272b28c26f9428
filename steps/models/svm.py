"""Linear support vector machine, one class against the rest, learned in the dual on the Gram matrix.

With about 1000 rows of 1582 or 6373 features the Gram matrix is small and is shared by every class and every C, so a
whole grid costs seconds whatever the number of features. Stored as one weight vector a class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from utils.arrays import Shapes

NEVER = -1e3  # decision value of a class without a training row: below every other's


@dataclass(frozen=True)
class LinearSvm:
    """weights (C, F) and biases (C,), float64; the decision value of class c is x . weights[c] + biases[c]."""

    weights: np.ndarray
    biases: np.ndarray

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


def path(rows: np.ndarray, labels: np.ndarray, classes: int, penalties: Sequence[float],
         balanced: bool = True) -> Iterator[tuple[float, LinearSvm]]:
    """Learn one machine for each penalty C of the hinge loss.

    Args:
        rows: (N, F). labels: (N,) class numbers. balanced: each class weighs N / (2 N_c), so that the few count as much
            as the rest.
    """
    from sklearn.svm import SVC  # using a machine needs no scikit-learn

    matrix = np.asarray(rows, dtype=np.float64)
    gram = matrix @ matrix.T
    for penalty in penalties:

        def learn(positive: np.ndarray, penalty: float = penalty) -> tuple[np.ndarray, float]:
            machine = SVC(C=penalty, kernel="precomputed", class_weight="balanced" if balanced else None,
                          cache_size=200, tol=1e-4)
            machine.fit(gram, positive)
            return machine.dual_coef_[0] @ matrix[machine.support_], machine.intercept_[0]

        yield penalty, one_against_rest(labels, classes, matrix.shape[1], learn)
