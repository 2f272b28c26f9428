"""A summary gives back every figure without the scores."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from steps.scoring.summary import Summary, compare, figures, per_speaker


def classified(seeds=(0, 1), speakers=10, rng=None, accuracy=0.6, classes=4, per=12):
    rng = rng or np.random.default_rng(0)
    summary, kept = Summary(classes), []
    for seed in seeds:
        for fold in (1, 2):
            names = [f"s{i:02d}" for i in range(speakers) if i % 2 == fold - 1 for _ in range(per)]
            y = np.tile(np.arange(per) % classes, len(names) // per)
            guess = np.where(rng.random(len(y)) < accuracy, y, rng.integers(0, classes, len(y)))
            summary.add_decisions((fold, seed), names, y, guess)
            kept.append((fold, seed, y, guess))
    return summary, kept


def test_figures_pool_over_folds_and_average_over_seeds():
    summary, kept = classified()
    found = figures(summary)
    by_seed = []
    for seed in (0, 1):
        y = np.concatenate([k[2] for k in kept if k[1] == seed])
        guess = np.concatenate([k[3] for k in kept if k[1] == seed])
        by_seed.append(sk.f1_score(y, guess, average="macro"))
    assert found["metrics"]["MAF"] == pytest.approx(np.mean(by_seed), abs=1e-6)
    assert found["sd"]["MAF"] == pytest.approx(np.std(by_seed, ddof=1), abs=1e-6)
    low, high = found["intervals"]["MAF"]
    assert low < found["metrics"]["MAF"] < high
    fold = np.mean([sk.accuracy_score(k[2], k[3]) for k in kept if k[0] == 2])
    assert found["fold_scores"]["2"]["WA"] == pytest.approx(fold, abs=1e-6)


def test_json_holds_everything():
    summary, _ = classified()
    again = Summary.from_json(json.loads(json.dumps(summary.to_json())), 4)
    assert figures(again) == figures(summary)
    assert again.to_json() == summary.to_json()


def test_json_of_a_large_experiment_stays_small():
    rng, summary = np.random.default_rng(0), Summary(8)
    for seed in range(5):
        for fold in range(24):
            y = np.repeat(np.arange(8), 8)[:60]
            guess = np.where(rng.random(60) < 0.6, y, rng.integers(0, 8, 60))
            summary.add_decisions((fold + 1, seed), [f"{fold + 1:02d}"] * 60, y, guess)
    assert len(json.dumps(summary.to_json())) < 25_000  # ten systems, two parts: 500 KiB


def test_unlabelled_items_give_no_metrics_and_say_so():
    summary = Summary(3)
    summary.add_decisions((1, 0), ["a", "b"], np.array([-1, -1]), np.array([0, 2]))
    assert figures(summary) == {"metrics": {}, "sd": {}, "intervals": {}, "fold_scores": {},
                                "no_intervals": "no item is labelled"}


def test_unknown_speakers_have_metrics_but_neither_intervals_nor_tests():
    summary = Summary(2)
    summary.add_decisions((1, 0), [None] * 4, np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1]))
    found = figures(summary)
    assert found["metrics"]["WA"] == 0.75 and found["no_intervals"] == "speakers unknown"
    assert compare(summary, summary) is None


def test_sessions_have_mae_ccc_and_f1_at_the_threshold():
    y, p = np.array([3.0, 12.0, 20.0, 9.0, 10.0, np.nan]), np.array([4.0, 9.0, 18.0, 11.0, 10.0, 3.0])
    summary = Summary(threshold=10.0)
    summary.add_predictions((1, 0), list("abcdef"), y, p)
    again = Summary.from_json(json.loads(json.dumps(summary.to_json())), 0)
    found = figures(again)["metrics"]
    y, p = y[:5], p[:5]
    assert found["MAE"] == pytest.approx(np.abs(y - p).mean())
    assert found["F1"] == pytest.approx(sk.f1_score(y >= 10, p >= 10), abs=1e-6)
    expected = 2 * np.cov(y, p, ddof=0)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    assert found["CCC"] == pytest.approx(expected, abs=1e-6)


def test_a_speaker_is_compared_over_the_classes_that_he_has():
    summary = Summary(3)
    summary.add_decisions((1, 0), ["a"] * 4, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]))
    found = per_speaker(summary)
    assert found["UA"]["a"] == pytest.approx(0.75)
    assert found["MAF"]["a"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_better_system_is_found_better_and_a_system_equals_itself():
    rng = np.random.default_rng(7)
    good, _ = classified(rng=rng, accuracy=0.9)
    bad, _ = classified(rng=rng, accuracy=0.3)
    test = compare(good, bad)["UA"]
    assert test["difference"] > 0.3 and test["p"] == pytest.approx(2 / 2 ** 10, abs=1e-6)
    assert compare(good, good)["UA"] == {"difference": 0, "p": 1, "speakers": 10, "exact": True,
                                           "detectable": 0}
    fewer, _ = classified(speakers=8)
    assert compare(good, fewer) is None


def test_tracks_have_the_ccc_of_the_concatenation_and_the_mean_over_items_with_intervals_of_both():
    rng, summary = np.random.default_rng(4), Summary(tracks=True)
    for fold in (1, 2):
        names = [f"f{fold}s{n // 2}" for n in range(10)]  # five speakers of two items each
        items = np.repeat([f"{fold} {n}" for n in range(10)], 12)
        y = rng.normal(size=120)
        summary.add_tracks((fold, 0), np.repeat(names, 12), items, y, 0.5 * y + rng.normal(size=120) * 0.2)
    found = figures(Summary.from_json(json.loads(json.dumps(summary.to_json())), 0))
    assert set(found["metrics"]) == set(found["intervals"]) == {"CCC", "CCC_items", "MAE", "RMSE"}
    folds = [found["fold_scores"][fold]["CCC_items"] for fold in ("1", "2")]
    assert found["metrics"]["CCC_items"] == pytest.approx(np.mean(folds), abs=1e-5)  # as many items in each
    low, high = found["intervals"]["CCC_items"]
    assert low < found["metrics"]["CCC_items"] < high
