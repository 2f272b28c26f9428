"""Which utterances are compared with which: all pairs, or models of several utterances against single ones. What their
scores say is in steps/scoring/trials.py. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steps.scoring.trials import Trials
from utils.errors import UserError

MOST_PAIRS = 50_000_000  # trials: 2 GB


def all_pairs(speakers: Sequence[str]) -> tuple[Trials, np.ndarray, np.ndarray]:
    """Every pair of different utterances once.

    Returns:
        The trials, and which utterances they are of: int (K,) twice, the first below the second.

    Raises:
        UserError: more pairs than memory should hold.
    """
    if len(speakers) * (len(speakers) - 1) // 2 > MOST_PAIRS:
        raise UserError(f"{len(speakers)} utterances have more than {MOST_PAIRS} pairs; enrol models with --enrol K")
    names, number = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    first, second = np.triu_indices(len(number), 1)
    return Trials(names.tolist(), number[first], number[second]), first, second


def enrolment(speakers: Sequence[str], utterances: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `utterances` of each speaker enrol him; he has no model if nothing would be left to test.

    Returns:
        model: int (N,), the model that each utterance belongs to (numbered as the sorted speakers that have one), or -1
        for test utterances. names: the models' speakers.
    """
    names, number, counts = np.unique(np.asarray(speakers, dtype=str), return_inverse=True, return_counts=True)
    seen = np.zeros(len(names), dtype=np.int64)
    model = np.full(len(number), -1)
    numbers = np.cumsum(counts > utterances) - 1
    for position, speaker in enumerate(number):
        if counts[speaker] > utterances and seen[speaker] < utterances:
            model[position] = numbers[speaker]
            seen[speaker] += 1
    return model, names[counts > utterances]
