"""Sparse occupancies of frames and the Baum-Welch statistics that they give.

N_c = sum_t gamma_tc, F_c = sum_t gamma_tc x_t, S_c = sum_t gamma_tc x_t x_t'  (Kenny, Eigenvoice modeling with sparse
training data, IEEE TSAP 2005; Dehak et al., Front-end factor analysis, IEEE TASLP 2011). Sums are float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError

# Frames whose products x x' are held at a time: 1024 x D (D + 1) / 2 float64 is 15 MB at D = 60.
_BLOCK = 1024


@dataclass(frozen=True)
class Occupancies:
    """For each of T frames a few (component, weight) pairs, as in a compressed sparse row matrix (T, C).

    indptr: int64 (T + 1,). components: int32 (K,). weights: float32 (K,), positive; those of a frame sum to 1, or the
    frame has none (it then counts nowhere). count: C.
    """

    indptr: np.ndarray
    components: np.ndarray
    weights: np.ndarray
    count: int

    @classmethod
    def of_dense(cls, posteriors: np.ndarray, threshold: float = 0.02) -> Occupancies:
        """
        Args:
            posteriors: (T, C), non-negative. A frame need not sum to 1 (say, because blank was taken out): what
                survives is scaled to 1. A frame of zeros gets no component.
            threshold: shares of a frame below this are dropped (Kaldi's sre10 drops below 0.015 to 0.025). The largest
                share always stays.

        Raises:
            UserError: a value that is negative or not finite.
        """
        dense = np.asarray(posteriors, dtype=np.float64)
        if dense.size and not (np.isfinite(dense).all() and dense.min() >= 0):
            raise UserError("occupancies: posteriors must be finite and not negative")
        totals = dense.sum(axis=1, keepdims=True)
        shares = np.divide(dense, totals, out=np.zeros_like(dense), where=totals > 0)
        largest = shares.max(axis=1, keepdims=True, initial=0.0)
        kept = (shares > 0) & (shares >= np.minimum(threshold, largest))
        frames, components = np.nonzero(kept)
        indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        return cls._scaled(indptr, components, shares[frames, components], dense.shape[1])

    @classmethod
    def of_labels(cls, labels: np.ndarray, count: int) -> Occupancies:
        """One component a frame: labels int (T,); a negative label means none."""
        labels = np.asarray(labels, dtype=np.int64)
        if labels.size and labels.max() >= count:
            raise UserError(f"occupancies: label {labels.max()}, but there are only {count} components")
        known = labels >= 0
        indptr = np.concatenate([[0], np.cumsum(known)])
        return cls(indptr, labels[known].astype(np.int32), np.ones(int(known.sum()), np.float32), count)

    @classmethod
    def _scaled(cls, indptr: np.ndarray, components: np.ndarray, weights: np.ndarray, count: int) -> Occupancies:
        """The weights of each frame scaled to sum to 1; they must be positive."""
        frames = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        totals = np.bincount(frames, weights=weights, minlength=len(indptr) - 1)
        return cls(np.asarray(indptr, dtype=np.int64), components.astype(np.int32),
                   (weights / totals[frames]).astype(np.float32), count)

    @classmethod
    def concatenate(cls, parts: Sequence[Occupancies], count: int) -> Occupancies:
        """Frames of one part after those of the other. count: C of all."""
        sizes = np.concatenate([np.empty(0, np.int64), *(np.diff(part.indptr) for part in parts)])
        return cls(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                   np.concatenate([np.empty(0, np.int32), *(part.components for part in parts)]),
                   np.concatenate([np.empty(0, np.float32), *(part.weights for part in parts)]), count)

    def __len__(self) -> int:
        """T."""
        return len(self.indptr) - 1

    def select(self, frames: np.ndarray) -> Occupancies:
        """Those of some frames: a bool mask (T,), or indices (T',) in any order, also repeated."""
        frames = np.asarray(frames)
        if frames.dtype == bool:
            frames = np.flatnonzero(frames)
        sizes = np.diff(self.indptr)[frames]
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        places = np.arange(indptr[-1]) + np.repeat(self.indptr[frames] - indptr[:-1], sizes)
        return Occupancies(indptr, self.components[places], self.weights[places], self.count)

    def stretch(self, factor: int, frames: int) -> Occupancies:
        """From the recogniser's frame rate to that of the features: each frame `factor` times, to `frames` frames.

        The recogniser's convolutions eat a few frames; the last frame stands for those behind it.
        """
        if not len(self):
            return Occupancies(np.zeros(frames + 1, np.int64), self.components, self.weights, self.count)
        return self.select(np.minimum(np.arange(frames) // factor, len(self) - 1))

    def mapped(self, mapping: np.ndarray) -> Occupancies:
        """After components were merged.

        Args:
            mapping: int (C,), the new component of each; -1 drops it, and the rest of the frame is scaled to 1.
        """
        mapping = np.asarray(mapping)
        if len(mapping) != self.count:
            raise UserError(f"occupancies have {self.count} components, the mapping has {len(mapping)}")
        count = int(mapping.max(initial=-1)) + 1
        new, frames = mapping[self.components], self._frames()
        known = new >= 0
        key, place = np.unique(frames[known] * max(count, 1) + new[known], return_inverse=True)
        weights = np.bincount(place, weights=self.weights[known], minlength=len(key))
        sizes = np.bincount(key // max(count, 1), minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        return self._scaled(indptr, key % max(count, 1), weights, count)

    def totals(self) -> np.ndarray:
        """float64 (C,): frames of each component."""
        return np.bincount(self.components, weights=self.weights, minlength=self.count)

    def dense(self) -> np.ndarray:
        """float32 (T, C)."""
        out = np.zeros((len(self), self.count), dtype=np.float32)
        out[self._frames(), self.components] = self.weights
        return out

    def _frames(self) -> np.ndarray:
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def matrix(self):
        """As scipy.sparse.csr_matrix, float64 (T, C)."""
        from scipy import sparse

        return sparse.csr_matrix((self.weights.astype(np.float64), self.components, self.indptr),
                                 shape=(len(self), self.count))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"indptr": self.indptr, "components": self.components, "weights": self.weights,
                "count": np.array([self.count])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Occupancies:
        return cls(arrays["indptr"], arrays["components"], arrays["weights"], int(arrays["count"][0]))


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
