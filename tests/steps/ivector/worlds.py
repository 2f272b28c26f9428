"""Small made-up data for the tests of i-vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steps.ivector.sparse import Occupancies
from steps.ivector.statistics import Pack, Statistics, Totals


@dataclass
class World:
    """Utterances of frames with hard or soft components, and what they were sampled from."""

    features: list[np.ndarray]
    occupancies: list[Occupancies]
    matrix: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    factors: np.ndarray

    @cached_property
    def statistics(self) -> list[Statistics]:
        return [Statistics.of(x, gamma) for x, gamma in zip(self.features, self.occupancies, strict=True)]

    @cached_property
    def pack(self) -> Pack:
        return Pack.of(self.statistics, len(self.means), self.means.shape[1])

    @cached_property
    def dense(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """n (C,) and f (C, D) of each utterance, by plain products."""
        return [(gamma.dense().T.astype(np.float64).sum(axis=1), gamma.dense().T.astype(np.float64) @ x)
                for x, gamma in zip(self.features, self.occupancies, strict=True)]

    @cached_property
    def totals(self) -> Totals:
        totals = Totals.zeros(*self.means.shape)
        for x, gamma in zip(self.features, self.occupancies, strict=True):
            totals.add(x, gamma)
        return totals


def sample(seed: int = 0, utterances: int = 30, frames: int = 60, components: int = 5, dim: int = 4, rank: int = 3,
           soft: bool = True) -> World:
    """Sampled from a total variability model of the standard form; soft occupancies are blurred afterwards."""
    rng = np.random.default_rng(seed)
    means = 3 * rng.standard_normal((components, dim))
    roots = np.eye(dim) + 0.3 * rng.standard_normal((components, dim, dim))
    covariances = roots @ roots.transpose(0, 2, 1)
    matrix = rng.standard_normal((components, dim, rank))
    factors = rng.standard_normal((utterances, rank))
    features, occupancies = [], []
    for w in factors:
        labels = rng.integers(components, size=rng.integers(frames // 2, frames))
        noise = np.einsum("tde,te->td", roots[labels], rng.standard_normal((len(labels), dim)))
        features.append(means[labels] + matrix[labels] @ w + noise)
        hard = np.eye(components)[labels]
        blurred = 0.8 * hard + 0.2 * rng.dirichlet(np.ones(components), size=len(labels))
        occupancies.append(Occupancies.of_dense(blurred if soft else hard))
    return World(features, occupancies, matrix, means, covariances, factors)
