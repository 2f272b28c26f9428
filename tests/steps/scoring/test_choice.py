"""Of values that are equally good on dev the middle one of the path is taken."""

import numpy as np
import pytest

from steps.scoring.choice import middle_of_best
from utils.corpus import Target

GRID = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2]


@pytest.mark.parametrize(("values", "wanted"), [
    ([1, 1, 1, 1, 1, 1, 1], 3e-4),
    ([0.5, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6], 3e-5),
    ([0.5, 0.9, 0.9, 0.9, 0.6, 0.5, 0.5], 1e-4),
    ([0.5, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5], 1e-4),      # of two middle ones the smaller
    ([0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9], 3e-3),      # the middle of the tied, not of the grid
    ([0.3 + 0.6, 0.9, 0.1, 0.1, 0.1, 0.1, 0.9], 3e-5),  # 0.8999999999999999 is 0.9
])
def test_ties_go_to_the_middle(values, wanted):
    assert GRID[middle_of_best(GRID, values)] == wanted


def test_the_order_in_which_a_grid_is_written_does_not_matter():
    values = dict(zip(GRID, [0.5, 0.9, 0.9, 0.9, 0.6, 0.5, 0.5], strict=True))
    for seed in range(5):
        path = np.random.default_rng(seed).permutation(GRID).tolist()
        assert path[middle_of_best(path, [values[c] for c in path])] == 1e-4


def test_a_linear_svm_that_is_perfect_at_every_c_takes_the_middle_one(capsys):
    from types import SimpleNamespace

    from steps.subsystems.classical import LinearSvmConfig, LinearSvmLearner

    rows = np.array([[1.0], [2.0], [-1.0], [-2.0]])
    y = np.array([0, 0, 1, 1])
    part = SimpleNamespace(x=SimpleNamespace(matrix=lambda: rows), y=y)
    part.labelled = lambda: part
    learner = LinearSvmLearner(LinearSvmConfig(kind="linear_svm", C=[0.01, 0.1, 1.0, 10.0, 100.0]),
                               SimpleNamespace(train=part, dev=part, target=Target(classes=("a", "b"))),
                               SimpleNamespace(say=lambda text: None))
    assert learner.fit().about["chosen"] == {"C": 1.0}
