"""Intervals and paired tests against enumeration, closed forms and known coverage."""

import itertools

import numpy as np
import pytest

from steps.scoring import metrics, statistics


def test_the_interval_of_a_mean_is_that_of_its_normal_limit():
    rng = np.random.default_rng(0)
    right = rng.binomial(20, 0.7, size=200)  # 200 speakers, 20 items each
    counts = np.zeros((1, 200, 2, 2))
    counts[0, :, 0, 0], counts[0, :, 0, 1] = right, 20 - right
    low, high = statistics.bootstrap(counts, metrics.classification)["WA"]
    mean, error = right.mean() / 20, (right / 20).std() / np.sqrt(200)
    assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.002)


def test_the_interval_is_the_same_each_time_and_speakers_that_agree_have_no_width():
    counts = np.random.default_rng(0).integers(0, 5, (2, 9, 3, 3))
    assert statistics.bootstrap(counts, metrics.classification) == statistics.bootstrap(counts, metrics.classification)
    alike = np.repeat(counts[:, :1], 9, axis=1)
    low, high = statistics.bootstrap(alike, metrics.classification)["MAF"]
    assert low == pytest.approx(high)


def test_the_interval_of_the_mean_over_seeds_draws_the_same_speakers_for_every_seed():
    counts = np.random.default_rng(1).integers(0, 5, (1, 10, 3, 3))
    assert statistics.bootstrap(np.repeat(counts, 3, axis=0), metrics.classification)["UA"] == pytest.approx(
        statistics.bootstrap(counts, metrics.classification)["UA"])


@pytest.mark.parametrize("speakers, word", [(None, "unknown"), (7, "only 7 speakers"), (8, None)])
def test_few_or_unknown_speakers_give_no_interval_and_a_reason(speakers, word):
    reason = statistics.why_no_intervals(speakers)
    assert (reason is None) if word is None else (word in reason)


@pytest.mark.parametrize("differences", [
    [0.1, 0.2, 0.3, -0.05, 0.4, 0.15, 0.1, 0.1, -0.1, 0.2], [0.1, -0.1], [0.3], [0.0, 0.0, 0.0],
    [1 / 3, 1 / 3, -2 / 3]])
def test_the_exact_test_equals_enumeration(differences):
    d = np.array(differences)
    sums = [abs(float(np.dot(signs, d))) for signs in itertools.product((1, -1), repeat=len(d))]
    expected = np.mean([value >= abs(d.sum()) - 1e-9 for value in sums])
    test = statistics.sign_flip(d)
    assert test.exact and test.p == pytest.approx(expected) and test.difference == pytest.approx(d.mean())


def test_twenty_speakers_that_all_gain_have_the_smallest_possible_p():
    assert statistics.sign_flip(np.linspace(0.01, 0.2, 20)).p == 2 / 2 ** 20


def test_monte_carlo_agrees_with_the_exact_test(monkeypatch):
    d = np.random.default_rng(3).normal(0.15, 0.5, 24)
    exact = statistics.sign_flip(d)
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 10)
    drawn = statistics.sign_flip(d)
    assert exact.exact and not drawn.exact
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 100_000))


def test_exchangeable_systems_are_rejected_as_often_as_promised():
    rng = np.random.default_rng(4)
    p = np.array([statistics.sign_flip(rng.normal(size=10)).p for _ in range(1000)])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.021)  # 3 binomial standard deviations


def test_speakers_without_the_metric_are_left_out():
    assert statistics.sign_flip(np.array([0.1, np.nan, 0.2])).speakers == 2
    assert np.isnan(statistics.sign_flip(np.array([np.nan])).p)
