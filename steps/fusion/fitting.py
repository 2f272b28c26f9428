"""Fit one fusion on one dev part, and say what it would have said about each speaker of dev without having seen them.

`cross_fit` learns the weights once without each group of items (see groups.py) and scores that group; the weights that
are kept are learned on all of dev. The temperature is fitted on the scores of the held-out groups. So the dev scores of
a fusion are those of weights that have not seen the item, and may be compared between fusions and with the subsystems.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steps.fusion.averaging import AverageSearch
from steps.fusion.combine import Fusion
from steps.fusion.logistic import Regression
from steps.fusion.simplex import Search, shrunk
from steps.scoring.calibration import apply_temperature, fit_temperature


@dataclass(frozen=True)
class Stack:
    """The scores of K subsystems for the same N items.

    Attributes:
        ids: of the items; of a track of each of its values. labels: None = unlabelled. speakers: None = unknown.
        y: (N,) class numbers, -1 = unlabelled; or float64 numbers, NaN = unlabelled.
        logp: (N, K, C) calibrated log-posteriors, or (N, K, 1) predictions. groups: (N,) which items are held out
            together; all 0 on test.
    """

    ids: tuple[str, ...]
    labels: tuple[Any, ...]
    speakers: tuple[str | None, ...]
    y: np.ndarray
    logp: np.ndarray
    groups: np.ndarray

    @property
    def predictions(self) -> bool:
        """Whether it holds predictions, not log-posteriors."""
        return self.y.dtype.kind == "f"

    def without(self, member: int) -> Stack:
        """All subsystems but one."""
        return replace(self, logp=np.delete(self.logp, member, axis=1))


@dataclass(frozen=True)
class Fitted:
    """fusion: learned on all of dev. dev: (N, C) log-posteriors (or (N, 1) predictions) of each item by weights that
    have not seen it."""

    fusion: Fusion
    dev: np.ndarray


# (weights (K,), biases (C,), what else was chosen) learned on all groups but those given
Learner = Callable[[Collection[int]], tuple[np.ndarray, np.ndarray, dict[str, float]]]


def learner(how: str, dev: Stack) -> Learner:
    """What learns the weights of one way of fusing on parts of `dev`."""
    _, count, classes = dev.logp.shape
    none = np.zeros(classes)
    if how == "simplex" and count > 1:
        search = AverageSearch(dev.logp[:, :, 0], dev.y, dev.groups) if dev.predictions else \
            Search(dev.logp, dev.y, dev.groups)
        return lambda without: (shrunk(search.best(without)), none, {})
    if how == "logistic":
        regression = Regression(dev.logp, dev.y, dev.groups)

        def learn(without: Collection[int]) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
            theta, strength = regression.best(without)
            return theta[:count], theta[count:], {"strength": strength}

        return learn
    return lambda without: (np.full(count, 1 / count), none, {})


def cross_fit(how: str, members: tuple[tuple[str, str], ...], classes: tuple[str, ...], dev: Stack) -> Fitted:
    """See the module's text."""
    learn = learner(how, dev)
    weights, biases, chosen = learn(())
    fusion = Fusion(how, members, classes, weights, biases, 1.0, chosen)
    held_out = np.empty((len(dev.y), dev.logp.shape[2]))
    for group in np.unique(dev.groups).tolist():
        here = dev.groups == group
        weights, biases, _ = learn((group,))
        held_out[here] = replace(fusion, weights=weights, biases=biases).logits(dev.logp[here])
    if dev.predictions:
        return Fitted(fusion, held_out)
    temperature = fit_temperature(held_out, dev.y)
    return Fitted(replace(fusion, temperature=temperature), apply_temperature(held_out, temperature))
