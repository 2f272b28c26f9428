"""Self-training: which guesses become labels, and rounds through plan and run_task."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from steps.experiments import plan, run_task
from steps.experiments.rounds import run_rounds
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from steps.semi_supervised.config import SelfTrainingConfig
from steps.semi_supervised.self_training import pseudo_labels
from utils.errors import UsageError, UserError
from utils.files import ROOT

ROUNDS = "self_training.rounds=2 self_training.threshold=0.6 C=[0.01,0.1]"
POSTERIORS = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.85, 0.1, 0.05],
                       [0.7, 0.1, 0.2]])


def test_a_guess_counts_from_the_threshold_on():
    assert pseudo_labels(np.log(POSTERIORS), 0.7 - 1e-9).tolist() == [0, -1, 2, 0, 0]
    assert pseudo_labels(np.log(POSTERIORS), 0.82).tolist() == [-1, -1, -1, 0, -1]


def test_of_each_class_the_surest_count_and_at_a_tie_the_first():
    assert pseudo_labels(np.log(POSTERIORS), 0.4, most=2).tolist() == [0, -1, 2, 0, -1]
    assert pseudo_labels(np.log(POSTERIORS), 0.4, most=1).tolist() == [-1, -1, 2, 0, -1]


def prepare(data, out, settings=ROUNDS, *options):
    assert plan.main(["--config", "linear_svm", "--inputs", "toy", "--protocol", "plain",
                      "--folds", "1", "--set",
                      settings, "--labels", "12", *options, "--data", str(data), "--out",
                      str(out)]) == 0
    return ["--device", "cpu", "--data", str(data), "--out", str(out),
            str(out / "log" / "task.1.json")]


def train(data, out, settings=ROUNDS):
    assert run_task.main(prepare(data, out, settings)) == 0
    return out / "norm-global+labels-12" / "fold1" / "seed0"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exp" / "svm" / "plain"


def test_rounds_learn_from_guesses_and_the_best_on_dev_is_kept(toy, out, capsys):
    directory = train(toy, out)
    rounds = [read_metrics(directory / f"round{number}", "emotion") for number in range(3)]
    assert rounds[0]["train_items"] == 12 < rounds[1]["train_items"]
    about = read_metrics(directory, "emotion")
    dev = [told["dev"]["UA"] for told in rounds]
    assert about["dev_UA_of_rounds"] == dev and about["round"] == dev.index(max(dev))
    kept = directory / f"round{about['round']}"
    for name in ("scores/emotion/test.tsv", "scores/emotion/dev.tsv", "model.json"):
        assert (directory / name).read_bytes() == (kept / name).read_bytes()
    # The guesses that count are those of the round before, of utterances without a label in train.
    guesses = read_scores(directory / "round0" / "scores/emotion/unlabelled.tsv")
    assert len(guesses.ids) == 79 - 12 - 1 + 1 and guesses.references.max() == -1
    sure = int((np.exp(guesses.logp).max(axis=1) >= 0.6).sum())
    assert rounds[1]["train_items"] == 12 + sure
    assert f"round 1: {sure} of {len(guesses.ids)} unlabelled utterances have a sure guess" in capsys.readouterr().out


def test_wrong_uses_are_one_line(toy, out):
    with pytest.raises(UsageError, match=r"self_training\.threshold is 0\.0; accepted: above 0"):
        prepare(toy, out, "self_training.threshold=0")
    train(toy, out)
    with pytest.raises(UsageError,
                       match=r"self_training\.rounds = 2, now .*self_training\.rounds = 1"):
        train(toy, out, ROUNDS.replace("rounds=2", "rounds=1"))


def test_without_unlabelled_utterances_there_is_nothing_to_guess(tmp_path):
    everything_labelled = SimpleNamespace(without_labels=list)
    with pytest.raises(UserError,
                       match="self_training needs unlabelled utterances: use --unlabelled or --labels"):
        run_rounds(tmp_path, everything_labelled, SelfTrainingConfig(), None, None, print)


def test_guesses_on_other_utterances_are_refused(toy, out):
    directory = train(toy, out)
    path = directory / "round0" / "scores/emotion/unlabelled.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    for name in ("metrics.json", "round1/metrics.json"):
        (directory / name).unlink()
    with pytest.raises(UserError,
                       match=r"round0/.*unlabelled\.tsv is of other utterances; remove .*round0"):
        train(toy, out)


@pytest.mark.slow
@pytest.mark.parametrize("window", ["round0/scores/emotion/unlabelled.tsv", "round1/metrics.json",
                                    "seed0/scores/emotion/test.tsv"])
def test_a_kill_in_any_round_changes_no_score(toy, out, tmp_path, window):
    whole = train(toy, tmp_path / "whole" / "svm" / "plain")
    words = prepare(toy, out)
    fault = {"EMOTION_FAULT": window, "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    killed = subprocess.run([sys.executable, "-m", "steps.experiments.run_task", *words], cwd=ROOT,
                            env={**os.environ, **fault}, capture_output=True, text=True,
                            timeout=200, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    directory = train(toy, out)
    for path in sorted(whole.rglob("*.tsv")):
        assert path.read_bytes() == (directory / path.relative_to(whole)).read_bytes(), path
