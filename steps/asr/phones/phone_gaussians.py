"""A first model of phone states: one Gaussian a state over cepstra, re-estimated from its own alignments.

The classical start (Viterbi training): from an alignment that divides words evenly, a few rounds find roughly where
phones and pauses are, and a network takes over from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CEPSTRA = 13
SMOOTHING = 20.0  # frames of the overall Gaussian that each state is given


def cepstra(features: np.ndarray) -> np.ndarray:
    """(T, F) log mel energies -> (T, 39): 13 cepstra less their mean over the utterance, first and second slopes."""
    bins = features.shape[1]
    basis = np.cos(np.pi / bins * (np.arange(bins) + 0.5)[:, None] * np.arange(min(CEPSTRA, bins)))
    static = np.asarray(features, dtype=np.float64) @ (basis * np.sqrt(2 / bins))
    static -= static.mean(axis=0)
    first = _slope(static)
    return np.concatenate([static, first, _slope(first)], axis=1)


def _slope(x: np.ndarray) -> np.ndarray:
    """Regression over two frames to each side; ends are repeated."""
    padded = np.pad(x, ((2, 2), (0, 0)), mode="edge")
    return (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10


class Totals:
    """Frames (S,), sums (S, F) and sums of squares (S, F) of the states."""

    def __init__(self, size: int, dim: int):
        self.counts = np.zeros(size)
        self.sums, self.squares = np.zeros((size, dim)), np.zeros((size, dim))

    def add(self, states: np.ndarray, rows: np.ndarray) -> None:
        """states (T,), rows (T, F)."""
        member = np.zeros((len(self.counts), len(states)))
        member[states, np.arange(len(states))] = 1.0
        self.counts += member.sum(axis=1)
        self.sums += member @ rows
        self.squares += member @ rows**2

    def gaussians(self, floor: float = 0.05) -> Gaussians:
        """Means and variances, drawn a little to those of all frames; no variance under `floor` of the overall one."""
        total = max(1.0, self.counts.sum())
        mean = self.sums.sum(axis=0) / total
        variance = np.maximum(self.squares.sum(axis=0) / total - mean**2, 1e-8)
        weight = (self.counts + SMOOTHING)[:, None]
        means = (self.sums + SMOOTHING * mean) / weight
        variances = (self.squares + SMOOTHING * (variance + mean**2)) / weight - means**2
        return Gaussians(means, np.maximum(variances, floor * variance))


@dataclass(frozen=True)
class Gaussians:
    """One diagonal Gaussian a state: means, variances (S, F)."""

    means: np.ndarray
    variances: np.ndarray

    def log_likelihoods(self, rows: np.ndarray) -> np.ndarray:
        """(T, F) -> (T, S)."""
        inverse = 1 / self.variances
        constant = -0.5 * (np.log(2 * np.pi * self.variances) + self.means**2 * inverse).sum(axis=1)
        return constant + rows @ (self.means * inverse).T - 0.5 * rows**2 @ inverse.T
