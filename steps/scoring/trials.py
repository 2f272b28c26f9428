"""Speaker verification trials, their equal error rate, and its interval by bootstrap over speakers. numpy and scipy.

What is kept of the scores, as JSON: {"kind": "trials", "speakers": S, "targets": K, "impostors": L, "missed": [a, b],
"accepted": [c, d], "interval": [low, high]}: the numbers of trials of one speaker and of two, and on both sides of the
threshold at which the two shares of errors are equal the targets below it and the impostors above it. The interval
takes all the scores, so it is kept itself; absent where there are too few speakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steps.scoring.statistics import REPLICATES, SEED, expanded_percentiles, why_no_intervals
from utils.errors import UserError

KIND = "trials"
BINS = 2000  # of scores, in the bootstrap: an error rate moves by less than half a thousandth of a trial's share
_BLOCK = 200  # replicates at a time


@dataclass(frozen=True)
class Trials:
    """enrolled, tested: int (K,), the speakers of both sides of each trial, numbered as `speakers`."""

    speakers: list[str]
    enrolled: np.ndarray
    tested: np.ndarray

    @property
    def same(self) -> np.ndarray:
        """bool (K,): trials of one speaker (targets)."""
        return self.enrolled == self.tested


def crossing(missed: np.ndarray, accepted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the shares of missed targets (..., B) (rising) and accepted impostors (falling) are equal.

    Returns:
        The equal error rate (...), linear between the two thresholds beside the crossing, and their positions.
    """
    gap = missed - accepted
    right = np.argmax(gap >= 0, axis=-1)
    left = np.maximum(right - 1, 0)

    def at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, place[..., None], axis=-1)[..., 0]

    low, high = at(gap, left), at(gap, right)
    share = np.divide(-low, high - low, out=np.zeros_like(low), where=high > low)
    return at(missed, left) + share * (at(missed, right) - at(missed, left)), left, right


def roc(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of missed targets and accepted impostors at every threshold, from below all scores to above; int.

    Raises:
        UserError: no trial of one of the two kinds, or a score that is not a number.
    """
    if same.all() or not same.any() or np.isnan(scores).any():
        raise UserError(f"speaker verification: {int(same.sum())} trials of one speaker, {int((~same).sum())} of two, "
                        f"{int(np.isnan(scores).sum())} scores that are not numbers; it needs both kinds, and numbers")
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) > 0, True)  # equal scores share a threshold
    missed = np.append(0, np.cumsum(same[order])[last])
    rejected = np.append(0, np.cumsum(~same[order])[last])
    return missed, rejected[-1] - rejected


def summarize(scores: np.ndarray, trials: Trials) -> dict[str, Any]:
    """What the equal error rate follows from, as JSON: counts on both sides of the crossing, and its interval."""
    same = trials.same
    missed, accepted = roc(scores, same)
    targets, impostors = int(same.sum()), int((~same).sum())
    _, left, right = crossing(missed / targets, accepted / impostors)
    found = {"kind": KIND, "speakers": len(trials.speakers), "targets": targets, "impostors": impostors,
             "missed": [int(missed[left]), int(missed[right])], "accepted": [int(accepted[left]), int(accepted[right])]}
    if why_no_intervals(len(trials.speakers)) is None:
        found["interval"] = [round(value, 6) for value in interval(scores, trials)]
    return found


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a row of results that follows from a summary (see steps/scoring/results.py)."""
    rate, _, _ = crossing(np.array(summary["missed"]) / summary["targets"],
                          np.array(summary["accepted"]) / summary["impostors"])
    found: dict[str, Any] = {"metrics": {"EER": round(float(rate), 6)}, "sd": {}, "intervals": {}, "fold_scores": {}}
    if "interval" in summary:
        found["intervals"]["EER"] = summary["interval"]
    else:
        found["no_intervals"] = why_no_intervals(summary["speakers"])
    return found


def interval(scores: np.ndarray, trials: Trials, replicates: int = REPLICATES, seed: int = SEED) -> tuple[float, float]:
    """95 % interval of the equal error rate, by percentiles of a bootstrap, speakers drawn with replacement.

    A trial of two speakers counts as often as both were drawn (their product), one of a speaker with himself as often
    as he was: two copies of a speaker are no trial.
    """
    from scipy import sparse

    same, count = trials.same, len(trials.speakers)
    edges = np.unique(np.concatenate([np.quantile(scores[same], np.linspace(0, 1, BINS // 2)),
                                      np.quantile(scores[~same], np.linspace(0, 1, BINS // 2))]))
    cell = np.searchsorted(edges, scores, side="left")
    bins = len(edges) + 1
    targets = np.zeros((count, bins))
    np.add.at(targets, (trials.enrolled[same], cell[same]), 1)
    low, high = np.sort([trials.enrolled[~same], trials.tested[~same]], axis=0)
    pairs, place = np.unique(low * count + high, return_inverse=True)
    impostors = sparse.csr_matrix((np.ones(len(place)), (place, cell[~same])), shape=(len(pairs), bins))
    rng = np.random.default_rng(seed)
    rates = []
    for start in range(0, replicates, _BLOCK):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(_BLOCK, replicates - start)).astype(float)
        target = np.cumsum(drawn @ targets, axis=1)
        impostor = np.cumsum((impostors.T @ (drawn[:, pairs // count] * drawn[:, pairs % count]).T).T, axis=1)
        defined = (target[:, -1] > 0) & (impostor[:, -1] > 0)
        missed, rejected = (counts[defined] / counts[defined, -1:] for counts in (target, impostor))
        start_of_all = np.zeros((len(missed), 1))
        rates.append(crossing(np.hstack([start_of_all, missed]), 1 - np.hstack([start_of_all, rejected]))[0])
    low_rate, high_rate = np.percentile(np.concatenate(rates), expanded_percentiles(count))
    return float(low_rate), float(high_rate)
