"""Weights of a mean of predictions: the CCC by second moments, and the best of a grid."""

import numpy as np
import pytest

from steps.fusion.averaging import AverageSearch, ccc_of
from steps.fusion.simplex import grid
from steps.scoring import metrics


def made(count=3, items=400, seed=0):
    rng = np.random.default_rng(seed)
    y = np.cumsum(rng.normal(size=items)) / 5
    noise = rng.normal(size=(items, count)) * np.linspace(0.3, 2.0, count)
    return (
        0.8 * y[:, None] + noise + 0.1,
        np.where(np.arange(items) % 50 == 7, np.nan, y),
        np.arange(items) // 100,
    )


def test_the_ccc_of_a_weighted_mean_equals_that_of_its_predictions():
    predictions, y, groups = made()
    search = AverageSearch(predictions, y, groups)
    expected = [
        float(metrics.ccc(metrics.moments(y, predictions @ weights))) for weights in search.weights
    ]
    np.testing.assert_allclose(ccc_of(search.weights, search.sums.sum(axis=0)), expected, atol=1e-9)


@pytest.mark.parametrize("without", [(), (2,)])
def test_the_best_of_the_grid_is_found_without_the_held_out_groups(without):
    predictions, y, groups = made()
    kept = ~np.isin(groups, without)
    values = [
        round(float(metrics.ccc(metrics.moments(y[kept], predictions[kept] @ weights))), 9)
        for weights in grid(3, 20)
    ]
    found = AverageSearch(predictions, y, groups).best(without)
    assert float(metrics.ccc(metrics.moments(y[kept], predictions[kept] @ found))) == pytest.approx(
        max(values)
    )


def test_many_subsystems_are_refined_from_a_coarser_grid_and_without_labels_weights_are_equal():
    predictions, y, groups = made(6)
    search = AverageSearch(predictions, y, groups)
    best = search.best()
    assert best.sum() == pytest.approx(1) and best[0] == best.max() > 1 / 6
    assert (
        ccc_of(best[None], search.sums.sum(axis=0))
        >= ccc_of(search.weights, search.sums.sum(axis=0)).max()
    )
    assert (
        AverageSearch(predictions, np.full(len(y), np.nan), groups).best().tolist() == [1 / 6] * 6
    )
