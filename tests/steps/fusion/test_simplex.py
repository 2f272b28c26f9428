"""The search finds what a loop over every weight vector finds."""

import itertools
import math

import numpy as np
import pytest

from steps.fusion import simplex
from steps.fusion.simplex import Search, decisions, grid, shrunk


def made(items=60, count=3, classes=4, seed=0, groups=3):
    """Subsystems that are right with differing strength."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, items)
    logits = rng.gumbel(size=(items, count, classes))
    logits[np.arange(items), :, y] += np.linspace(0.3, 1.8, count)
    logp = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return logp, y, np.arange(items) % groups


def objective(logp, y, weights):
    """MAF of one weight vector, class by class."""
    decided = sum(weight * logp[:, k] for k, weight in enumerate(weights)).argmax(axis=1)
    found = []
    for c in sorted({*y.tolist(), *decided.tolist()}):
        hit = sum(1 for a, b in zip(y.tolist(), decided.tolist(), strict=True) if a == b == c)
        found.append(2 * hit / (y.tolist().count(c) + decided.tolist().count(c)))
    return sum(found) / len(found)


@pytest.mark.parametrize("count, steps", [(1, 20), (2, 5), (3, 20), (4, 6), (8, 3)])
def test_the_grid_holds_every_vector_once(count, steps):
    found = grid(count, steps)
    assert len(found) == math.comb(steps + count - 1, count - 1) and len(np.unique(found, axis=0)) == len(found)
    assert (found >= 0).all() and found.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("without", [(), (1,), (0, 2)])
def test_the_best_weights_are_those_of_a_brute_force_loop(without):
    logp, y, groups = made()
    use = ~np.isin(groups, without)
    every = [np.full(3, 1 / 3), *(np.array([a, b, 20 - a - b]) / 20
                                  for a, b in itertools.product(range(21), repeat=2) if a + b <= 20)]
    values = [round(objective(logp[use], y[use], weights), 9) for weights in every]
    nearest = min(sum((weights - 1 / 3) ** 2) for weights, value in zip(every, values, strict=True)
                  if value == max(values))
    found = Search(logp, y, groups).best(without)
    assert objective(logp[use], y[use], found) == pytest.approx(max(values), abs=1e-9)
    assert sum((found - 1 / 3) ** 2) == pytest.approx(nearest, abs=1e-9)


def test_decisions_do_not_depend_on_blocks(monkeypatch):
    logp, _, _ = made()
    weights = grid(3, 10)
    expected = [(logp * vector[:, None]).sum(axis=1).argmax(axis=1) for vector in weights]
    assert np.array_equal(decisions(logp, weights), expected)
    monkeypatch.setattr(simplex, "BLOCK", 700)
    assert np.array_equal(decisions(logp, weights), expected)


def test_equally_good_weights_are_those_nearest_to_equal():
    logp, y, groups = made()
    same = np.repeat(logp[:, :1], 3, axis=1)  # three times the same subsystem: every weight vector is as good
    assert Search(same, y, groups).best() == pytest.approx([1 / 3] * 3)


def test_a_useless_subsystem_loses_its_weight_and_shrinking_gives_part_of_it_back():
    rng = np.random.default_rng(1)
    y = np.arange(80) % 4
    good, noise = np.where(np.eye(4)[y] > 0, 0.0, -3.0), 6 * rng.normal(size=(80, 4))
    logp = np.stack([good, noise], axis=1)
    found = Search(logp, y, np.zeros(80, int)).best()
    assert found[0] > 0.6
    assert shrunk(found, 0.5) == pytest.approx([(found[0] + 0.5) / 2, (found[1] + 0.5) / 2])
    assert shrunk(found, 1.0) == pytest.approx([0.5, 0.5]) and shrunk(found, 0.0) == pytest.approx(found)


def test_many_subsystems_are_refined_from_a_coarse_grid_to_a_point_that_no_move_improves():
    logp, y, groups = made(items=80, count=6)
    search = Search(logp, y, groups)
    found = search.best()
    assert found.sum() == pytest.approx(1.0) and (found >= 0).all() and len(search.weights) < 2000
    value = objective(logp, y, found)
    start = max(objective(logp, y, weights) for weights in grid(6, 8)[::40])
    near = max(objective(logp, y, weights) for weights in simplex.neighbors(found))
    assert value >= start and value >= near - 1e-9
    with pytest.raises(ValueError, match="too many"):
        Search(np.zeros((4, 9, 2)), y[:4], groups[:4])


def test_unlabelled_items_count_for_nothing_and_no_label_at_all_gives_equal_weights():
    logp, y, groups = made()
    more = np.concatenate([logp, np.random.default_rng(3).normal(size=(30, 3, 4))])
    found = Search(more, np.concatenate([y, np.full(30, -1)]), np.concatenate([groups, np.zeros(30, int)])).best()
    assert np.array_equal(found, Search(logp, y, groups).best())
    assert Search(logp, y, groups).best((0, 1, 2)) == pytest.approx([1 / 3] * 3)
    assert Search(logp, np.full(60, -1), groups).best() == pytest.approx([1 / 3] * 3)
