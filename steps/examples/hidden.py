"""Hide the labels of most of a training part (`--labels N`, `--label-share S`): what is hidden is
unlabelled.

The labels that stay are stratified by class and spread over speakers, the same for a seed. Where a
dialogue or session carries the label, whole ones keep or lose it; a noisy copy (augmented.py)
follows its clean utterance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steps.data.dataset import Item
from steps.examples.augmented import SUFFIX
from steps.examples.part import NO_LABEL, known
from steps.examples.units import unit_names
from steps.training.random_state import derive
from utils.errors import UsageError

OF_LABEL = ("emotion_votes",)  # fields that say the label in another way


@dataclass(frozen=True)
class Kept:
    """How many labels stay.

    Attributes:
        amount: a number of labels, or as a float their share. seed: which ones.
    """

    amount: int | float
    seed: int = 0

    def count(self, classes: Sequence[int]) -> int:
        """Of so many labels a class.

        Raises:
            UsageError: more than there are, or fewer than there are classes.
        """
        total, present = sum(classes), sum(count > 0 for count in classes)
        if not isinstance(self.amount, int):
            return max(present, round(self.amount * total))
        if not present <= self.amount <= total:
            raise UsageError(f"--labels {self.amount}: the training part has {total} labels of "
                             f"{present} classes; accepted: {present} to {total}")
        return self.amount


def hide(items: Sequence[Item], y: np.ndarray, kept: Kept, purpose: str, field: str,
         unit: str = "utterance") -> tuple[tuple[Item, ...], np.ndarray]:
    """The same items, most of them without label.

    Args:
        y: (N,) class numbers or numbers, see Part. purpose: makes the choice of a fold its own.
        field: of the label.
    """
    names = [item.id.removesuffix(SUFFIX)
             for item in items] if unit == "utterance" else unit_names(items, unit)
    strata, speakers = dict[str, int](), dict[str, str]()
    for position in np.flatnonzero(known(y)).tolist():
        strata.setdefault(names[position], 0 if y.dtype.kind == "f" else int(y[position]))
        speakers.setdefault(names[position], (items[position].speaker or "").removesuffix(SUFFIX))
    stay = chosen(strata, speakers, kept, purpose)
    lost = [position for position, name in enumerate(names) if name not in stay]
    y = y.copy()
    y[lost] = np.nan if y.dtype.kind == "f" else NO_LABEL
    found = list(items)
    for position in lost:
        found[position] = without_label(items[position], field)
    return tuple(found), y


def without_label(item: Item, field: str) -> Item:
    """The item without its label."""
    return replace(item, fields={name: value for name, value in item.fields.items()
                                 if name not in (field, *OF_LABEL)})


def chosen(strata: Mapping[str, int], speakers: Mapping[str, str], kept: Kept,
           purpose: str = "") -> set[str]:
    """The names that keep their label.

    Args:
        strata: name -> class. speakers: name -> speaker.
    """
    members: dict[int, list[str]] = {}
    for name, stratum in strata.items():
        members.setdefault(stratum, []).append(name)
    classes = sorted(members)
    counts = [len(members[stratum]) for stratum in classes]
    return {name for stratum, count in zip(classes, shares(counts, kept.count(counts)), strict=True)
            for name in spread(members[stratum], speakers, kept.seed, purpose)[:count]}


def shares(counts: Sequence[int], total: int) -> list[int]:
    """`total` in proportion to the counts (largest remainder), at least 1 of each that is not 0, at
    most all."""
    quotas = [total * count / sum(counts) for count in counts]
    found = [min(count, max(1, int(quota))) for quota, count in zip(quotas, counts, strict=True)]
    while sum(found) != total:
        step = 1 if sum(found) < total else -1
        free = [place for place, (own, count) in enumerate(zip(found, counts, strict=True))
                if (own < count if step > 0 else own > 1)]
        found[max(free, key=lambda place: step * (quotas[place] - found[place]))] += step
    return found


def spread(names: Sequence[str], speakers: Mapping[str, str], seed: int, purpose: str) -> list[str]:
    """The names in a random order in which every speaker comes once before one comes again."""
    def number(*what: str) -> int:
        return derive(seed, "labels", purpose, *what)

    rank: dict[str, int] = {}
    seen: dict[str, int] = {}
    for name in sorted(names, key=lambda name: (number("name", name), name)):
        rank[name] = seen.get(speakers[name], 0)
        seen[speakers[name]] = rank[name] + 1
    # Which speaker comes first is drawn anew for each round.
    return sorted(names,
                  key=lambda name: (rank[name],
                                    number("speaker", str(rank[name]), speakers[name], name), name))
