"""Trials and their equal error rate against scikit-learn's curve and trials counted one by one; rows of results."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from steps.ivector.trials import all_pairs
from steps.scoring import recompute, results, tables
from steps.scoring.statistics import expanded_percentiles
from steps.scoring.summary import Summary
from steps.scoring.summary import figures as figures_of_errors
from steps.scoring.trials import Trials, figures, interval, summarize
from tests.steps.ivector.error_rate import equal_error_rate
from utils.errors import UserError


def scored(speakers: int = 12, utterances: int = 5, noise: float = 1.0) -> tuple[list[str], Trials, np.ndarray]:
    generator = np.random.default_rng(speakers)
    names = [f"s{n:02}" for n in range(speakers) for _ in range(utterances)]
    places = np.repeat(generator.standard_normal((speakers, 3)), utterances, axis=0)
    vectors = places + noise * generator.standard_normal(places.shape)
    trials, first, second = all_pairs(names)
    return names, trials, -np.square(vectors[first] - vectors[second]).sum(axis=1)


def test_the_equal_error_rate_lies_on_scikit_learns_curve():
    from sklearn.metrics import roc_curve

    _, trials, scores = scored()
    accepted, hit, _ = roc_curve(trials.same, scores, drop_intermediate=False)
    rate = figures(summarize(scores, trials))["metrics"]["EER"]
    assert 0.05 < rate < 0.45
    assert np.interp(rate, accepted, 1 - hit) == pytest.approx(rate, abs=2e-3)
    assert rate == pytest.approx(equal_error_rate(scores, trials.same), abs=1e-6)


def test_perfect_and_tied_scores():
    trials, _, _ = all_pairs(["a", "a", "b", "b"])
    same = trials.same.astype(float)
    assert figures(summarize(same, trials))["metrics"]["EER"] == 0
    assert figures(summarize(1 - same, trials))["metrics"]["EER"] == 1
    assert figures(summarize(np.zeros(6), trials))["metrics"]["EER"] == 0.5


def test_figures_follow_from_the_summary_alone():
    _, trials, scores = scored()
    summary = summarize(scores, trials)
    found = figures(json.loads(json.dumps(summary)))
    low, high = found["intervals"]["EER"]
    assert low < found["metrics"]["EER"] < high
    assert "no_intervals" in figures(summarize(*reversed(scored(4)[1:])))


def test_a_replicate_counts_trials_by_how_often_both_speakers_were_drawn():
    names, trials, scores = scored(9, 4)
    drawn = np.random.default_rng(20180415).multinomial(9, np.full(9, 1 / 9), size=40)
    rates = []
    for times in drawn:
        weights = np.where(trials.same, times[trials.enrolled], times[trials.enrolled] * times[trials.tested])
        repeated = np.repeat(np.arange(len(scores)), weights)
        rates.append(equal_error_rate(scores[repeated], trials.same[repeated]))
    assert interval(scores, trials, 40) == pytest.approx(
        np.percentile(rates, expanded_percentiles(9)), abs=3e-3)


def test_trials_of_one_kind_are_refused():
    trials, _, _ = all_pairs(["a", "b", "c"])
    with pytest.raises(UserError, match="0 trials of one speaker, 3 of two"):
        summarize(np.arange(3.0), trials)


@cache
def summary_of(noise: float) -> dict:
    _, trials, scores = scored(noise=noise)
    return summarize(scores, trials)


def verified(subsystem: str, part: str = "test", noise: float = 1.0) -> dict:
    """A row as steps/verify_speakers.sh writes it."""
    summary = summary_of(noise)
    return {"corpus": "made", "protocol": "official", "target": "speaker", "subsystem": subsystem,
            "variant": "plda, all pairs",
            "part": part, "text_source": None, "of": "utterance", "classes": [],
            "folds": [1], "seeds": [0], "items": 60, "speakers": 12, "marks": [], "primary": False,
            "best_on_dev": False, "commit": "abc", "command": "egs/made/ivector/run.sh", **figures(summary),
            "summary": summary}


def transcribed(subsystem: str, part: str = "test", errors: int = 1) -> dict:
    summary = Summary(transcripts=True)
    speakers = [f"s{n:02}" for n in range(12)]
    summary.add_errors((1, 0), speakers, np.array([[10, errors, 0, 0, 40, errors]] * 12))
    return {**verified(subsystem, part), "target": "text", "variant": "-", **figures_of_errors(summary),
            "summary": summary.to_json()}


def write_results(root, rows):
    recipe = root / "egs/made/ivector"
    recipe.mkdir(parents=True)
    results.save(recipe / "RESULTS.json", rows)
    (root / "README.md").write_text("<!-- results:begin egs/made/ivector -->\n<!-- results:end -->\n")
    return recipe / "RESULTS.json"


def test_rows_of_verification_are_recomputed_from_their_summaries(tmp_path, capsys):
    path = write_results(tmp_path, results.merge([], [verified("gmm", noise=2.0), verified("tokens")]))
    assert recompute.main(["--root", str(tmp_path)]) == 0
    assert recompute.main(["--check", "--root", str(tmp_path)]) == 0
    rows = results.load(path)
    told, rows[0]["metrics"]["EER"] = rows[0]["metrics"]["EER"], 0.01
    path.write_text(results.dump(rows))
    assert recompute.main(["--check", "--root", str(tmp_path)]) == 1
    assert "RESULTS.json differs" in capsys.readouterr().err
    assert recompute.main(["--root", str(tmp_path)]) == 0
    assert results.load(path)[0]["metrics"]["EER"] == told


def test_the_table_puts_the_lower_error_rate_first_and_tests_nothing():
    rows = results.merge([], [verified("gmm", noise=2.0), verified("tokens")])
    results.add_paired(rows)
    assert not any("paired" in row for row in rows)
    lines = tables.table(rows).splitlines()
    assert lines[0] == "made, official, speaker verification: 60 utterances of 12 speakers."
    assert lines[2] == "| subsystem | variant | EER | seeds | marks | commit |"
    low, high = rows[1]["intervals"]["EER"]
    assert rows[1]["subsystem"] == "tokens"
    assert lines[4].startswith(f"| tokens | plda, all pairs | {100 * rows[1]['metrics']['EER']:.2f} "
                               f"[{100 * low:.2f}, {100 * high:.2f}] |")
    assert lines[5].startswith("| gmm |")
    assert "equal error rate" in tables.markdown(rows, "made")


def test_the_best_on_dev_has_the_lowest_error_rate():
    rows = results.merge([], [verified(name, part, noise) for part in ("dev", "test")
                              for name, noise in (("gmm", 2.0), ("tokens", 1.0))])
    assert {row["subsystem"] for row in rows if row["best_on_dev"]} == {"tokens"}


def test_verification_and_transcription_of_one_protocol_do_not_meet(tmp_path):
    rows = results.merge([], [verified("gmm"), verified("gmm", "dev")] + [
        transcribed(name, part, errors) for part in ("dev", "test") for name, errors in (("graph", 1), ("greedy", 3))])
    assert {row["subsystem"] for row in rows if row["best_on_dev"]} == {"gmm", "graph"}
    results.add_paired(rows)
    assert {row["subsystem"]: row["paired"]["reference"] for row in rows if "paired" in row} == {"greedy": "graph/-"}
    text = tables.tables(rows)
    assert [line for line in text.splitlines() if line.startswith("| subsystem")] == [
        "| subsystem | variant | WER | CER | substitutions | deletions | insertions | p | seeds | marks | commit |",
        "| subsystem | variant | EER | seeds | marks | commit |"]
    write_results(tmp_path, rows)
    recompute.main(["--root", str(tmp_path)])
    assert results.load(tmp_path / "egs/made/ivector/RESULTS.json") == rows
