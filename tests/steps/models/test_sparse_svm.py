"""The sparse machine minimizes what it says, whatever its solver thinks."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from steps.models import sparse_svm


def problem():
    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [30, 15, 8])
    rows = generator.normal(size=(len(labels), 12)) * (generator.random((len(labels), 12)) < 0.5)
    rows[np.arange(len(labels)), labels] += 1.0
    return rows, labels


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("penalty", [0.05, 2.0])
def test_it_reaches_the_minimum_of_its_objective(penalty, balanced):
    rows, labels = problem()
    [(_, found)] = sparse_svm.path(scipy.sparse.csr_matrix(rows), labels, 3, [penalty], balanced)
    for number in range(3):
        sign = np.where(labels == number, 1.0, -1.0)
        share = np.array([len(sign) / (2 * (sign == s).sum()) for s in sign]) if balanced else np.ones(len(sign))

        def objective(w, sign=sign, share=share):
            slack = np.maximum(0, 1 - sign * (rows @ w[:-1] + w[-1]))
            back = -2 * penalty * share * slack * sign
            return w @ w / 2 + penalty * (share * slack ** 2).sum(), w + np.append(back @ rows, back.sum())

        best = scipy.optimize.minimize(objective, np.zeros(13), jac=True, method="L-BFGS-B",
                                       options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000})
        np.testing.assert_allclose(np.append(found.weights[number], found.biases[number]), best.x, atol=2e-4)


def test_sparse_and_dense_rows_are_decided_alike_and_an_absent_class_never_wins():
    rows, labels = problem()
    [(_, found)] = sparse_svm.path(scipy.sparse.csr_matrix(rows), labels, 4, [1.0])
    decisions = found.decide(scipy.sparse.csr_matrix(rows))
    assert isinstance(decisions, np.ndarray)
    np.testing.assert_allclose(decisions, found.decide(rows), atol=1e-12)
    assert set(decisions.argmax(axis=1)) <= {0, 1, 2} and (decisions[:, 3] < -100).all()


def test_the_same_rows_give_the_same_machine():
    rows, labels = problem()
    first, second = ([model.weights for _, model in sparse_svm.path(scipy.sparse.csr_matrix(rows), labels, 3, [1.0])]
                     for _ in range(2))
    np.testing.assert_array_equal(first, second)
