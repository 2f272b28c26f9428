"""Curves of tracks in the report: which items are shown, and their pictures."""

import re
from types import SimpleNamespace

import numpy as np

from steps.report.track_curves import chosen
from steps.report.track_section import picture, thinned, track_section
from steps.scoring.scores import Predictions


def table(noises, length=50, seed=0):
    """An item a noise: the prediction is the label and so much noise; the last item is
    unlabelled."""
    rng, y = np.random.default_rng(seed), []
    p, ids = [], []
    for number, noise in enumerate([*noises, 0.0]):
        label = np.sin(np.arange(length) / 5 + number)
        ids += [f"i{number}"] * length
        y.append(label if number < len(noises) else np.full(length, np.nan))
        p.append(label + noise * rng.normal(size=length))
    return Predictions(
        ids, np.concatenate(y), np.concatenate(p), np.tile(np.arange(length), len(noises) + 1)
    )


def test_the_best_the_median_and_the_worst_item_of_all_folds_are_shown():
    runs = [table([0.4, 0.0]), table([2.0, 0.1, 0.2], seed=1)]
    runs[1] = Predictions(
        [f"x{key}" for key in runs[1].ids], runs[1].labels, runs[1].predictions, runs[1].frames
    )
    found = chosen(runs, "arousal", "net/norm-global", 0.1)
    assert [(curve.which, curve.item) for curve in found] == [
        ("best", "i1"),
        ("median", "xi2"),
        ("worst", "xi0"),
    ]
    assert found[0].ccc > 0.999 > found[1].ccc > found[2].ccc
    text = track_section(SimpleNamespace(tracks=found))
    assert (
        text.count("<svg") == 3 and text.count("<polyline") == 6 and "arousal, median: xi2" in text
    )
    assert track_section(SimpleNamespace(tracks=[])) == ""


def test_one_item_is_shown_once_and_a_long_one_is_averaged():
    (only,) = chosen([table([0.3], length=5000)], "arousal", "net/norm-global", 0.1)
    assert only.which == "best"
    assert all(len(line.split()) <= 600 for line in re.findall(r'points="([^"]*)"', picture(only)))
    assert thinned(np.array([1.0, 3.0, 5.0]), 2).tolist() == [2.0, 5.0]
