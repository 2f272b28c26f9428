"""A submission: one decision an item, by the primary system or a named one, in the form that is asked for."""

import json

import numpy as np
import pytest

from steps.scoring import write_submission
from steps.scoring.scores import read_scores
from tests.steps.scored_recipe import CLASSES, folds_by_speaker, utterances, write_data, write_system
from utils.errors import run_main


@pytest.fixture
def challenge(tmp_path):
    """(data, exp): one fold, test without labels, two systems, one of them primary with two seeds."""
    rows = utterances(9)
    split = [line for line in folds_by_speaker(rows, 3) if line[1] == 1]
    test = {key for key, _, part in split if part == "test"}
    rows = [{**row, "emotion": None} if row["id"] in test else row for row in rows]
    data, exp = write_data(tmp_path / "data", rows, {"official": split}), tmp_path / "exp"
    write_system(exp, "svm_is10", "official", "norm-global", rows, split)
    about = write_system(exp, "fusion_simplex", "official", "norm-global", rows, split, seeds=(0, 1)) / "subsystem.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "primary": "norm-global"}))
    return data, exp


def run(challenge, tmp_path, *options):
    data, exp = challenge
    status = run_main(write_submission.main, ["--protocol", "official", *options, str(data), str(exp),
                                              str(tmp_path / "out" / "submission.txt")])
    return status, (tmp_path / "out/submission.txt").read_text() if status == 0 else None


def test_the_primary_systems_seeds_are_averaged(challenge, tmp_path, capsys):
    status, text = run(challenge, tmp_path)
    assert status == 0
    runs = [read_scores(challenge[1] / f"fusion_simplex/official/norm-global/fold1/seed{seed}/scores/emotion/test.tsv")
            for seed in (0, 1)]
    posteriors = (np.exp(runs[0].logp) + np.exp(runs[1].logp)) / 2
    wanted = [f"{key}\t{CLASSES[row.argmax()]}" for key, row in zip(runs[0].ids, posteriors, strict=True)]
    assert text.splitlines() == wanted and all(label is None for label in runs[0].labels)
    assert "by fusion_simplex/norm-global, seeds 0 1\n" in capsys.readouterr().out


def test_a_named_system_in_another_form(challenge, tmp_path):
    status, text = run(challenge, tmp_path, "--system", "svm_is10/norm-global", "--separator", "comma", "--header",
                       "clip emotion", "--strip", "s00-", "--rename", "happy=Happiness sad=Sad")
    assert status == 0
    scores = read_scores(challenge[1] / "svm_is10/official/norm-global/fold1/seed0/scores/emotion/test.tsv")
    names = {"angry": "angry", "happy": "Happiness", "neutral": "neutral", "sad": "Sad"}
    assert text.splitlines() == ["clip,emotion", *(
        f"{key.removeprefix('s00-')},{names[CLASSES[decision]]}"
        for key, decision in zip(scores.ids, scores.decisions, strict=True))]


@pytest.mark.parametrize("options, told, status", [
    (("--system", "svm_is10/aug"), "no system svm_is10/aug; there is fusion_simplex/norm-global, svm_is10/", 1),
    (("--rename", "glad=Happy"), "--rename glad=Happy: expected CLASS=NAME; classes: angry, happy", 2)])
def test_mistakes_are_one_line(challenge, tmp_path, capsys, options, told, status):
    assert run(challenge, tmp_path, *options)[0] == status
    assert told in capsys.readouterr().err


def test_without_a_primary_system_one_must_be_named(challenge, tmp_path, capsys):
    about = challenge[1] / "fusion_simplex/official/subsystem.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "primary": False}))
    assert run(challenge, tmp_path)[0] == 1
    assert "no primary system; fuse the subsystems or give --system" in capsys.readouterr().err


def test_an_item_tested_in_two_folds_is_refused(tmp_path, capsys):
    rows = utterances(6)
    split = folds_by_speaker(rows, 3)
    twice = next(key for key, fold, part in split if (fold, part) == (1, "test"))
    split = [(key, fold, "test" if key == twice else part) for key, fold, part in split]
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}), tmp_path / "exp"
    write_system(exp, "svm_is10", "folds", "norm-global", rows, split)
    assert run_main(write_submission.main, ["--protocol", "folds", "--system", "svm_is10/norm-global", str(data),
                                            str(exp), str(tmp_path / "x")]) == 1
    assert f"{twice} is tested in folds 1 and 2" in capsys.readouterr().err


def test_labels_that_are_known_are_told(tmp_path, capsys):
    rows = utterances(6)
    split = folds_by_speaker(rows, 3)
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}), tmp_path / "exp"
    write_system(exp, "svm_is10", "folds", "norm-global", rows, split)
    status = run_main(write_submission.main, ["--protocol", "folds", "--system", "svm_is10/norm-global", str(data),
                                              str(exp), str(tmp_path / "x")])
    assert status == 0 and f"{len(rows)} of them have labels here" in capsys.readouterr().out
    assert len((tmp_path / "x").read_text().splitlines()) == len(rows)
