"""Sparse occupancies: for each frame the few components that it belongs to, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError


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
        """From the recognizer's frame rate to that of the features: each frame `factor` times, to `frames` frames.

        The recognizer's convolutions eat a few frames; the last frame stands for those behind it.
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
