"""Whether a network on tracks that was trained on permuted labels scores at chance, as it must.

Such a network may still know what all tracks have in common (they begin low, say). So the chance
interval is the distribution of the CCC when, in every fold, the predicted tracks are exchanged
among the items at random and compared as far as the shorter of the two goes. Only a CCC above the
interval is a leak: the predictions know the items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from steps.scoring import metrics
from steps.scoring.scores import Predictions
from steps.scoring.summary import plain

DRAWS = 2000
PERCENTILES = (0.5, 99.5)
SEED = 7


def judge_tracks(runs: Sequence[Predictions]) -> dict[str, Any]:
    """The observed CCC against the chance interval; one table of scores a fold and seed.

    Returns:
        {"metric": "CCC", "CCC", "chance", "low", "high", "items", "passed", "rule"}
    """
    tables = [pair_moments(run) for run in runs]
    observed = float(metrics.ccc(sum(table.trace() for table in tables)))
    items = sum(len(table) for table in tables)
    if sum(math.lgamma(len(table) + 1) for table in tables) > math.log(1000):
        low, high = (float(value) for value in np.nanpercentile(exchange(tables), PERCENTILES))
        share = PERCENTILES[1] - PERCENTILES[0]
        rule = f"{share:g} % of {DRAWS} exchanges of each fold's predicted tracks"
    else:
        low, high = -1.0, 0.5
        rule = "too few items for a distribution: half-way between chance and 1"
    return {"metric": "CCC", "CCC": plain(observed), "chance": 0.0, "low": plain(low),
            "high": plain(high), "items": items, "passed": not observed > high + 1e-9, "rule": rule}


def pair_moments(run: Predictions) -> np.ndarray:
    """(n, n, 7) metrics.MOMENTS of the labels of item i with the predictions of item j, both cut to
    the shorter; items without label are left out."""
    items = [(labels, predictions) for _, labels, predictions in run.by_item()
             if not np.isnan(labels).all()]
    pairs = [metrics.moments(labels[:len(predictions)], predictions[:len(labels)])
             for labels, _ in items for _, predictions in items]
    return np.array(pairs).reshape(len(items), len(items), len(metrics.MOMENTS))


def exchange(tables: Sequence[np.ndarray], draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """CCC (draws,) with the predictions of every table's items exchanged at random."""
    rng, sums = np.random.default_rng(seed), np.zeros((draws, len(metrics.MOMENTS)))
    for table in tables:
        items = np.arange(len(table))
        taken = rng.permuted(np.tile(items, (draws, 1)), axis=1)
        sums += table[items, taken].sum(axis=1)
    return metrics.ccc(sums)
