"""Gaussian mixtures as universal background models: diagonal, then full covariance, by EM in bounded memory.

A full-covariance log-likelihood is linear in (x, x x'), so that of a block of frames is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steps.ivector.covariances import covariance_floor, floored
from steps.ivector.sparse import Occupancies
from steps.ivector.statistics import Totals
from steps.training.random_state import generator
from utils.config import option
from utils.errors import UserError

Chunks = Callable[[], Iterable[np.ndarray]]
# Frames at a time: their products x x' (D = 60) and log-likelihoods (C = 2048) take 32 MB.
_BLOCK = 1024


@dataclass
class GmmConfig:
    components: int = option(512, min=1, max=10**5)
    diagonal_iterations: int = option(8, min=1, max=10**5)
    full_iterations: int = option(4, min=0, max=10**5)
    covariance_floor: float = option(0.01, min=0.0, max=1.0,
                                     help="share of the mean covariance below which none may fall")
    top: int = option(20, min=1, max=10**5, help="occupancies of a frame: at most so many components")
    threshold: float = option(0.02, min=0.0, max=1.0, help="occupancies below are dropped")
    initial_frames: int = option(200_000, min=1, max=10**9,
                                 help="the first frames, from which the initial means are drawn")


@dataclass(frozen=True)
class Gmm:
    """weights (C,), means (C, D), covariances (C, D, D) full or (C, D) diagonal; float64."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def full(self) -> bool:
        return self.covariances.ndim == 3

    def log_likelihoods(self, frames: np.ndarray) -> np.ndarray:
        """log(weight_c N(x_t; mean_c, covariance_c)) (T, C) of frames (T, D).

        Raises:
            UserError: another number of features than the mixture's.
        """
        frames = np.asarray(frames, dtype=np.float64)
        if frames.shape[-1] != self.means.shape[1]:
            raise UserError(f"GMM of {self.means.shape[1]} features; the frames have {frames.shape[-1]}")
        quadratic, linear, constant = self._coefficients
        upper = np.triu_indices(frames.shape[1])
        # Around the mixture's mean the products x x' stay small and the sum below loses no digits.
        x = frames - self._center
        products = x[:, upper[0]] * x[:, upper[1]] if self.full else x * x
        return products @ quadratic.T + x @ linear.T + constant

    @property
    def _center(self) -> np.ndarray:
        return self.weights @ self.means

    @cached_property
    def _coefficients(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(C, P), (C, D), (C,): what multiplies x x' (upper triangle; or x^2), x, and 1."""
        count, dim = self.means.shape
        means = self.means - self._center
        if self.full:
            precisions = np.linalg.inv(self.covariances)
            determinants = np.linalg.slogdet(self.covariances)[1]
            linear = np.einsum("cde,ce->cd", precisions, means)
            upper = np.triu_indices(dim)
            quadratic = -np.where(upper[0] == upper[1], 0.5, 1.0) * precisions[:, upper[0], upper[1]]
        else:
            precisions = 1.0 / self.covariances
            determinants = np.log(self.covariances).sum(axis=1)
            linear, quadratic = precisions * means, -0.5 * precisions
        with np.errstate(divide="ignore"):
            constant = np.log(self.weights) - 0.5 * (dim * np.log(2 * np.pi) + determinants
                                                     + np.einsum("cd,cd->c", linear, means))
        return quadratic, linear, constant

    def occupancies(self, frames: np.ndarray, top: int = 20, threshold: float = 0.02) -> Occupancies:
        """Posteriors of frames (T, D): the `top` largest of each frame, less those below `threshold`, scaled to 1."""
        parts = [self._sparse(frames[begin:begin + _BLOCK], top, threshold) for begin in range(0, len(frames), _BLOCK)]
        return Occupancies.concatenate(parts, len(self.weights))

    def _sparse(self, frames: np.ndarray, top: int, threshold: float) -> Occupancies:
        posteriors, _ = self.posteriors(frames)
        if top < posteriors.shape[1]:
            low = np.argpartition(posteriors, -top, axis=1)[:, :-top]
            np.put_along_axis(posteriors, low, 0.0, axis=1)
        return Occupancies.of_dense(posteriors, threshold)

    def posteriors(self, frames: np.ndarray) -> tuple[np.ndarray, float]:
        """Dense posteriors (T, C), and the log-likelihood of all frames."""
        joint = self.log_likelihoods(frames)
        largest = joint.max(axis=1, keepdims=True)
        posteriors = np.exp(joint - largest)
        totals = posteriors.sum(axis=1, keepdims=True)
        posteriors /= totals
        return posteriors, float((largest + np.log(totals)).sum())

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "means": self.means, "covariances": self.covariances}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Gmm:
        return cls(*(np.array(arrays[name]) for name in ("weights", "means", "covariances")))


