"""Chance of tracks: what all tracks have in common is no leak, what an item's own prediction knows
of it is."""

import numpy as np
import pytest

from steps.audit.permuted_tracks import judge_tracks, pair_moments
from steps.scoring import metrics
from steps.scoring.scores import Predictions


def run(follow, items=12, seed=0):
    """Labels that all rise; predictions that rise, too, and follow the item's own part by
    `follow`."""
    rng, ids, labels, predictions = np.random.default_rng(seed), [], [], []
    for number in range(items):
        length = int(rng.integers(30, 60))
        own, common = np.cumsum(rng.normal(size=length)) / 4, np.arange(length) / 20
        ids += [f"i{number:02d}"] * length
        labels.append(common + own)
        predictions.append(common + follow * own + rng.normal(size=length) * 0.1)
    return Predictions(
        ids, np.concatenate(labels), np.concatenate(predictions), np.zeros(len(ids), dtype=np.int64)
    )


@pytest.mark.parametrize(("follow", "passed"), [(0.0, True), (0.8, False)])
def test_what_tracks_have_in_common_is_chance_and_what_an_item_knows_of_itself_is_a_leak(
    follow, passed
):
    runs = [run(follow, seed=fold) for fold in range(2)]
    found = judge_tracks(runs)
    y, p = (
        np.concatenate([getattr(one, name) for one in runs]) for name in ("labels", "predictions")
    )
    ccc = 2 * np.cov(y, p, ddof=0)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    assert found["CCC"] == pytest.approx(ccc, abs=1e-6) and found["items"] == 24
    assert found["passed"] is passed and found["low"] < found["high"] and found["high"] > 0.1


def test_tracks_are_compared_as_far_as_the_shorter_goes_and_unlabelled_items_are_left_out():
    given = Predictions(
        ["a"] * 2 + ["b"] * 3 + ["c"],
        np.array([1, 2, 3, 4, 5, np.nan]),
        np.array([10, 20, 30, 40, 50, 60.0]),
    )
    found = pair_moments(given)
    assert found.shape == (2, 2, 7)
    np.testing.assert_array_equal(
        found[0, 1], metrics.moments(np.array([1, 2]), np.array([30, 40]))
    )
    np.testing.assert_array_equal(
        found[1, 0], metrics.moments(np.array([3, 4]), np.array([10, 20]))
    )


def test_two_items_give_no_distribution():
    found = judge_tracks([run(0.0, items=2)])
    assert found["high"] == 0.5 and "too few items" in found["rule"]
