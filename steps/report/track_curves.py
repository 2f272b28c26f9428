"""Which items of a target of tracks the report shows, with their label and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.scoring import metrics
from steps.scoring.scores import Predictions


@dataclass(frozen=True)
class Curve:
    """Label and prediction (T,) of one item of the test part, a value every `step` seconds; which:
    best, ..."""

    target: str
    system: str
    item: str
    which: str
    ccc: float
    step: float
    label: np.ndarray
    prediction: np.ndarray


def chosen(runs: Sequence[Predictions], target: str, system: str, step: float) -> list[Curve]:
    """The best, the median and the worst item by CCC, of one table a fold; items without a CCC are
    left out."""
    found = []
    for run in runs:
        for item, label, prediction in run.by_item():
            ccc = float(metrics.ccc(metrics.moments(label, prediction)))
            if ccc == ccc:
                found.append((ccc, item, label, prediction))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    places = {"best": 0, "median": len(found) // 2, "worst": len(found) - 1} if found else {}
    return [Curve(target, system, found[place][1], which, found[place][0], step, *found[place][2:])
            for which, place in places.items() if which == "best" or place]
