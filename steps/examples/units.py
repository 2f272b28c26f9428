"""From utterances, which every kind of subsystem scores, to what carries the label: a dialogue or a session.

A unit's score is the mean over its utterances: of classes the mean of their log-posteriors, of a number the mean of the
predictions. Calibration, thresholds and metrics are of units; an utterance is its own unit where the corpus says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from steps.data.dataset import Item
from steps.scoring.calibration import log_softmax
from steps.training.random_state import generator


@dataclass(frozen=True)
class Units:
    """Units in the order of their ids.

    Attributes:
        y: (U,) as of their utterances. values: (U, C) log-posteriors, not calibrated, or (U, 1) numbers.
    """

    ids: list[str]
    y: np.ndarray
    values: np.ndarray


def unit_names(items: Iterable[Item], unit: str) -> list[str]:
    """The unit of each item."""
    return [item.id if unit == "utterance" else str(item.fields[unit]) for item in items]


def by_unit(names: Sequence[str], y: np.ndarray, values: np.ndarray) -> Units:
    """
    Args:
        names: the unit of each of N utterances. y: (N,), the same for all of a unit.
        values: (N, C) logits, or (N, 1) numbers.
    """
    if len(set(names)) == len(names):  # a logit is as good as its log-posterior, and stays what it was
        order = np.argsort(np.array(names, dtype=object), kind="stable") if len(names) else np.zeros(0, dtype=int)
        return Units([names[row] for row in order], y[order], values[order])
    ids, first, of = np.unique(np.array(names, dtype=str), return_index=True, return_inverse=True)
    scores = log_softmax(values) if values.shape[1] > 1 else np.asarray(values, dtype=np.float64)
    sums = np.zeros((len(ids), values.shape[1]))
    np.add.at(sums, of, scores)
    return Units(ids.tolist(), y[first], sums / np.bincount(of)[:, None])


def drawn(names: Sequence[str], ids: Sequence[str], each: int, seed: int, epoch: int) -> Iterator[int]:
    """Positions of `each` utterances of every unit, drawn anew every epoch; of a unit with fewer all, again and again.

    So a long session has no more weight in an epoch, and in its batches, than a short one.
    """
    members: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        members.setdefault(name, []).append(position)
    for name in sorted(members):
        mine = sorted(members[name], key=lambda position: ids[position])
        order = generator(seed, "unit", epoch, name).permutation(len(mine))
        for number in range(each):
            yield mine[order[number % len(mine)]]
