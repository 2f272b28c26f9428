"""Linear support vector machine for sparse rows, one class against the rest, squared hinge loss, in the primal.

For thousands of texts with tens of thousands of n-grams the Gram matrix of steps/models/svm.py would take a gigabyte
while the rows take a few megabytes. liblinear's trust-region Newton method (Lin, Weng and Keerthi 2008) works on the
rows; in the primal it visits them in no random order, so the same rows give the same machine, few or many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from steps.models.svm import LinearSvm, one_against_rest

if TYPE_CHECKING:
    import scipy.sparse


def path(rows: scipy.sparse.csr_matrix, labels: np.ndarray, classes: int, penalties: Sequence[float],
         balanced: bool = True) -> Iterator[tuple[float, LinearSvm]]:
    """Learn one machine for each penalty C: min (|w|^2 + b^2) / 2 + C sum_i s_i max(0, 1 - y_i (w x_i + b))^2.

    Args:
        rows: (N, F). labels: (N,) class numbers. balanced: s_i is N / (2 N_c), else 1.
    """
    from sklearn.svm import LinearSVC

    for penalty in penalties:

        def learn(positive: np.ndarray, penalty: float = penalty) -> tuple[np.ndarray, float]:
            machine = LinearSVC(C=penalty, dual=False, class_weight="balanced" if balanced else None, tol=1e-5,
                                max_iter=1000)
            machine.fit(rows, positive)
            return machine.coef_[0], machine.intercept_[0]

        yield penalty, one_against_rest(labels, classes, rows.shape[1], learn)
