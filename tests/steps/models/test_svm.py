"""The support vector machine as weight vectors decides like scikit-learn's with a linear kernel."""

import numpy as np
import pytest
from sklearn.svm import SVC

from steps.models.svm import LinearSvm, path


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
