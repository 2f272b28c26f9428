"""Trained systems on noisy test parts: the same scores where nothing changed, chance where nothing is left, a table."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from steps.experiments import plan, run_task
from steps.fusion.combine import Fusion
from steps.noise import apply_conditions, score_robustness
from steps.scoring import recompute, results, robustness, tables
from steps.scoring.scores import read_scores
from tests.steps.examples.test_augmented import write_noisy
from tests.steps.toy_data import toy  # noqa: F401
from utils.errors import UsageError, UserError
from utils.files import ROOT


def train(data, exp, name, config, settings):
    out = exp / name / "plain"
    plan.main(["--config", config, "--inputs", "toy", "--protocol", "plain", "--norms", "global speaker", "--set",
               settings, "--data", str(data), "--out", str(out)])
    for task in (out / "log").glob("task.*.json"):
        run_task.main(["--data", str(data), "--out", str(out), str(task)])
    return out


@pytest.fixture
def trained(toy, tmp_path):  # noqa: F811
    """Data, experiments, and conditions: 20 dB leaves everything as it is, 0 dB leaves nothing of the features."""
    train(toy, tmp_path / "exp", "svm", "linear_svm", "C=[0.001]")
    train(toy, tmp_path / "exp", "forest", "random_forest", "trees=10")
    sets = {"same": write_noisy(toy, tmp_path / "same", {"snr": 20.0, "pool": "test"}, shift=0.0),
            "lost": write_noisy(toy, tmp_path / "lost", {"snr": 0.0, "pool": "test"}, shift=0.0)}
    rows = np.load(sets["lost"] / "toy/archive.1.npy")
    np.save(sets["lost"] / "toy/archive.1.npy", np.zeros_like(rows))
    return toy, tmp_path / "exp", " ".join(f"{name}={path}" for name, path in sets.items())


def score(trained, *options, tasks=()):
    data, exp, conditions = trained
    words = ["--protocol", "plain", "--conditions", conditions, *options]
    score_robustness.main([*words, "--plan", *tasks, str(data), str(exp)])
    log = exp / "robustness/plain/log"
    for task in sorted(log.glob("task.*.json")):
        apply_conditions.main(["--conditions", conditions, "--data", str(data), "--exp", str(exp), "--done",
                               str(log / f"applied.{task.name}"), str(task)])
    score_robustness.main([*words, "--finish", str(data), str(exp)])
    return json.loads((exp / "robustness/plain.json").read_text())["rows"]


def test_unchanged_features_give_the_trained_scores_and_lost_ones_one_decision(trained, capsys):
    rows = score(trained)
    data, exp, _ = trained
    for name in ("svm", "forest"):
        for variant in ("norm-global", "norm-speaker"):
            at = f"{name}/{variant}/fold1/seed0/scores/emotion/test.tsv"
            same = read_scores(exp / "robustness/plain/same" / at)
            stored = read_scores(exp / f"{name}/plain/{variant}/fold1/seed0/scores/emotion/test.tsv")
            assert same.ids == stored.ids and same.labels == stored.labels
            np.testing.assert_allclose(np.exp(same.logp), np.exp(stored.logp), atol=1e-5)
            lost = read_scores(exp / "robustness/plain/lost" / at)
            with_features = [lost.ids.index(key) for key in lost.ids if key != "s5-07"]
            assert len(set(lost.decisions[with_features].tolist())) == 1
    by = {(row["subsystem"], row["variant"], row["subset"]): row for row in rows}
    assert len(by) == 8 and {key[2] for key in by} == {"20 dB, music", "0 dB, music"}
    row = by["svm", "norm-global", "0 dB, music"]
    assert 0.2 < row["metrics"]["UA"] < 0.45  # one decision a fold
    assert row["condition"] == {"snr": 0.0, "kinds": ["music"], "noises": "synthetic", "seed": 0}
    assert "2 items scored by prior" in row["marks"]


def test_systems_that_share_a_process_score_as_if_alone(trained):
    alone = score(trained)
    shutil.rmtree(trained[1] / "robustness")
    assert score(trained, tasks=("--tasks", "2")) == alone
    assert len(list((trained[1] / "robustness/plain/log").glob("task.*.json"))) == 2


def test_the_table_has_a_column_a_condition_and_is_made_again_from_the_summaries(trained):
    from steps.scoring import score as scoring

    data, exp, _ = trained
    stem = exp.parent / "egs/toy/ensemble/RESULTS"
    stem.parent.mkdir(parents=True)
    score(trained)
    scoring.main(["--protocol", "plain", "--results", str(stem), "--recipe-options", "--noise '20 0' ", str(data),
                  str(exp)])
    rows = results.load(stem.with_suffix(".json"))
    assert all(row["command"].count(" --noise '20 0'") == 1 for row in rows)
    text = stem.with_suffix(".md").read_text()
    assert "| subsystem | variant | clean | 20 dB, music | 0 dB, music |" in text
    assert text.count("by signal-to-noise ratio") == len(robustness.METRICS)
    wanted = {row.get("subset"): f"{100 * row['metrics']['UA']:.1f}" for row in rows if row["part"] == "test"
              and (row["subsystem"], row["variant"]) == ("svm", "norm-global")}
    table = robustness.table([row for row in rows if row["part"] == "test"], "UA")
    line = next(line for line in table.markdown().splitlines() if line.startswith("| svm | norm-global |"))
    cells = [cell.strip() for cell in line.split("|")[3:6]]
    assert cells == [wanted[None], wanted["20 dB, music"], wanted["0 dB, music"]] and cells[0] == cells[1]
    brief = tables.tables(rows, "test", brief=True)
    assert brief.count("by signal-to-noise ratio") == 1 and brief.count("\n| svm | norm-global |") == 2
    assert recompute.main(["--check", "--root", str(exp.parent)]) == 0


def test_a_fusion_combines_what_its_members_say_of_noise(trained):
    data, exp, _ = trained
    members = (("svm", "norm-global"), ("forest", "norm-global"))
    fusion = Fusion("equal", members, ("angry", "happy", "sad"), np.array([0.5, 0.5]), np.zeros(3))
    for fold in (1, 2):
        at = exp / f"fusion_equal/plain/norm-global/fold{fold}/seed0"
        shutil.copytree(exp / f"svm/plain/norm-global/fold{fold}/seed0/scores", at / "scores")
        fusion.save(at)
    (exp / "fusion_equal/plain/subsystem.json").write_text(json.dumps(
        {"kind": "fusion", "variants": ["norm-global"], "folds": [1, 2], "seeds": [0]}))
    rows = score(trained)
    assert sum(row["subsystem"] == "fusion_equal" for row in rows) == 2
    place = exp / "robustness/plain/lost"
    tables = [np.exp(read_scores(place / name / "norm-global/fold2/seed0/scores/emotion/test.tsv").logp)
              for name in ("svm", "forest", "fusion_equal")]
    expected = np.sqrt(tables[0] * tables[1])  # half of each logarithm
    np.testing.assert_allclose(tables[2], expected / expected.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_system_without_its_models_is_left_out_or_refused(trained, capsys):
    data, exp, conditions = trained
    (exp / "forest/plain/norm-speaker/fold2/seed0/model.json").unlink()
    rows = score(trained)
    assert {(row["subsystem"], row["variant"]) for row in rows} == {
        ("svm", "norm-global"), ("svm", "norm-speaker"), ("forest", "norm-global")}
    assert "note: forest/norm-speaker is left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="has scores but no model"):
        score(trained, "--subsystems", "forest")


def test_a_model_that_is_not_the_one_that_was_scored_is_refused(trained):
    data, exp, _ = trained
    models = [exp / f"svm/plain/norm-global/fold{fold}/seed0/model.npz" for fold in (1, 2)]
    shutil.copy(*models)
    with pytest.raises(UserError, match="on the clean test part its model gives"):
        score(trained, "--subsystems", "svm")


def test_retrained_models_and_other_noise_are_other_tasks(trained):
    data, exp, conditions = trained
    words = ["--protocol", "plain", "--conditions", conditions, "--plan", str(data), str(exp)]

    def planned():
        score_robustness.main(words)
        return [path.read_text() for path in sorted((exp / "robustness/plain/log").glob("task.*.json"))]

    first = planned()
    assert planned() == first
    path = exp / "svm/plain/norm-global/fold1/seed0/metrics.json"
    path.write_text(path.read_text() + " ")
    assert sum(one != other for one, other in zip(first, planned(), strict=True)) == 1


@pytest.mark.parametrize(("conditions", "message"), [
    ("", "is empty"), ("lost", "is not NAME=DIR"), ("a=/nowhere", "no prepared data set"),
    ("a={clean}", "is no noisy set"), ("a={train}", "was made for training"),
    ("a={good} b={good}", "two have the label 5 dB"), ("a={good} a={good}", "two have the name a"),
])
def test_conditions_that_are_none_are_refused(toy, tmp_path, conditions, message):  # noqa: F811
    from steps.noise.conditions import open_conditions

    paths = {"clean": toy, "good": write_noisy(toy, tmp_path / "good", {"snr": 5.0, "pool": "test"}),
             "train": write_noisy(toy, tmp_path / "train")}
    with pytest.raises((UsageError, UserError), match=message):
        open_conditions(conditions.format(**paths), "toy")


@pytest.mark.slow
def test_the_front_ends_train_with_noise_and_score_as_jobs(toy, tmp_path):  # noqa: F811
    augment = write_noisy(toy, tmp_path / "augment")
    lost = write_noisy(toy, tmp_path / "lost", {"snr": 0.0, "pool": "test"}, shift=3.0)

    def run(name, *words):
        return subprocess.run([str(ROOT / f"steps/{name}.sh"), *map(str, words)], capture_output=True, text=True,
                              cwd=tmp_path)

    done = run("train_subsystem", "--config", "linear_svm", "--inputs", "toy", "--protocol", "plain", "--augment",
               augment, "--folds", "1", "--set", "C=[0.001]", toy, "exp/svm/plain")
    assert done.returncode == 0, done.stderr
    done = run("score_robustness", "--protocol", "plain", "--conditions", f"snr0={lost}", toy, "exp")
    assert done.returncode == 0, done.stderr
    assert "| svm | norm-global+aug |" in done.stdout
    rows = json.loads((tmp_path / "exp/robustness/plain.json").read_text())["rows"]
    assert {(row["variant"], row["subset"]) for row in rows} == {("norm-global", "0 dB, music"),
                                                                 ("norm-global+aug", "0 dB, music")}


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "--protocol is missing"), (["--protocol", "p"], "--conditions is missing"),
    (["--protocol", "p", "--conditions", "a=b", "data"], "found 1 arguments"),
])
def test_a_wrong_call_is_one_line_and_status_2(arguments, message):
    done = subprocess.run([str(ROOT / "steps/score_robustness.sh"), *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
