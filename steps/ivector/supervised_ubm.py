"""The supervised universal background model: components are those of a recognizer (phone states, tokens, clusters).

One full-covariance Gaussian a component, straight from the totals of its occupancies; there is no EM (Lei et al., A
novel scheme for speaker recognition using a phonetically-aware deep neural network, ICASSP 2014; Kaldi's sre10/v2).

A component with fewer than `least_frames` frames is merged: the one with the fewest frames first, into the component
whose mean is nearest to its own, measured with the mean covariance within components. The merged one has the sums of
both, and the next round looks at all again. A component without any frame is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steps.ivector.covariances import covariance_floor, floored
from steps.ivector.gmm import Gmm
from steps.ivector.statistics import Totals
from utils.config import option
from utils.errors import UserError


@dataclass
class SupervisedUbmConfig:
    least_frames: float = option(50.0, min=1.0, max=10**9, help="a component with fewer is merged with its nearest")
    covariance_floor: float = option(0.1, min=0.0, max=1.0,
                                     help="share of the mean covariance below which none may fall")


def supervised_ubm(totals: Totals, config: SupervisedUbmConfig | None = None) -> tuple[Gmm, np.ndarray]:
    """
    Args:
        totals: full sums of the training frames over C components.

    Returns:
        The UBM of C' <= C components with weights in proportion to their frames; and for each of the C components its
        new number, or -1 where it was dropped, int64 (C,): for `Occupancies.mapped` and `Totals.mapped`.

    Raises:
        UserError: fewer than `least_frames` frames in all.
    """
    config = config or SupervisedUbmConfig()
    if totals.n.sum() < config.least_frames:
        raise UserError(f"supervised UBM: {totals.n.sum():.0f} frames in all, one component needs "
                        f"{config.least_frames:.0f}; give more speech or lower least_frames")
    mapping = merging(totals, config.least_frames)
    merged = totals.mapped(mapping)
    means, covariances = gaussians(merged)
    weights = merged.n / merged.n.sum()
    floor = covariance_floor(weights, covariances, config.covariance_floor)
    return Gmm(weights, means, floored(covariances, floor)), mapping


def merging(totals: Totals, least: float) -> np.ndarray:
    """int64 (C,): the new number of each component; new ones stand in the order of their first old one."""
    n, f = totals.n.copy(), totals.f.copy()
    whitening = np.linalg.inv(np.linalg.cholesky(_within(totals)))
    alive = n > 0
    into = np.where(alive, np.arange(len(n)), -1)
    while alive.sum() > 1:
        living = np.flatnonzero(alive)
        poorest = living[np.argmin(n[living])]
        if n[poorest] >= least:
            break
        others = living[living != poorest]
        distances = (f[others] / n[others, None] - f[poorest] / n[poorest]) @ whitening.T
        nearest = others[np.argmin(np.square(distances).sum(axis=1))]
        n[nearest] += n[poorest]
        f[nearest] += f[poorest]
        into[into == poorest] = nearest
        alive[poorest] = False
    numbers: dict[int, int] = {}
    return np.array([-1 if target < 0 else numbers.setdefault(int(target), len(numbers)) for target in into])


def _within(totals: Totals) -> np.ndarray:
    """(D, D): mean covariance within components, kept invertible for data of few frames."""
    occupied = totals.n > 0
    n, f = totals.n[occupied], totals.f[occupied]
    scatter = totals.s[occupied].sum(axis=0) - (f / n[:, None]).T @ f
    covariance = scatter / n.sum()
    return covariance + max(1e-6 * np.trace(covariance) / len(covariance), 1e-12) * np.eye(len(covariance))


def gaussians(totals: Totals) -> tuple[np.ndarray, np.ndarray]:
    """Means (C, D) and covariances (C, D, D) of components that all have frames."""
    means = totals.f / totals.n[:, None]
    covariances = totals.s / totals.n[:, None, None] - means[:, :, None] * means[:, None, :]
    return means, (covariances + covariances.transpose(0, 2, 1)) / 2
