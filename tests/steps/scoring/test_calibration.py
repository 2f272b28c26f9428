"""Calibration finds the least dev loss and survives degenerate dev parts."""

import numpy as np
import pytest

from steps.scoring.calibration import FLOOR, apply_temperature, fit_platt, fit_temperature, log_softmax


def sample(seed=0, n=20000, classes=4):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * 2
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from softmax(logits)
    return logits, y


@pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 20.0])
def test_the_temperature_undoes_the_scale_of_the_logits(scale):
    logits, y = sample()
    assert fit_temperature(logits * scale, y) == pytest.approx(scale, rel=0.05)


def test_no_other_temperature_has_less_loss():
    logits, y = sample(1, 300)
    logits = logits * 5
    best = fit_temperature(logits, y)

    def loss(temperature):
        return -log_softmax(logits / temperature)[np.arange(len(y)), y].mean()

    assert all(loss(best) <= loss(best * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


@pytest.mark.parametrize("logits, y", [
    (np.zeros((0, 3)), []), (np.zeros((4, 3)), [0, 1, 2, 0]), (np.eye(3), [0, 1, 2]), (np.eye(3), [1, 2, 0]),
    (np.eye(3), [-1, -1, -1]), (np.array([[0.0, -np.inf, -np.inf], [0.0, -np.inf, -np.inf]]), [0, 1])])
def test_a_degenerate_dev_part_gives_finite_posteriors(logits, y):
    temperature = fit_temperature(logits, np.array(y, dtype=int))
    assert 0 < temperature < np.inf
    logp = apply_temperature(np.array([[1.0, 0.0, -1.0], [0.0, -np.inf, -np.inf]]), temperature)
    assert np.isfinite(logp).all()
    assert np.exp(logp).sum(axis=1) == pytest.approx([1, 1])
    assert np.exp(logp).min() >= FLOOR / 2


def test_the_floor_keeps_the_order_of_the_classes_and_bounds_the_cost():
    logp = apply_temperature(np.array([[100.0, 0.0, 50.0]]))
    assert logp.argmax() == 0 and logp.min() == pytest.approx(np.log(FLOOR), abs=1e-4)


def test_platt_finds_the_logistic_curve_and_survives_one_class():
    rng = np.random.default_rng(2)
    margins = rng.normal(size=40000) * 2
    y = rng.random(40000) < 1 / (1 + np.exp(-(1.5 * margins - 0.5)))
    a, b = fit_platt(margins, y)
    assert (a, b) == pytest.approx((-1.5, 0.5), abs=0.06)
    a, b = fit_platt(np.array([0.3, 0.1]), np.array([1, 1]))
    assert a == 0 and 1 / (1 + np.exp(b)) == pytest.approx(0.75)
