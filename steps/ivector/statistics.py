"""The Baum-Welch statistics that the occupancies of frames give.

N_c = sum_t gamma_tc, F_c = sum_t gamma_tc x_t, S_c = sum_t gamma_tc x_t x_t'  (Kenny, Eigenvoice modeling with sparse
training data, IEEE TSAP 2005; Dehak et al., Front-end factor analysis, IEEE TASLP 2011). Sums are float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steps.ivector.sparse import Occupancies
from utils.errors import UserError

# Frames whose products x x' are held at a time: 1024 x D (D + 1) / 2 float64 is 15 MB at D = 60.
_BLOCK = 1024


@dataclass(frozen=True)
class Statistics:
    """Of one utterance, only the components with occupancy.

    components: int32 (K,), rising. n: float64 (K,), frames. f: float64 (K, D), weighted sums of the features.
    """

    components: np.ndarray
    n: np.ndarray
    f: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, occupancies: Occupancies) -> Statistics:
        """features: (T, D), of the frames that the occupancies are of.

        Raises:
            UserError: another number of frames, or a feature that is not finite.
        """
        features = check_features(features, occupancies)
        weights = occupancies.matrix().T.tocsr()
        active = np.flatnonzero(np.diff(weights.indptr))
        weights = weights[active]
        return cls(active.astype(np.int32), np.asarray(weights.sum(axis=1)).ravel(), np.asarray(weights @ features))


@dataclass(frozen=True)
class Pack:
    """The statistics of U utterances end to end.

    indptr: int64 (U + 1,). components: int32 (K,). n: float64 (K,). f: float64 (K, D). count: C.
    """

    indptr: np.ndarray
    components: np.ndarray
    n: np.ndarray
    f: np.ndarray
    count: int

    @classmethod
    def of(cls, utterances: Sequence[Statistics], count: int, dim: int) -> Pack:
        """count: C. dim: D."""
        sizes = [len(each.components) for each in utterances]
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(indptr, np.concatenate([np.empty(0, np.int32), *(each.components for each in utterances)]),
                   np.concatenate([np.empty(0), *(each.n for each in utterances)]),
                   np.concatenate([np.empty((0, dim)), *(each.f for each in utterances)]), count)

    @property
    def dim(self) -> int:
        """D."""
        return self.f.shape[1]

    def __len__(self) -> int:
        """U."""
        return len(self.indptr) - 1

    def slice(self, begin: int, end: int) -> Pack:
        """Utterances begin to end (without it); views."""
        first, last = self.indptr[begin], self.indptr[end]
        return Pack(self.indptr[begin:end + 1] - first, self.components[first:last], self.n[first:last],
                    self.f[first:last], self.count)

    def rows(self) -> np.ndarray:
        """int64 (K,): the utterance of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"indptr": self.indptr, "components": self.components, "n": self.n, "f": self.f,
                "count": np.array([self.count])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Pack:
        return cls(arrays["indptr"], arrays["components"], arrays["n"], arrays["f"], int(arrays["count"][0]))


@dataclass
class Totals:
    """Sums over all utterances: n (C,), f (C, D), s (C, D, D) full or (C, D) diagonal; float64.

    log_likelihood: of all frames, where a Gmm gave the occupancies; else 0. frames: how many were seen, also those
    without a component.
    """

    n: np.ndarray
    f: np.ndarray
    s: np.ndarray
    log_likelihood: float = 0.0
    frames: int = 0

    @classmethod
    def zeros(cls, count: int, dim: int, full: bool = True) -> Totals:
        return cls(np.zeros(count), np.zeros((count, dim)), np.zeros((count, dim, dim) if full else (count, dim)))

    @property
    def full(self) -> bool:
        return self.s.ndim == 3

    def add(self, features: np.ndarray, occupancies: Occupancies) -> None:
        """Take in frames: features (T, D)."""
        features = check_features(features, occupancies)
        if occupancies.count != len(self.n) or features.shape[1] != self.f.shape[1]:
            raise UserError(f"totals of {len(self.n)} components x {self.f.shape[1]} features cannot take in "
                            f"{occupancies.count} x {features.shape[1]}")
        weights = occupancies.matrix()
        for begin in range(0, len(features), _BLOCK):
            self._add(features[begin:begin + _BLOCK], weights[begin:begin + _BLOCK].T)
        self.frames += len(features)

    def add_dense(self, features: np.ndarray, posteriors: np.ndarray) -> None:
        """Take in features (T, D) with dense posteriors (T, C), float64, a block at a time."""
        self._add(features, posteriors.T)
        self.frames += len(features)

    def _add(self, x: np.ndarray, weights) -> None:
        """x: (T, D). weights: (C, T), sparse or dense."""
        upper = np.triu_indices(x.shape[1])
        self.n += np.asarray(weights.sum(axis=1)).ravel()
        self.f += weights @ x
        if not self.full:
            self.s += weights @ (x * x)
            return
        packed = weights @ (x[:, upper[0]] * x[:, upper[1]])
        self.s[:, upper[0], upper[1]] += packed
        below = upper[0] != upper[1]
        self.s[:, upper[1][below], upper[0][below]] += packed[:, below]

    def merge(self, other: Totals) -> None:
        """Add the sums of another share."""
        self.n += other.n
        self.f += other.f
        self.s += other.s
        self.log_likelihood += other.log_likelihood
        self.frames += other.frames

    def mapped(self, mapping: np.ndarray) -> Totals:
        """After components were merged; see Occupancies.mapped. What is dropped is not spread over the others."""
        known = np.asarray(mapping) >= 0
        out = Totals.zeros(int(np.max(mapping, initial=-1)) + 1, self.f.shape[1], self.full)
        for name in ("n", "f", "s"):
            np.add.at(getattr(out, name), np.asarray(mapping)[known], getattr(self, name)[known])
        out.log_likelihood, out.frames = self.log_likelihood, self.frames
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"n": self.n, "f": self.f, "s": self.s, "log_likelihood": np.array([self.log_likelihood]),
                "frames": np.array([self.frames])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Totals:
        return cls(np.array(arrays["n"]), np.array(arrays["f"]), np.array(arrays["s"]),
                   float(arrays["log_likelihood"][0]), int(arrays["frames"][0]))


def sum_totals(shares: Iterable[Totals]) -> Totals:
    """Of all shares, added in the order given."""
    shares = iter(shares)
    first = next(shares, None)
    if first is None:
        raise UserError("i-vector statistics: there are no shares to sum")
    total = Totals.from_arrays(first.to_arrays())
    for share in shares:
        total.merge(share)
    return total


def check_features(features: np.ndarray, occupancies: Occupancies) -> np.ndarray:
    """float64 (T, D) of as many frames as the occupancies; one line otherwise."""
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) != len(occupancies):
        raise UserError(f"i-vector statistics: features {features.shape}, occupancies of {len(occupancies)} frames")
    if not np.isfinite(features).all():
        raise UserError("i-vector statistics: features hold values that are not finite")
    return features
