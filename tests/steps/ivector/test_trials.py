"""Trials and their equal error rate against scikit-learn's curve and trials counted one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from steps.ivector.backend import equal_error_rate
from steps.ivector.trials import Trials, all_pairs, enrolment, figures, interval, summarise
from utils.errors import UserError


def scored(speakers: int = 12, utterances: int = 5, noise: float = 1.0) -> tuple[list[str], Trials, np.ndarray]:
    generator = np.random.default_rng(speakers)
    names = [f"s{n:02}" for n in range(speakers) for _ in range(utterances)]
    places = np.repeat(generator.standard_normal((speakers, 3)), utterances, axis=0)
    vectors = places + noise * generator.standard_normal(places.shape)
    trials, first, second = all_pairs(names)
    return names, trials, -np.square(vectors[first] - vectors[second]).sum(axis=1)


def test_all_pairs_are_every_pair_once():
    names = ["b", "a", "b", "c"]
    trials, first, second = all_pairs(names)
    assert list(zip(first, second, strict=True)) == list(combinations(range(4), 2))
    assert [trials.speakers[n] for n in trials.enrolled] == [names[n] for n in first]
    assert trials.same.tolist() == [False, True, False, False, False, False]


def test_enrolment_leaves_something_to_test():
    model, owners = enrolment(["a", "b", "a", "b", "a", "c"], 2)
    assert model.tolist() == [0, -1, 0, -1, -1, -1] and owners.tolist() == ["a"]


def test_the_equal_error_rate_lies_on_scikit_learns_curve():
    from sklearn.metrics import roc_curve

    _, trials, scores = scored()
    accepted, hit, _ = roc_curve(trials.same, scores, drop_intermediate=False)
    rate = figures(summarise(scores, trials))["metrics"]["EER"]
    assert 0.05 < rate < 0.45
    assert np.interp(rate, accepted, 1 - hit) == pytest.approx(rate, abs=2e-3)
    assert rate == pytest.approx(equal_error_rate(scores, trials.same), abs=1e-6)


def test_perfect_and_tied_scores():
    trials, _, _ = all_pairs(["a", "a", "b", "b"])
    same = trials.same.astype(float)
    assert figures(summarise(same, trials))["metrics"]["EER"] == 0
    assert figures(summarise(1 - same, trials))["metrics"]["EER"] == 1
    assert figures(summarise(np.zeros(6), trials))["metrics"]["EER"] == 0.5


def test_figures_follow_from_the_summary_alone():
    import json

    _, trials, scores = scored()
    summary = summarise(scores, trials)
    found = figures(json.loads(json.dumps(summary)))
    low, high = found["intervals"]["EER"]
    assert low < found["metrics"]["EER"] < high
    assert "no_intervals" in figures(summarise(*reversed(scored(4)[1:])))


def test_a_replicate_counts_trials_by_how_often_both_speakers_were_drawn():
    names, trials, scores = scored(9, 4)
    drawn = np.random.default_rng(20180415).multinomial(9, np.full(9, 1 / 9), size=40)
    rates = []
    for times in drawn:
        weights = np.where(trials.same, times[trials.enrolled], times[trials.enrolled] * times[trials.tested])
        repeated = np.repeat(np.arange(len(scores)), weights)
        rates.append(equal_error_rate(scores[repeated], trials.same[repeated]))
    assert interval(scores, trials, 40) == pytest.approx(np.percentile(rates, [2.5, 97.5]), abs=3e-3)


def test_trials_of_one_kind_are_refused():
    trials, _, _ = all_pairs(["a", "b", "c"])
    with pytest.raises(UserError, match="0 trials of one speaker, 3 of two"):
        summarise(np.arange(3.0), trials)
