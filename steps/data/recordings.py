"""Utterances that are segments of one recording: which overlap, and which parts of a split share a recording."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.data.dataset import Item
    from steps.data.splits import Split

MOST = 0.5  # of the longer segment: with so much in common two segments are the same sound


@lru_cache(maxsize=65536)
def _real(path: str) -> str:
    return os.path.realpath(path)


def recording_of(item: Item) -> str | None:
    """The recording that an utterance is cut from, the same for each of its names; None without a recording."""
    return None if item.path is None else _real(item.path)


def overlapping(items: Iterable[Item]) -> list[tuple[str, str]]:
    """Pairs of ids, sorted, of segments of one recording that share half of the longer one or more."""
    of: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if (recording := recording_of(item)) is not None:
            of[recording].append(item)
    found = []
    for segments in of.values():
        segments.sort(key=lambda item: (item.start, item.id))
        for place, one in enumerate(segments):
            end = one.start + one.duration
            for other in segments[place + 1:]:
                if other.start >= end:
                    break
                common = min(end, other.start + other.duration) - other.start
                if common > 0 and common >= MOST * max(one.duration, other.duration):
                    found.append((min(one.id, other.id), max(one.id, other.id)))
    return sorted(found)


def shared_recordings(split: Split, items: Mapping[str, Item]) -> dict[str, tuple[str, str]]:
    """{test utterance: (fold and part, another utterance)} for those of whose recording train or dev have a segment."""
    found: dict[str, tuple[str, str]] = {}
    for fold in split.folds:
        learned = {recording_of(items[key]): (f"fold {fold}, {part}", key)
                   for part in ("train", "dev") for key in split.ids(fold, part)}
        learned.pop(None, None)
        for key in split.ids(fold, "test"):
            if (place := learned.get(recording_of(items[key]))) is not None:
                found.setdefault(key, place)
    return found
