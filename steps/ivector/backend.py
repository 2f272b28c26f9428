"""Behind the extractor: whitening, length normalization, LDA, scoring of trials, equal error rate. numpy only.

Garcia-Romero and Espy-Wilson, Analysis of i-vector length normalization in speaker recognition systems, Interspeech
2011. Everything is learned on training utterances and applied to any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steps.ivector.plda import Plda, speaker_moments
from utils.config import option
from utils.errors import UserError

METHODS = ("cosine", "plda")


@dataclass
class BackendConfig:
    whiten: bool = option(True)
    length_normalize: bool = option(True)
    lda: int = option(0, min=0, max=10**5, help="dimensions that LDA keeps; 0: no LDA. At most speakers - 1")
    plda_iterations: int = option(20, min=0, max=10**5, help="of EM; 0: no PLDA, cosine scores only")


@dataclass(frozen=True)
class Projection:
    """x -> (x - mean) matrix'. mean: (R,). matrix: (R', R)."""

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(N, R) -> float64 (N, R')."""
        vectors = np.asarray(vectors, dtype=np.float64)
        if vectors.shape[-1] != len(self.mean):
            raise UserError(f"i-vector back end was learned on {len(self.mean)} dimensions, these vectors have "
                            f"{vectors.shape[-1]}")
        return (vectors - self.mean) @ self.matrix.T


def whitening(vectors: np.ndarray) -> Projection:
    """That gives the training vectors (N, R) mean 0 and covariance I; directions without spread become 0.

    Raises:
        UserError: fewer than two vectors.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if len(vectors) < 2:
        raise UserError(f"whitening: {len(vectors)} training vectors; it needs at least two")
    mean = vectors.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(vectors.T, bias=True).reshape(len(mean), len(mean)))
    spread = values > 1e-10 * values.max()
    scale = np.divide(1.0, np.sqrt(np.maximum(values, 0.0)), out=np.zeros_like(values), where=spread)
    return Projection(mean, (directions * scale) @ directions.T)


def length_normalize(vectors: np.ndarray) -> np.ndarray:
    """(N, R) -> float64 (N, R), each of length sqrt(R), as long as a vector of N(0, I) is; a zero vector stays.

    Kaldi scales to the same length; for cosine scores it makes no difference.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors * np.sqrt(vectors.shape[-1]), lengths, out=np.zeros_like(vectors), where=lengths > 0)


def lda(vectors: np.ndarray, speakers: Sequence[str], dim: int) -> Projection:
    """Fisher's directions: covariance within speakers becomes I, that of their means diagonal and falling.

    Args:
        dim: how many of them to keep.

    Raises:
        UserError: more dimensions than speakers - 1 or than the vectors have, or no speaker with two utterances.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    counts, means, within = speaker_moments(vectors, speakers)
    limit = min(len(counts) - 1, vectors.shape[1])
    if not 1 <= dim <= limit:
        raise UserError(f"LDA to {dim} dimensions: {len(counts)} speakers and {vectors.shape[1]} dimensions allow 1 "
                        f"to {limit}; lower lda")
    if len(vectors) == len(counts):
        raise UserError("LDA: no speaker has two utterances; there is no covariance within speakers")
    mean = vectors.mean(axis=0)
    within = within / len(vectors)
    within += 1e-6 * np.trace(within) / len(mean) * np.eye(len(mean))
    inverse = np.linalg.inv(np.linalg.cholesky(within))
    between = ((means - mean).T * counts) @ (means - mean) / len(vectors)
    values, directions = np.linalg.eigh(inverse @ between @ inverse.T)
    return Projection(mean, directions[:, np.argsort(values)[::-1][:dim]].T @ inverse)


@dataclass(frozen=True)
class Backend:
    """The chain whitening -> length normalization -> LDA (-> length again) -> PLDA; what is None is left out."""

    whitening: Projection | None
    lda: Projection | None
    plda: Plda | None
    normalize: bool

    @classmethod
    def fit(cls, vectors: np.ndarray, speakers: Sequence[str], config: BackendConfig | None = None) -> Backend:
        """
        Args:
            vectors: (N, R), of the training utterances. Leave out those without statistics. speakers: of each.

        Raises:
            UserError: too few speakers or utterances for what is asked for.
        """
        config = config or BackendConfig()
        chain = cls(whitening(vectors) if config.whiten else None, None, None, config.length_normalize)
        if config.lda:
            chain = cls(chain.whitening, lda(chain.apply(vectors), speakers, config.lda), None, chain.normalize)
        if config.plda_iterations:
            plda = Plda.fit(chain.apply(vectors), speakers, config.plda_iterations)
            chain = cls(chain.whitening, chain.lda, plda, chain.normalize)
        return chain

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(N, R) -> float64 (N, R'): what cosine and PLDA score, and what a classifier takes."""
        for projection in (self.whitening, self.lda):
            if projection is not None:
                vectors = projection.apply(vectors)
            if self.normalize:
                vectors = length_normalize(vectors)
        return np.asarray(vectors, dtype=np.float64)

    def score(self, enrolled: np.ndarray, tested: np.ndarray, method: str = "plda") -> np.ndarray:
        """Scores (E, T) of all pairs of raw vectors (E, R) and (T, R); higher means the same speaker."""
        if method == "cosine":
            return cosine_scores(self.apply(enrolled), self.apply(tested))
        if method != "plda" or self.plda is None:
            known = "cosine" if self.plda is None else ", ".join(METHODS)
            raise UserError(f"i-vector scores by {method!r}: this back end has {known}")
        return self.plda.score(self.apply(enrolled), self.apply(tested))

    def to_arrays(self) -> dict[str, np.ndarray]:
        arrays = {"normalize": np.array([int(self.normalize)])}
        for name in ("whitening", "lda"):
            projection = getattr(self, name)
            if projection is not None:
                arrays |= {f"{name}.mean": projection.mean, f"{name}.matrix": np.ascontiguousarray(projection.matrix)}
        if self.plda is not None:
            arrays |= {f"plda.{key}": np.ascontiguousarray(value) for key, value in self.plda.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Backend:
        projections = [Projection(np.array(arrays[f"{name}.mean"]), np.array(arrays[f"{name}.matrix"]))
                       if f"{name}.mean" in arrays else None for name in ("whitening", "lda")]
        plda = {key[5:]: value for key, value in arrays.items() if key.startswith("plda.")}
        return cls(*projections, Plda.from_arrays(plda) if plda else None, bool(arrays["normalize"][0]))


def cosine_scores(enrolled: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Cosine of every pair of (E, R) and (T, R): float64 (E, T); 0 with a zero vector."""
    scale = enrolled.shape[-1]
    return length_normalize(enrolled) @ length_normalize(tested).T / scale
