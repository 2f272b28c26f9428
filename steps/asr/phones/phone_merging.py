"""Components of a phone-state head: states with too few frames are merged until every component has enough.

First within a phone, neighboring states; a phone that is too rare even as one component then joins the nearest
component of its class (vowels, stops, ...), nearest by the mean features. Silence is never merged with phones: it is no
component of an i-vector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from steps.asr.phones.phone_alignment import PhoneSet

# ARPAbet. Phones of other alphabets are all of one class.
CLASSES = {
    "vowel": "AA AE AH AO AW AX AY EH ER EY IH IY OW OY UH UW",
    "stop": "P T K B D G",
    "fricative": "F V TH DH S Z SH ZH HH CH JH",
    "nasal": "M N NG",
    "approximant": "L R W Y",
}
_CLASS_OF = {phone: name for name, members in CLASSES.items() for phone in members.split()}


def phone_class(phone: str) -> str:
    """The class of a phone, stress digits aside; "" for one that is not of the ARPAbet."""
    return _CLASS_OF.get(re.sub(r"\d+$", "", phone), "")


def single_components(phones: PhoneSet) -> np.ndarray:
    """(S,) every state is a component of its own."""
    return np.arange(len(phones))


def merge_rare(components: np.ndarray, counts: np.ndarray, sums: np.ndarray, phones: PhoneSet,
               least: int) -> np.ndarray:
    """
    Args:
        components: (S,) component of each state so far; what is merged stays merged.
        counts: (S,) frames of each state. sums: (S, F) sum of their features.
        least: frames that a component needs.

    Returns:
        (S,) component of each state, numbered from 0, those of silence first; every other component has at least
        `least` frames, or it is the only one.
    """
    groups = _groups(components, phones)
    for phone in range(len(phones.phones)):
        groups = _merge_within(groups, phone, counts, phones, least)
    groups = _merge_nearest(groups, counts, sums, phones, least)
    merged = np.arange(len(phones))
    for number, group in enumerate(sorted(groups)):
        merged[group] = phones.silence_states + number
    return merged


def component_names(components: np.ndarray, phones: PhoneSet) -> list[str]:
    """A name a component: "AH.0", "AH.01" (two states), "SH.2+ZH.012" (two phones)."""
    names: list[dict[str, str]] = [{} for _ in range(int(components.max()) + 1)]
    for state, component in enumerate(components):
        phone, _, number = phones.names[state].rpartition(".")
        names[component][phone] = names[component].get(phone, "") + number
    return ["+".join(f"{phone}.{numbers}" for phone, numbers in name.items()) for name in names]


def _groups(components: np.ndarray, phones: PhoneSet) -> list[list[int]]:
    """The states of each component, silence left out."""
    found: dict[int, list[int]] = {}
    for state in range(phones.silence_states, len(phones)):
        found.setdefault(int(components[state]), []).append(state)
    return list(found.values())


def _merge_within(groups: list[list[int]], phone: int, counts: np.ndarray, phones: PhoneSet,
                  least: int) -> list[list[int]]:
    """Merge the components of one phone with their neighbors, the rarest first, each with the rarer neighbor."""
    own = sorted(group for group in groups if set(phones.owners[group]) == {phone})
    rest = [group for group in groups if group not in own]
    while len(own) > 1:
        total = [int(counts[group].sum()) for group in own]
        place = int(np.argmin(total))
        if total[place] >= least:
            break
        beside = [near for near in (place - 1, place + 1) if 0 <= near < len(own)]
        near = min(beside, key=lambda other: (total[other], other))
        own[min(place, near)] += own.pop(max(place, near))
    return rest + own


def _merge_nearest(groups: list[list[int]], counts: np.ndarray, sums: np.ndarray, phones: PhoneSet,
                   least: int) -> list[list[int]]:
    """Merge components across phones, the rarest first, with the nearest of their class, or of all."""
    groups = sorted(groups)
    total = np.array([counts[group].sum() for group in groups], dtype=np.float64)
    summed = np.array([sums[group].sum(axis=0) for group in groups]).reshape(len(groups), -1)
    kinds = np.array([phone_class(phones.phones[phones.owners[group[0]]]) for group in groups])
    alive = np.ones(len(groups), dtype=bool)
    while alive.sum() > 1:
        rare = int(np.where(alive, total, np.inf).argmin())
        if total[rare] >= least:
            break
        others = alive.copy()
        others[rare] = False
        akin = others & (kinds == kinds[rare])
        near = _nearest(rare, akin if akin.any() else others, total, summed)
        groups[near] = sorted(groups[near] + groups[rare])
        total[near] += total[rare]
        summed[near] += summed[rare]
        alive[rare] = False
    return [group for group, kept in zip(groups, alive, strict=True) if kept]


def _nearest(rare: int, choice: np.ndarray, total: np.ndarray, summed: np.ndarray) -> int:
    """Of the components in `choice` the one with the nearest mean; the largest where one has no frames."""
    if total[rare] == 0:
        return int(np.where(choice, total, -np.inf).argmax())
    means = summed / np.maximum(total, 1)[:, None]
    distance = ((means - means[rare]) ** 2).sum(axis=1)
    return int(np.where(choice & (total > 0), distance, np.inf).argmin()) if (choice & (total > 0)).any() \
        else int(np.flatnonzero(choice)[0])


def state_totals(states: Sequence[np.ndarray], features: Sequence[np.ndarray],
                 size: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (S,) and summed features (S, F) of each state over the utterances."""
    counts = np.zeros(size, dtype=np.int64)
    sums: np.ndarray | None = None
    for row, block in zip(states, features, strict=True):
        counts += np.bincount(row, minlength=size)
        sums = np.zeros((size, block.shape[1])) if sums is None else sums
        np.add.at(sums, row, block.astype(np.float64))
    return counts, np.zeros((size, 0)) if sums is None else sums
