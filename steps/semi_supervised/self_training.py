"""Self-training: what a round does to labels. Arrays in, labels out; steps/experiments/rounds.py
runs the rounds.

Round 0 learns from the labels alone. Each further round learns anew from the labels and from the
sure guesses of the round before (Scudder, 1965; Lee, ICML Workshops 2013).
"""

from __future__ import annotations

import numpy as np

UNSURE = -1


def pseudo_labels(logp: np.ndarray, threshold: float, most: int = 0) -> np.ndarray:
    """The classes of the guesses that are sure enough.

    Args:
        logp: (N, C) log-posteriors, calibrated.
        threshold: least posterior of a guess.
        most: guesses of a class that are taken, the surest (at a tie the first); 0: all. So a class
            that is guessed too often does not take over.

    Returns:
        int64 (N,), UNSURE where the guess does not count.
    """
    guess, surest = logp.argmax(axis=1), logp.max(axis=1)
    labels = np.where(surest >= np.log(threshold), guess, UNSURE).astype(np.int64)
    if most:
        for number in range(logp.shape[1]):
            mine = np.flatnonzero(labels == number)
            labels[mine[np.argsort(-surest[mine], kind="stable")[most:]]] = UNSURE
    return labels
