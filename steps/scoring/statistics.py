"""Confidence intervals by bootstrap over speakers, and paired tests by flipping the signs of per-speaker differences.

Utterances of one speaker resemble each other, so the speaker is what is drawn, and what is exchanged. numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

MINIMUM_SPEAKERS = 8  # fewer speakers say nothing about the next one
REPLICATES = 2000
PERCENTILES = (2.5, 97.5)
SEED = 20180415
EXACT_UP_TO = 32  # speakers; two halves of 2^16 sums each
MONTE_CARLO = 100_000

Metrics = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class PairedTest:
    """difference: mean over speakers of (system - reference). p: two-sided. speakers: that entered."""

    difference: float
    p: float
    speakers: int
    exact: bool


def why_no_intervals(speakers: int | None) -> str | None:
    """The reason for which a result has no intervals; None where it has. `speakers` is None where they are unknown."""
    if speakers is None:
        return "speakers unknown"
    if speakers < MINIMUM_SPEAKERS:
        return f"only {speakers} speaker{'s' * (speakers != 1)}, fewer than {MINIMUM_SPEAKERS}"
    return None


def bootstrap(statistics: np.ndarray, metrics: Metrics, replicates: int = REPLICATES,
              seed: int = SEED) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of the mean over seeds, resampling speakers.

    Args:
        statistics: (seeds, speakers, ...) counts or sums that add up over speakers.
        metrics: (..., *) -> {name: (...)} on summed statistics.

    Returns:
        {name: (low, high)}; a metric that no replicate defines is left out. All seeds of a replicate see the same
        speakers, as the seeds of an experiment do.
    """
    seeds, speakers = statistics.shape[:2]
    shape = statistics.shape[2:]
    flat = statistics.reshape(seeds, speakers, -1).astype(np.float64)
    rng = np.random.default_rng(seed)
    values: dict[str, list[np.ndarray]] = {}
    block = max(1, min(replicates, 4_000_000 // max(speakers, 1)))
    for start in range(0, replicates, block):
        times = rng.multinomial(speakers, np.full(speakers, 1 / speakers), size=min(block, replicates - start))
        drawn = np.matmul(times.astype(np.float64)[None], flat)  # (seeds, replicates, cells)
        for name, value in metrics(drawn.reshape(*drawn.shape[:2], *shape)).items():
            values.setdefault(name, []).append(value.mean(axis=0))
    intervals = {}
    for name, blocks in values.items():
        defined = np.concatenate(blocks)
        defined = defined[~np.isnan(defined)]
        if len(defined):
            low, high = np.percentile(defined, PERCENTILES)
            intervals[name] = (float(low), float(high))
    return intervals


def sign_flip(differences: np.ndarray, draws: int = MONTE_CARLO, seed: int = SEED) -> PairedTest:
    """Permutation test of "the two systems are exchangeable": every speaker's difference may have either sign.

    Exact up to EXACT_UP_TO speakers: all 2^n sums, as pairs of two halves' sums, counted by sorting one half. Beyond,
    Monte Carlo with the observed assignment counted in.

    Args:
        differences: (n,) one a speaker; NaN (a speaker without the metric) is left out.
    """
    differences = np.asarray(differences, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if not n:
        return PairedTest(float("nan"), float("nan"), 0, True)
    observed = abs(differences.sum())
    threshold = observed - 1e-9 * max(np.abs(differences).sum(), 1e-300)  # sums that tie must count as ties
    if n <= EXACT_UP_TO:
        first, second = _signed_sums(differences[:n // 2]), np.sort(_signed_sums(differences[n // 2:]))
        above = len(second) - np.searchsorted(second, threshold - first, side="left")
        below = np.searchsorted(second, -threshold - first, side="right")
        # where threshold is not positive, every assignment is at least as extreme
        share = 1.0 if threshold <= 0 else float((above + below).sum()) / 2.0 ** n
        return PairedTest(float(differences.mean()), min(share, 1.0), n, True)
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, draws, 10_000):
        signs = rng.integers(0, 2, size=(min(10_000, draws - start), n)) * 2.0 - 1.0
        extreme += int((np.abs(signs @ differences) >= threshold).sum())
    return PairedTest(float(differences.mean()), (1 + extreme) / (1 + draws), n, False)


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """All 2^n sums of +-values (2^n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
