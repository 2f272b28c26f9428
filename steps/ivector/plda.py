"""Probabilistic linear discriminant analysis, two-covariance model: x = mean + y + e, y ~ N(0, B) of the speaker,
e ~ N(0, W) of the utterance (Brummer and de Villiers, The speaker partitioning problem, Odyssey 2010).

Kaldi's ivector-compute-plda is this model and this EM (Kaldi's plda.cc). Trained, it is turned so that W = I and B is
diagonal; a score is then a sum over dimensions, and the scores of all trials are two matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError


@dataclass(frozen=True)
class Plda:
    """mean (R,); transform T (R, R) with T W T' = I; between (R,), the diagonal of T B T'."""

    mean: np.ndarray
    transform: np.ndarray
    between: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, speakers: Sequence[str], iterations: int = 20) -> Plda:
        """EM from the moments of speakers' means and of the residues.

        Args:
            vectors: (N, R). speakers: of each.

        Raises:
            UserError: fewer than two speakers, or none with two utterances.
        """
        vectors = np.asarray(vectors, dtype=np.float64)
        counts, means, within = speaker_moments(vectors, speakers)
        if len(counts) < 2 or len(vectors) == len(counts):
            raise UserError(f"PLDA: {len(vectors)} utterances of {len(counts)} speakers; it needs two speakers or "
                            "more, and one with several utterances")
        mean = means.mean(axis=0)
        means = means - mean
        ridge = 1e-8 * np.trace(within) / len(vectors) / len(mean) * np.eye(len(mean))
        residual = within / (len(vectors) - len(counts)) + ridge
        between = means.T @ means / len(counts) + ridge
        for _ in range(iterations):
            between, residual = em_step(counts, means, within, between, residual)
        return cls.of_covariances(mean, between + ridge, residual + ridge)

    @classmethod
    def of_covariances(cls, mean: np.ndarray, between: np.ndarray, within: np.ndarray) -> Plda:
        """Of mean (R,), B (R, R) and W (R, R)."""
        inverse = np.linalg.inv(np.linalg.cholesky(within))
        values, vectors = np.linalg.eigh(inverse @ between @ inverse.T)
        order = np.argsort(values)[::-1]
        return cls(mean, vectors[:, order].T @ inverse, np.maximum(values[order], 0.0))

    def score(self, enrolled: np.ndarray, tested: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """Log-likelihood ratio of every trial: same speaker against different ones.

        Args:
            enrolled: (E, R), each the mean of `counts` utterances of a speaker (int (E,); default 1). tested: (T, R).

        Returns:
            float64 (E, T), in nats.
        """
        x = (np.asarray(enrolled, dtype=np.float64) - self.mean) @ self.transform.T
        y = (np.asarray(tested, dtype=np.float64) - self.mean) @ self.transform.T
        n = np.ones((len(x), 1)) if counts is None else np.asarray(counts, dtype=np.float64)[:, None]
        shrink = n * self.between / (n * self.between + 1.0)
        expected, variance = shrink * x, 1.0 + self.between / (n * self.between + 1.0)
        total = 1.0 + self.between
        # log N(y; expected, variance) - log N(y; 0, total), the square multiplied out
        constant = -0.5 * (np.log(variance / total) + expected**2 / variance).sum(axis=1, keepdims=True)
        return constant + (expected / variance) @ y.T - 0.5 * (1.0 / variance - 1.0 / total) @ (y * y).T

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"mean": self.mean, "transform": self.transform, "between": self.between}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Plda:
        return cls(*(np.array(arrays[name]) for name in ("mean", "transform", "between")))


def speaker_moments(vectors: np.ndarray, speakers: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterances of each speaker (S,), their means (S, R), and the scatter within speakers (R, R)."""
    _, place = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    counts = np.bincount(place)
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, place, vectors)
    means /= counts[:, None]
    residues = vectors - means[place]
    return counts, means, residues.T @ residues


def em_step(counts: np.ndarray, means: np.ndarray, within: np.ndarray, between: np.ndarray,
            residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One iteration: B and W anew. means: (S, R), centerd. within: scatter within speakers (R, R)."""
    new_between, new_residual = np.zeros_like(between), within.copy()
    precision_between, precision_residual = np.linalg.inv(between), np.linalg.inv(residual)
    # Speakers with as many utterances share their posterior covariance.
    for count in np.unique(counts):
        own = means[counts == count]
        covariance = np.linalg.inv(precision_between + count * precision_residual)
        expected = count * own @ precision_residual @ covariance
        new_between += len(own) * covariance + expected.T @ expected
        difference = own - expected
        new_residual += count * (len(own) * covariance + difference.T @ difference)
    return new_between / len(counts), new_residual / counts.sum()
