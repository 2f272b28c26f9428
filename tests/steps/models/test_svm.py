"""The support vector machine as weight vectors decides like scikit-learn's with a linear kernel."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC

from steps.models.svm import ONE_AGAINST_ONE, SQUARED_HINGE, LinearSvm, PairwiseSvm, path


@pytest.fixture
def rows():
    generator = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], [40, 15, 5])
    return generator.normal(size=(60, 20)) + 1.2 * np.eye(20)[y], y


def test_stored_decisions_equal_scikit_learn(rows, tmp_path):
    x, y = rows
    for penalty, machine in path(x, y, 3, [1e-2, 1.0]):
        np.savez(tmp_path / "model.npz", **machine.to_arrays())
        with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
            again = LinearSvm.from_arrays(dict(arrays))
        for number in range(3):
            sk = SVC(C=penalty, kernel="linear", class_weight="balanced", tol=1e-4).fit(x, y == number)
            # The oracle is the same machine on the rows themselves; the Gram matrix rounds differently.
            np.testing.assert_allclose(again.decide(x)[:, number], sk.decision_function(x), atol=2e-3)


def test_weights_reproduce_the_dual_machine_exactly(rows):
    x, y = rows
    (_, machine), = path(x, y, 3, [0.1])
    gram = x @ x.T
    for number in range(3):
        sk = SVC(C=0.1, kernel="precomputed", class_weight="balanced", tol=1e-4).fit(gram, y == number)
        np.testing.assert_allclose(machine.decide(x)[:, number], sk.decision_function(gram), atol=1e-6)


def test_rare_classes_count_as_much_when_balanced(rows):
    x, y = rows
    recall = []
    for balanced in (False, True):
        (_, machine), = path(x, y, 3, [1e-3], balanced)
        recall.append((machine.decide(x).argmax(axis=1)[y == 2] == 2).mean())
    assert recall[1] > recall[0]


def test_a_class_without_rows_never_wins(rows):
    x, y = rows
    (_, machine), = path(x, np.where(y == 1, 0, y), 3, [0.1])
    assert not (machine.decide(x).argmax(axis=1) == 1).any()


@pytest.mark.parametrize("balanced", [False, True])
def test_one_against_one_votes_as_scikit_learns_svc(rows, balanced, tmp_path):
    x, y = rows
    (_, machine), = path(x, y, 3, [0.1], balanced=False, rule=ONE_AGAINST_ONE)
    sk = SVC(C=0.1, kernel="linear", tol=1e-4, decision_function_shape="ovr").fit(x, y)
    np.testing.assert_allclose(machine.decide(x), sk.decision_function(x), atol=2e-3)
    assert (machine.decide(x).argmax(axis=1) == sk.predict(x)).all()
    np.savez(tmp_path / "model.npz", **machine.to_arrays())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(PairwiseSvm.from_arrays(dict(arrays)).decide(x), machine.decide(x))
    (_, machine), = path(x, y, 3, [0.1], balanced, ONE_AGAINST_ONE)
    for number, (one, other) in enumerate(((0, 1), (0, 2), (1, 2))):
        both = (y == one) | (y == other)
        pair = SVC(C=0.1, kernel="linear", tol=1e-4, class_weight="balanced" if balanced else None).fit(
            x[both], y[both] == one)
        np.testing.assert_allclose(x @ machine.weights[number] + machine.biases[number], pair.decision_function(x),
                                   atol=2e-3)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_squared_hinge_is_at_its_minimum(rows, balanced):
    """Against a general minimizer in the primal."""
    x, y = rows
    positive = y == 0
    (_, machine), = path(x, y, 3, [0.5], balanced, loss=SQUARED_HINGE)
    weight = np.where(positive, 60 / (2 * positive.sum()), 60 / (2 * (~positive).sum())) if balanced else np.ones(60)
    sign = np.where(positive, 1, -1)

    def objective(w, b):
        return 0.5 * w @ w + 0.5 * (weight * np.maximum(0, 1 - sign * (x @ w + b)) ** 2).sum()

    own = objective(machine.weights[0], machine.biases[0])
    found = minimize(lambda v: objective(v[:-1], v[-1]), np.zeros(21), method="BFGS", options={"gtol": 1e-8})
    assert own == pytest.approx(found.fun, rel=1e-4)


def test_a_class_without_rows_loses_against_every_other(rows):
    x, y = rows
    (_, machine), = path(x, np.where(y == 2, 1, y), 4, [0.1], rule=ONE_AGAINST_ONE)
    assert machine.classes == 4 and set(machine.decide(x).argmax(axis=1)) == {0, 1}
