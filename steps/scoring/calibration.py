"""Turn a classifier's raw values into calibrated log-posteriors, with numbers learned on the dev part only. numpy only.

Temperature scaling (Guo et al., ICML 2017): softmax(logits / T), T by the dev part's negative log-likelihood, which is
convex in 1 / T, so that bisection on its derivative finds the one minimum. Platt scaling (Platt 1999, with the targets
that he proposes for small sets) for a single margin.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-6  # of a posterior: a certain mistake costs a finite amount, in a fusion too
RANGE = (0.02, 50.0)  # of the calibrated spread, so that a perfect or useless dev part gives a finite temperature


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural-log softmax over the last axis, float64."""
    logits = np.asarray(logits, dtype=np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def floor_posteriors(logp: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Raise each posterior to at least `floor`, then make every row sum to one; in and out natural log."""
    posteriors = np.maximum(np.exp(np.asarray(logp, dtype=np.float64)), floor)
    return np.log(posteriors / posteriors.sum(axis=-1, keepdims=True))


def apply_temperature(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Calibrated, floored natural-log posteriors (N, C) of logits (N, C), which may be log-probabilities or margins."""
    return floor_posteriors(log_softmax(np.asarray(logits, dtype=np.float64) / temperature))


def fit_temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """The temperature that gives the dev part the least negative log-likelihood.

    Args:
        logits: (N, C). y: (N,) class indices; negative = unlabelled, left out.

    Returns:
        a finite number above 0; 1.0 where nothing can be learned (no labelled item, or all logits of a row alike).
        Where every item is right (or the logits tell nothing) the best temperature would be 0 (infinite): it stops
        where the typical spread of a row's scaled logits reaches RANGE.
    """
    logits, y = np.asarray(logits, dtype=np.float64), np.asarray(y, dtype=np.int64)
    known = y >= 0
    logits, y = logits[known], y[known]
    if not len(y) or logits.shape[1] < 2:
        return 1.0
    logits = logits - logits.max(axis=1, keepdims=True)
    logits = np.where(np.isneginf(logits), np.log(FLOOR), logits)  # log(0) of a forest that never saw a class in a leaf
    spread = float(logits.std(axis=1).mean())
    if not np.isfinite(spread) or spread < 1e-12:
        return 1.0
    rows = np.arange(len(y))

    def slope(inverse: float) -> float:
        """Derivative of the mean negative log-likelihood by 1 / T; grows with `inverse`."""
        posteriors = np.exp(log_softmax(logits * inverse))
        return float(((posteriors * logits).sum(axis=1) - logits[rows, y]).mean())

    low, high = np.log(RANGE[0] / spread), np.log(RANGE[1] / spread)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def fit_threshold(posteriors: np.ndarray, positive: np.ndarray) -> float:
    """The posterior from which on dev items are decided to be positive, so that F1 of the positive class is best.

    Args:
        posteriors: (N,) of the positive class. positive: bool (N,).

    Returns:
        half-way between two neighboring posteriors, or below all; of thresholds that are equally good the one nearest
        to a half, and a half where there is nothing to learn from.
    """
    posteriors, positive = np.asarray(posteriors, dtype=np.float64), np.asarray(positive, dtype=bool)
    if not positive.any() or positive.all():
        return 0.5
    ordered = np.unique(posteriors)
    candidates = np.concatenate([[0.5], ordered[:1] / 2, (ordered[:-1] + ordered[1:]) / 2])
    decided = posteriors[None, :] >= candidates[:, None]
    f1 = 2 * (decided & positive).sum(axis=1) / (decided.sum(axis=1) + positive.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(candidates[best[np.argmin(np.abs(candidates[best] - 0.5))]])


def fit_platt(margins: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(a, b) of P(y = 1) = 1 / (1 + exp(a * margin + b)), by Newton steps with line search (Lin, Lin & Weng 2007).

    Args:
        margins: (N,). y: (N,) of 0 and 1.

    Returns:
        a is 0 where one class is missing; the probability is then the smoothed share of the class that is there.
    """
    margins, positive = np.asarray(margins, dtype=np.float64), np.asarray(y) == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    a, b = 0.0, float(np.log((n0 + 1.0) / (n1 + 1.0)))
    if not n1 or not n0:
        return a, b
    target = np.where(positive, (n1 + 1.0) / (n1 + 2.0), 1.0 / (n0 + 2.0))

    def loss(a: float, b: float) -> float:
        z = a * margins + b
        return float((np.logaddexp(0.0, z) - (1.0 - target) * z).sum())

    value = loss(a, b)
    for _ in range(100):
        p = np.exp(-np.logaddexp(0.0, a * margins + b))
        error, weight = target - p, p * (1.0 - p)
        gradient = np.array([(margins * error).sum(), error.sum()])
        if np.abs(gradient).max() < 1e-9:
            break
        cross = (margins * weight).sum()
        hessian = np.array([[(margins * margins * weight).sum() + 1e-12, cross], [cross, weight.sum() + 1e-12]])
        direction, step = -np.linalg.solve(hessian, gradient), 1.0
        while step > 1e-10:
            trial = (a + step * direction[0], b + step * direction[1])
            if loss(*trial) < value + 1e-4 * step * float(gradient @ direction):
                break
            step /= 2
        else:
            break
        (a, b), value = (float(trial[0]), float(trial[1])), loss(*trial)
    return a, b
