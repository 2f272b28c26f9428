"""A choice on dev among the values of one option that follow one another: C, leaf sizes, scales, numbers of epochs.

A small dev part is often equally good over a stretch of them (on one speaker of TESS at every C). The end of the
stretch is where learning is about to fail on one side, so the middle is taken. Choices that have a center of their own
take what is nearest to it: fusion weights to equal ones (steps/fusion), thresholds to a half (calibration.py). The best
epoch of a training is the first of equal ones: the later ones are not known when training stops, and cost more.
"""

from __future__ import annotations

from collections.abc import Sequence


def middle_of_best(path: Sequence[float], values: Sequence[float]) -> int:
    """The place of the best value; of equally good ones the middle along `path`, of two middle ones the smaller.

    Args:
        path: values of the option, in any order. values: how good each is on dev; more is better.
    """
    best = max(values)
    tied = sorted((place for place, value in enumerate(values) if value >= best - 1e-12), key=lambda place: path[place])
    return tied[(len(tied) - 1) // 2]