def accumulate(gmm: Gmm, frames: np.ndarray, totals: Totals) -> None:
    """E-step: add the sums of frames (T, D) under the mixture to totals, which are full if the M-step is to be."""
    for begin in range(0, len(frames), _BLOCK):
        block = np.asarray(frames[begin:begin + _BLOCK], dtype=np.float64)
        posteriors, log_likelihood = gmm.posteriors(block)
        totals.add_dense(block, posteriors)
        totals.log_likelihood += log_likelihood


def update(gmm: Gmm, totals: Totals, floor: float) -> Gmm:
    """M-step: full covariances if the totals are full, else diagonal.

    A component with fewer frames than it needs to place a mean (2) keeps its Gaussian and loses its weight to 1 frame.

    Args:
        floor: share of the mean covariance that no covariance falls below.
    """
    known = totals.n >= 2.0
    n = np.maximum(totals.n, 1.0)[:, None]
    weights = np.maximum(totals.n, 1.0) / np.maximum(totals.n, 1.0).sum()
    means = np.where(known[:, None], totals.f / n, gmm.means)
    if totals.full:
        covariances = totals.s / n[:, :, None] - means[:, :, None] * means[:, None, :]
        old = gmm.covariances if gmm.full else np.einsum("cd,de->cde", gmm.covariances, np.eye(gmm.means.shape[1]))
        covariances = np.where(known[:, None, None], covariances, old)
        return Gmm(weights, means, floored(covariances, covariance_floor(weights, covariances, floor)))
    covariances = np.where(known[:, None], totals.s / n - means**2, gmm.covariances)
    return Gmm(weights, means, np.maximum(covariances, floor * (weights @ covariances) + 1e-12))


def initial(chunks: Chunks, config: GmmConfig, seed: int = 0) -> Gmm:
    """Equal weights, the covariance of the first frames, and means drawn among those.

    Raises:
        UserError: fewer frames than components.
    """
    pool: list[np.ndarray] = []
    for chunk in chunks():
        pool.append(np.asarray(chunk, dtype=np.float64)[:config.initial_frames - sum(map(len, pool))])
        if sum(map(len, pool)) >= config.initial_frames:
            break
    frames = np.concatenate(pool) if pool else np.empty((0, 1))
    if len(frames) < config.components:
        raise UserError(f"GMM of {config.components} components: only {len(frames)} frames; lower components")
    drawn = generator(seed, "gmm").choice(len(frames), size=config.components, replace=False)
    return Gmm(np.full(config.components, 1 / config.components), frames[drawn],
               np.tile(frames.var(axis=0) + 1e-8, (config.components, 1)))


def train(chunks: Chunks, config: GmmConfig, seed: int = 0) -> tuple[Gmm, list[float]]:
    """
    Args:
        chunks: gives the frames (T, D) anew each time, chunk by chunk; only one is held.

    Returns:
        The mixture, and before each iteration the mean log-likelihood of a frame.
    """
    gmm, history = initial(chunks, config, seed), []
    for iteration in range(config.diagonal_iterations + config.full_iterations):
        totals = Totals.zeros(*gmm.means.shape, full=iteration >= config.diagonal_iterations)
        for chunk in chunks():
            accumulate(gmm, chunk, totals)
        history.append(totals.log_likelihood / max(totals.frames, 1))
        gmm = update(gmm, totals, config.covariance_floor)
    return gmm, history
