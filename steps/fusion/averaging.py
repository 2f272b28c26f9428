"""Search of the weights of a mean of predictions (numbers or tracks) for the best CCC over the
simplex. numpy only.

The CCC of a weighted mean needs only the second moments of the label and of the subsystems'
predictions. They are kept for every group of items, so that the best weights without one group take
no second pass over the predictions. As in simplex.py the nearest to equal weights are taken of
equally good ones, and the fusion goes part of the way to them.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from steps.fusion.simplex import COARSE, FINE, MOST, first_best, grid, neighbors


class AverageSearch:
    """The best weights on a dev part, and without some of its groups.

    Args:
        predictions: (N, K), of K subsystems. y: (N,), NaN = unlabelled, left out. groups: (N,)
            numbered from 0.
    """

    def __init__(self, predictions: np.ndarray, y: np.ndarray, groups: np.ndarray):
        known = ~np.isnan(y)
        predictions, y, groups = predictions[known], y[known], groups[known]
        count = predictions.shape[1]
        if count > MOST:
            raise ValueError(f"the weights of {count} subsystems are too many; at most {MOST}")
        fine = grid(count, COARSE.get(count, FINE))
        self.weights = np.concatenate([np.full((1, count), 1 / count), fine])
        joint = np.column_stack([np.ones(len(y)), y, predictions])  # (N, 2 + K)
        self.sums = np.stack([joint[groups == group].T @ joint[groups == group]
                              for group in range(int(groups.max(initial=0)) + 1)])  # (G, 2+K, 2+K)

    def best(self, without: Collection[int] = ()) -> np.ndarray:
        """The best weights (K,) on all groups but `without`."""
        kept = [group for group in range(len(self.sums)) if group not in without]
        sums = self.sums[kept].sum(axis=0)
        if not sums[0, 0]:
            return self.weights[0]  # equal: nothing is known
        values = ccc_of(self.weights, sums)
        place = first_best(values, self.weights)
        weights, value = self.weights[place], values[place]
        while len(weights) in COARSE:
            near = neighbors(weights)
            values = ccc_of(near, sums)
            place = first_best(values, near)
            if not values[place] > value:
                break
            weights, value = near[place], values[place]
        return weights


def ccc_of(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """(M,) CCC of the weighted means of predictions by weights (M, K), to 12 digits; 0 where it is
    not defined.

    Args:
        sums: (2 + K, 2 + K), the products of 1, the label and the K predictions, summed over items.
    """
    moments = sums / sums[0, 0]
    mean, y_mean = weights @ moments[0, 2:], moments[0, 1]
    covariance = weights @ moments[1, 2:] - mean * y_mean
    variance = np.einsum("mk,kl,ml->m", weights, moments[2:, 2:], weights) - mean ** 2
    spread = variance + moments[1, 1] - y_mean ** 2 + (mean - y_mean) ** 2
    zeros = np.zeros(len(weights))
    return np.round(np.divide(2 * covariance, spread, out=zeros, where=spread > 1e-12), 12)
