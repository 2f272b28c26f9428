"""Intervals and paired tests against enumeration, closed forms and known coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats

from steps.scoring import metrics, statistics
from tests.bench.coverage import WORLDS, coverage


def interval(counts, name="WA", **options):
    return statistics.jackknife(counts, metrics.classification, metrics.SCALES, counts[0].sum(), **options)[name]


def test_the_interval_of_a_mean_is_that_of_its_normal_limit():
    rng = np.random.default_rng(0)
    right = rng.binomial(20, 0.7, size=200)  # 200 speakers, 20 items each
    counts = np.zeros((1, 200, 2, 2))
    counts[0, :, 0, 0], counts[0, :, 0, 1] = right, 20 - right
    mean, error = right.mean() / 20, (right / 20).std() / np.sqrt(200)
    assert interval(counts) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.002)


def test_the_jackknife_of_a_mean_on_its_own_scale_is_students_interval():
    """A metric without bounds: the mean over speakers, whatever its size."""
    values = np.random.default_rng(2).normal(3, 2, 9)
    found = statistics.jackknife(values[None, :, None], lambda sums: {"MAE": np.exp(sums[..., 0])}, {"MAE": "positive"})
    width = stats.t.ppf(0.975, 8) * np.sqrt(8 / 9 * np.square(values - values.mean()).sum())
    assert np.log(found["MAE"]) == pytest.approx((values.sum() - width, values.sum() + width))


def test_an_interval_stays_within_what_the_metric_can_be():
    counts = np.zeros((1, 9, 2, 2))
    counts[0, :, 0, 0], counts[0, 0, 0, 1] = 10, 1  # one of 91 is wrong
    low, high = interval(counts)
    assert 0.8 < low < 90 / 91 < high <= 1


def test_speakers_that_agree_have_no_interval():
    alike = np.repeat(np.random.default_rng(0).integers(1, 5, (2, 1, 3, 3)), 9, axis=1)
    assert "WA" not in statistics.jackknife(alike, metrics.classification)


def test_the_interval_of_the_mean_over_seeds_leaves_out_the_same_speaker_of_every_seed():
    counts = np.random.default_rng(1).integers(0, 5, (1, 10, 3, 3))
    assert interval(np.repeat(counts, 3, axis=0), "UA") == pytest.approx(interval(counts, "UA"))


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [8, 10, 24])
@pytest.mark.parametrize("world", WORLDS)
def test_the_interval_of_ua_covers_what_it_says(speakers, world):
    covered, percentiles = coverage(speakers, world, 1000)
    assert 93 - 1.4 <= covered <= 97 + 1.1  # two standard deviations of 1000 draws beside 93 to 97 %
    assert speakers > 10 or percentiles < 92  # the percentile bootstrap, as a contrast


def test_the_percentiles_of_few_speakers_are_wider():
    low, high = statistics.expanded_percentiles(8)
    assert (low, high) == pytest.approx((0.571, 99.429), abs=0.01)
    assert statistics.expanded_percentiles(10**6)[0] == pytest.approx(2.5, abs=1e-3)


@pytest.mark.parametrize(("values", "adjusted"), [
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]), ([0.5, 0.6], [1.0, 1.0]), ([], []), ([0.2], [0.2])])
def test_holm_equals_the_worked_examples(values, adjusted):
    assert statistics.holm(values) == pytest.approx(adjusted)


def test_the_smallest_p_of_few_speakers_is_that_of_all_signs_alike():
    for count in (1, 2, 5, 8):
        test = statistics.sign_flip(np.arange(1, count + 1) / 10)
        assert test.smallest_p == pytest.approx(test.p)


@pytest.mark.parametrize("speakers", [6, 10, 24])
def test_the_detectable_difference_has_a_power_of_80_percent(speakers):
    """Of the t test, by the noncentral t distribution."""
    spread = np.random.default_rng(speakers).normal(size=speakers)
    difference = statistics.sign_flip(spread).detectable
    noncentrality = difference / (spread.std(ddof=1) / np.sqrt(speakers))
    limit = stats.t.ppf(0.975, speakers - 1)
    assert stats.nct.sf(limit, speakers - 1, noncentrality) == pytest.approx(0.8, abs=0.02)


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
