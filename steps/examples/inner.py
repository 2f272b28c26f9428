"""Inner folds over the speakers of a training part: what is chosen on them needs no dev part.

Up to MOST_ALONE speakers are held out one by one, more of them in GROUPS groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steps.data.dataset import Item

FEWEST, MOST_ALONE, GROUPS = 3, 10, 5


def inner_folds(items: Sequence[Item]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(positions that are learned from, positions that are held out) of each fold.

    Nothing where the speaker of an item is unknown, or fewer than FEWEST speakers are there.
    """
    names = [item.speaker for item in items]
    speakers = sorted({name for name in names if name is not None})
    if None in names or len(speakers) < FEWEST:
        return []
    count = len(speakers) if len(speakers) <= MOST_ALONE else GROUPS
    group = {name: number % count for number, name in enumerate(speakers)}
    of = np.array([group[name] for name in names if name is not None])
    return [(np.flatnonzero(of != number), np.flatnonzero(of == number)) for number in range(count)]
