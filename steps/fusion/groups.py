"""Groups of dev items that are held out together when a fusion is judged: speakers, or blocks where that cannot be.

The weights found on a dev part look better there than they are. So a fusion is fitted without one group and scores it;
the figures of all groups together, which no weight has seen, say which way of fusing is best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST = 8  # groups; more speakers share them
BLOCKS = 5  # of utterances, where speakers are unknown or dev has only one

SPEAKERS, UTTERANCES = "speaker", "block of utterances"


def held_out(ids: Sequence[str], labels: np.ndarray, speakers: Sequence[str | None]) -> tuple[np.ndarray, str]:
    """Group of each item (N,), numbered from 0, and what a group is: SPEAKERS or UTTERANCES. Deterministic.

    Args:
        labels: (N,) class numbers, negative = unlabelled; blocks have the classes in equal shares.
        speakers: None where unknown; items of two speakers are never split between groups if all are known.
    """
    names = sorted({name for name in speakers if name is not None})
    if len(names) >= 2 and None not in speakers:
        number = {name: position % MOST for position, name in enumerate(names)}
        return np.array([number[str(name)] for name in speakers], dtype=np.int64), SPEAKERS
    order = sorted(range(len(ids)), key=lambda item: (int(labels[item]), ids[item]))
    groups = np.empty(len(ids), dtype=np.int64)
    groups[order] = np.arange(len(ids)) % max(1, min(BLOCKS, len(ids)))
    return groups, UTTERANCES
