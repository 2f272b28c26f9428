"""The forest kept as arrays decides like scikit-learn's."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from steps.models.forest import Forest, flatten, grow


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 90)
    return generator.normal(size=(90, 10)).astype(np.float32) + 1.5 * np.eye(10, dtype=np.float32)[y], y


def test_stored_predictions_equal_scikit_learn(rows, tmp_path):
    x, y = rows
    sk = RandomForestClassifier(30, random_state=3, class_weight="balanced").fit(x[:60], y[:60])
    forest = flatten(sk, 3)
    np.savez(tmp_path / "model.npz", **forest.to_arrays())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        again = Forest.from_arrays(dict(arrays))
    np.testing.assert_allclose(again.probabilities(x), sk.predict_proba(x), atol=1e-6)


def test_a_class_that_never_occurs_has_probability_zero(rows):
    x, y = rows
    forest = grow(x, np.where(y == 1, 3, y), 5, trees=10)
    probabilities = forest.probabilities(x)
    assert probabilities.shape == (90, 5)
    assert probabilities[:, [1, 4]].max() == 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_a_seed_fixes_the_forest_whatever_the_threads(rows):
    x, y = rows
    one = grow(x, y, 3, trees=8, seed=5).probabilities(x)
    two = grow(x, y, 3, trees=8, seed=5, threads=2).probabilities(x)
    other = grow(x, y, 3, trees=8, seed=6).probabilities(x)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
