"""Metrics equal scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn import metrics as sk

from steps.scoring import metrics


@pytest.mark.parametrize("seed", range(5))
def test_classification_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    y, yhat = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    counts = metrics.confusion(y, yhat, 5)
    assert (counts == sk.confusion_matrix(y, yhat, labels=range(5))).all()
    found = metrics.classification(counts)
    assert found["WA"] == pytest.approx(sk.accuracy_score(y, yhat))
    assert found["UA"] == pytest.approx(sk.balanced_accuracy_score(y, yhat))
    assert found["MAF"] == pytest.approx(sk.f1_score(y, yhat, average="macro"))
    assert found["MAP"] == pytest.approx(sk.precision_score(y, yhat, average="macro", zero_division=0))
    p, r, f, n = sk.precision_recall_fscore_support(y, yhat, labels=range(5), zero_division=0)
    ours = metrics.per_class(counts)
    for name, theirs in (("precision", p), ("recall", r), ("f1", f), ("n", n)):
        assert ours[name] == pytest.approx(theirs)


def test_classes_that_do_not_occur_do_not_count_and_those_never_decided_for_have_precision_zero():
    y, yhat = np.array([0, 0, 1, 2]), np.array([0, 0, 0, 0])
    found = metrics.classification(metrics.confusion(y, yhat, 6))
    assert found["UA"] == pytest.approx(1 / 3)
    assert found["MAP"] == pytest.approx(0.5 / 3)
    assert found["MAF"] == pytest.approx(sk.f1_score(y, yhat, average="macro", zero_division=0))


def test_unlabelled_items_are_left_out_and_no_item_gives_nan():
    assert metrics.confusion(np.array([-1, 1]), np.array([0, 1]), 2).tolist() == [[0, 0], [0, 1]]
    assert all(np.isnan(value) for value in metrics.classification(np.zeros((3, 3))).values())
    assert all(np.isnan(value) for value in metrics.regression(np.zeros(7)).values())


def test_leading_axes_are_independent_matrices():
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 4, (3, 2, 4, 4))
    found = metrics.maf(stack)
    assert found.shape == (3, 2)
    assert found[2, 1] == pytest.approx(float(metrics.maf(stack[2, 1])))


def test_regression_metrics_equal_closed_forms():
    rng = np.random.default_rng(1)
    y = rng.normal(size=50)
    p = 0.5 * y + 0.3 + rng.normal(size=50) * 0.1
    found = metrics.regression(metrics.moments(y, p))
    ccc = 2 * np.cov(y, p, ddof=0)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    assert found["CCC"] == pytest.approx(ccc)
    assert found["MAE"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["RMSE"] == pytest.approx(sk.mean_squared_error(y, p) ** 0.5)


def test_ccc_of_a_shift_and_of_constants():
    y = np.array([1.0, 2.0, 3.0])  # population variance 2/3; shifted by 1: (4/3) / (4/3 + 1)
    assert metrics.ccc(metrics.moments(y, y)) == pytest.approx(1.0)
    assert metrics.ccc(metrics.moments(y, -y + 4)) == pytest.approx(-1.0)
    assert metrics.ccc(metrics.moments(y, y + 1)) == pytest.approx(4 / 7)
    assert metrics.ccc(metrics.moments(y, np.full(3, 2.0))) == 0
    assert np.isnan(metrics.ccc(metrics.moments(np.ones(3), np.ones(3))))


def test_binary_f1_equals_scikit_learn():
    y, yhat = np.array([1, 1, 1, 0, 0, 0, 0]), np.array([1, 0, 1, 1, 0, 0, 0])
    assert metrics.binary_f1(metrics.confusion(y, yhat, 2)) == pytest.approx(sk.f1_score(y, yhat))
    assert np.isnan(metrics.binary_f1(np.array([[5, 0], [0, 0]])))


def test_ccc_of_tracks_is_over_their_concatenation_and_ccc_of_items_over_each_one():
    rng = np.random.default_rng(3)
    y, p = rng.normal(size=(2, 60))
    items = np.repeat(["b", "a", "b", "constant"], [20, 25, 10, 5])
    y[55:] = p[55:] = 2.0  # no CCC of its own
    y[4] = np.nan  # unlabelled: left out of both
    found = metrics.track(np.concatenate([metrics.moments(y, p), metrics.item_sums(items, y, p)]))

    def oracle(chosen):  # Lin's definition, by numpy's covariance matrix
        chosen = chosen & ~np.isnan(y)
        (vy, c), (_, vp) = np.cov(y[chosen], p[chosen], ddof=0)
        return 2 * c / (vy + vp + (y[chosen].mean() - p[chosen].mean()) ** 2)

    assert found["CCC"] == pytest.approx(oracle(np.ones(60, dtype=bool)))
    assert found["CCC_items"] == pytest.approx((oracle(items == "a") + oracle(items == "b")) / 2)
    assert list(found) == list(metrics.TRACK)
