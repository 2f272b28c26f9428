"""Confidence intervals over speakers, and paired tests by flipping the signs of per-speaker differences.

Utterances of one speaker resemble each other, so the speaker is what is left out, drawn and exchanged. An interval says
what another draw of speakers would change; not what another training set, or another seed, would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MINIMUM_SPEAKERS = 8  # fewer speakers say nothing about the next one
REPLICATES = 2000
LEVEL = 0.05  # of a test
POWER = 0.8
SEED = 20180415
EXACT_UP_TO = 32  # speakers; two halves of 2^16 sums each
MONTE_CARLO = 100_000

Metrics = Callable[[np.ndarray], Mapping[str, np.ndarray]]

FRACTION, CORRELATION, POSITIVE = "fraction", "correlation", "positive"


def _logit(value: np.ndarray, items: float) -> np.ndarray:
    """Of a fraction; 0 and 1 as if half an item were otherwise."""
    inside = (value * items + 0.5) / (items + 1) if np.isfinite(items) else value
    return np.log(inside) - np.log1p(-inside)


def _fraction(value: np.ndarray, items: float) -> np.ndarray:
    inside = 1 / (1 + np.exp(-value))
    return np.clip((inside * (items + 1) - 0.5) / items, 0, 1) if np.isfinite(items) else inside


Scale = Callable[[np.ndarray, float], np.ndarray]
SCALES: dict[str, tuple[Scale, Scale]] = {  # there and back
    FRACTION: (_logit, _fraction),
    CORRELATION: (lambda value, _: np.arctanh(np.clip(value, -1 + 1e-9, 1 - 1e-9)), lambda value, _: np.tanh(value)),
    POSITIVE: (lambda value, _: np.log(np.maximum(value, 1e-9)), lambda value, _: np.exp(value))}


@dataclass(frozen=True)
class PairedTest:
    """
    Attributes:
        difference: mean over speakers of (system - reference). p: two-sided. speakers: that entered.
        detectable: the difference that a test of so many speakers finds with a power of 80 %, given how much theirs
            vary; NaN of a single speaker.
    """

    difference: float
    p: float
    speakers: int
    exact: bool
    detectable: float = float("nan")

    @property
    def smallest_p(self) -> float:
        """That flipping the signs of so many speakers can give."""
        return 2.0 ** (1 - self.speakers)


def why_no_intervals(speakers: int | None) -> str | None:
    """The reason for which a result has no intervals; None where it has. `speakers` is None where they are unknown."""
    if speakers is None:
        return "speakers unknown"
    if speakers < MINIMUM_SPEAKERS:
        return f"only {speakers} speaker{'s' * (speakers != 1)}, fewer than {MINIMUM_SPEAKERS}"
    return None


def jackknife(statistics: np.ndarray, metrics: Metrics, scales: Mapping[str, str] | None = None,
              items: float = np.inf) -> dict[str, tuple[float, float]]:
    """95 % intervals of the mean over seeds, over speakers: jackknife-t on a scale without bounds.

    The value without each speaker gives the standard error, Student's t with as many degrees of freedom less one the
    width (Tukey 1958; Miller, Biometrika 1974). A percentile bootstrap over 8 speakers covers 86 to 90 % instead of
    95 (tests/bench/coverage.py).

    Args:
        statistics: (seeds, speakers, ...) counts or sums that add up over speakers.
        metrics: (..., *) -> {name: (...)} on summed statistics.
        scales: {name: one of SCALES}; FRACTION where it is not told. items: how many are counted; keeps 0 and 1 finite.

    Returns:
        {name: (low, high)}; without a metric that is not defined without one of the speakers, or that no speaker
        changes.
    """
    speakers = statistics.shape[1]
    whole = statistics.sum(axis=1, keepdims=True).astype(np.float64)
    values = {name: value.mean(axis=0) for name, value in metrics(whole).items()}  # (1,)
    without = {name: value.mean(axis=0) for name, value in metrics(whole - statistics).items()}  # (speakers,)
    width = t_quantile(0.975, speakers - 1)
    intervals = {}
    for name, (value,) in values.items():
        there, back = SCALES[(scales or {}).get(name, FRACTION)]
        left_out = there(without[name], items)
        error = np.sqrt((speakers - 1) / speakers * np.square(left_out - left_out.mean()).sum())
        if np.isfinite(error) and error > 0:
            middle = there(value, items)
            intervals[name] = (float(back(middle - width * error, items)), float(back(middle + width * error, items)))
    return intervals


def t_quantile(share: float, freedom: int) -> float:
    """Of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def expanded_percentiles(speakers: int) -> tuple[float, float]:
    """Percentiles of a bootstrap of so few that cover 95 % (Hesterberg, The American Statistician 2015)."""
    from scipy.special import ndtr

    low = 100 * float(ndtr(-np.sqrt(speakers / (speakers - 1)) * t_quantile(0.975, speakers - 1)))
    return low, 100 - low


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
        return PairedTest(float(differences.mean()), min(share, 1.0), n, True, detectable(differences))
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, draws, 10_000):
        signs = rng.integers(0, 2, size=(min(10_000, draws - start), n)) * 2.0 - 1.0
        extreme += int((np.abs(signs @ differences) >= threshold).sum())
    return PairedTest(float(differences.mean()), (1 + extreme) / (1 + draws), n, False, detectable(differences))


def detectable(differences: np.ndarray) -> float:
    """The mean difference that a two-sided test at 5 % finds with a power of 80 %: (t(.975) + t(.8)) s / sqrt(n)."""
    n = len(differences)
    if n < 2:
        return float("nan")
    error = float(differences.std(ddof=1)) / np.sqrt(n)
    return (t_quantile(1 - LEVEL / 2, n - 1) + t_quantile(POWER, n - 1)) * error


def holm(values: Sequence[float]) -> list[float]:
    """p of a family of tests, adjusted (Holm, Scandinavian Journal of Statistics 1979), in their order."""
    adjusted, largest = [0.0] * len(values), 0.0
    for place, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - place) * values[number]))
        adjusted[number] = largest
    return adjusted


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """All 2^n sums of +-values (2^n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
