"""The regression is scikit-learn's where both can say the same, and equal weights where dev says little."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from steps.fusion.logistic import Regression, center_of, features_of, fit


def made(items=90, count=2, classes=3, seed=0, groups=4):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, items)
    logits = rng.gumbel(size=(items, count, classes))
    logits[np.arange(items), :, y] += np.linspace(0.2, 2.0, count)
    return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)), y, np.arange(items) % groups


@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_with_a_weight_for_each_input_and_class_it_is_the_multinomial_regression_of_scikit_learn(strength):
    logp, y, _ = made()
    x = logp.reshape(len(y), -1)
    features = np.zeros((len(y), 3, 3, x.shape[1]))
    for c in range(3):
        features[:, c, c] = x
    found = fit(features.reshape(len(y), 3, -1), y, strength, np.zeros(18)).reshape(3, -1)
    theirs = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(x, y)
    assert found == pytest.approx(theirs.coef_, abs=1e-5)


@pytest.mark.parametrize("strength", [0.1, 5.0, 300.0])
def test_the_loss_is_the_least_that_another_minimizer_finds(strength):
    logp, y, _ = made()
    center = center_of(2, 3)

    def loss(theta):
        z = theta[0] * logp[:, 0] + theta[1] * logp[:, 1] + theta[2:]
        right = np.exp(z[np.arange(len(y)), y]) / np.exp(z).sum(axis=1)
        return strength / 2 * ((theta - center) ** 2).sum() - np.log(right).sum()

    found = fit(features_of(logp), y, strength, center)
    assert loss(found) <= minimize(loss, center, tol=1e-10).fun + 1e-7


def test_a_strong_penalty_gives_equal_weights_without_biases():
    logp, y, groups = made()
    theta = Regression(logp, y, groups, strengths=(1e9,)).best()[0]
    assert theta == pytest.approx([0.5, 0.5, 0, 0, 0], abs=1e-5)


def test_a_perfect_dev_part_gives_finite_weights():
    y = np.arange(12) % 3
    logp = np.repeat(np.where(np.eye(3)[y] > 0, -2e-6, -13.8)[:, None], 2, axis=1)
    theta, strength = Regression(logp, y, np.arange(12) % 4).best()
    assert np.isfinite(theta).all() and strength >= 1


def test_the_strength_is_chosen_by_the_groups_that_are_left_out():
    logp, y, groups = made()
    regression = Regression(logp, y, groups)
    losses = {}
    for strength in regression.strengths:
        total = 0.0
        for group in range(1, 4):  # group 0 stays out of everything
            use = (groups != group) & (groups != 0)
            theta = fit(features_of(logp[use]), y[use], strength, center_of(2, 3))
            z = features_of(logp[groups == group]) @ theta
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            total -= np.log(p[np.arange(len(p)), y[groups == group]]).sum()
        losses[strength] = total
    assert regression.best((0,))[1] == min(losses, key=losses.get)


def test_unlabelled_items_and_empty_parts_do_not_matter():
    logp, y, groups = made()
    more = np.concatenate([logp, np.zeros((5, 2, 3))])
    found = Regression(more, np.append(y, np.full(5, -1)), np.append(groups, np.zeros(5, int))).best()[0]
    assert np.array_equal(found, Regression(logp, y, groups).best()[0])
    assert np.array_equal(Regression(logp, y, groups).best((0, 1, 2, 3))[0], center_of(2, 3))
