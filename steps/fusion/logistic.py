"""Multinomial logistic regression that fuses log-posteriors: one weight a subsystem, one bias a class. numpy only.

The logit of class c is sum_k w_k l[k, c] + b_c, as in the fusion of language recognizers (Brümmer & van Leeuwen,
Odyssey 2006). One weight for each pair of an input and a class would be the textbook's model, with hundreds of numbers
to learn from a few hundred items; as a conditional logit (McFadden 1974) both are `fit`, with other features.

The penalty strength / 2 * |theta - center|^2 pulls to the equally weighted sum without biases: a strong penalty gives
`equal`, whatever dev says. The strength is chosen by cross-validation within dev.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from steps.scoring.calibration import log_softmax

STRENGTHS = (1.0, 5.0, 25.0, 125.0, 625.0)
STEPS = 100


def fit(features: np.ndarray, y: np.ndarray, strength: float, center: np.ndarray) -> np.ndarray:
    """theta (P,) with the least loss: negative log-likelihood of logits features @ theta, plus the penalty.

    Newton's method with halved steps; the loss is strictly convex.

    Args:
        features: (N, C, P). y: (N,) class numbers. center: (P,).
    """
    rows, size = np.arange(len(y)), features.shape[2]
    flat, right = features.reshape(-1, size), features[rows, y].sum(axis=0)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        logp = log_softmax(features @ theta)
        return float(-logp[rows, y].sum() + strength / 2 * ((theta - center) ** 2).sum()), np.exp(logp)

    theta = np.array(center, dtype=np.float64)
    value, posteriors = loss(theta)
    for _ in range(STEPS):
        mean = np.einsum("nc,ncp->np", posteriors, features)
        gradient = mean.sum(axis=0) - right + strength * (theta - center)
        if np.abs(gradient).max() < 1e-7 * max(len(y), 1):
            break
        weighted = (features * posteriors[:, :, None]).reshape(-1, size)
        hessian = weighted.T @ flat - mean.T @ mean + strength * np.eye(size)
        direction, step = -np.linalg.solve(hessian, gradient), 1.0
        while step > 1e-10:
            trial = theta + step * direction
            trial_value, trial_posteriors = loss(trial)
            if trial_value <= value + 1e-4 * step * float(gradient @ direction):
                break
            step /= 2
        else:
            break
        theta, value, posteriors = trial, trial_value, trial_posteriors
    return theta


def features_of(logp: np.ndarray) -> np.ndarray:
    """(N, C, K + C) of stacked log-posteriors (N, K, C): the subsystems' values of a class, and which class it is."""
    items, _, classes = logp.shape
    each = np.broadcast_to(np.eye(classes), (items, classes, classes))
    return np.concatenate([logp.transpose(0, 2, 1), each], axis=2)


def center_of(count: int, classes: int) -> np.ndarray:
    """(K + C,): equal weights, no biases."""
    return np.concatenate([np.full(count, 1 / count), np.zeros(classes)])


@dataclass
class Regression:
    """Logistic fusions of a dev part, and without some of its groups. Fits are kept: cross-validation within
    cross-validation leaves the same two groups out twice.

    Attributes:
        logp: (N, K, C). y: (N,) class numbers, negative = unlabelled, left out. groups: (N,) numbered from 0.
    """

    logp: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    strengths: Sequence[float] = STRENGTHS
    fits: dict[tuple[frozenset[int], float], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.y >= 0
        self.y, self.groups = self.y[known], self.groups[known]
        self.features = features_of(self.logp[known])
        self.center = center_of(*self.logp.shape[1:])

    def best(self, without: Collection[int] = ()) -> tuple[np.ndarray, float]:
        """(theta (K + C,), strength) of all groups but `without`, the strength by cross-validation among them."""
        kept = sorted(set(self.groups.tolist()) - set(without))
        if len(kept) < 2:
            return self.theta(without, max(self.strengths)), max(self.strengths)
        strength = min(self.strengths, key=lambda strength: (round(self.held_out_loss(kept, without, strength), 9),
                                                             -strength))
        return self.theta(without, strength), strength

    def held_out_loss(self, kept: Sequence[int], without: Collection[int], strength: float) -> float:
        """Negative log-likelihood of each group of `kept` by the others."""
        total = 0.0
        for group in kept:
            here = self.groups == group
            logp = log_softmax(self.features[here] @ self.theta({*without, group}, strength))
            total -= float(logp[np.arange(len(logp)), self.y[here]].sum())
        return total

    def theta(self, without: Collection[int], strength: float) -> np.ndarray:
        """(K + C,) learned on all groups but `without`."""
        key = frozenset(without), strength
        if key not in self.fits:
            use = ~np.isin(self.groups, list(without))
            self.fits[key] = fit(self.features[use], self.y[use], strength, self.center) if use.any() else self.center
        return self.fits[key]
