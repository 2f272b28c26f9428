"""The directory of a trained model: what was trained before there were targets is read as before."""

import json

import pytest

from steps.scoring import score
from steps.scoring.experiment import Experiment, read_metrics, scores_path
from tests.steps.scored_recipe import recipe
from utils.errors import UserError
from utils.files import read_json


def as_before(directory) -> None:
    """Give an experiment the form that it had before there were targets."""
    for table in (directory / "scores/emotion").iterdir():
        table.rename(directory / "scores" / table.name)
    (directory / "scores/emotion").rmdir()
    about = read_json(directory / "metrics.json")
    [(name, own)] = about.pop("targets").items()
    (directory / "metrics.json").write_text(json.dumps({**about, **own, "label": name}))


def rows(data, exp) -> list[dict]:
    assert score.main(["--protocol", "folds", str(data), str(exp)]) == 0
    return [{key: row[key] for key in ("subsystem", "target", "metrics", "fold_scores", "marks")}
            for row in read_json(exp / "scored/folds.json")["rows"]]


def test_trainings_of_the_earlier_form_are_scored_alike(tmp_path):
    data, exp = recipe(tmp_path, speakers=4, folds=2)
    now = rows(data, exp)
    for metrics in exp.glob("*/folds/*/fold*/seed*/metrics.json"):
        as_before(metrics.parent)
    assert not list(exp.glob("**/scores/emotion")) and rows(data, exp) == now


def test_metrics_are_of_one_target_and_of_all(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({
        "targets": {"emotion": {"temperature": 2.0}, "phq8": {"test": {"n": 3}}}, "parameters": 7}))
    assert read_metrics(tmp_path, "emotion") == {"temperature": 2.0, "parameters": 7}
    assert read_metrics(tmp_path, "phq8") == {"test": {"n": 3}, "parameters": 7}
    assert read_metrics(tmp_path / "none", "phq8") == {}
    (tmp_path / "metrics.json").write_text(json.dumps({"targets": {"phq8": {"temperature": "x"}}}))
    with pytest.raises(UserError, match=r"targets\.phq8\.temperature is 'x'"):
        read_metrics(tmp_path, "phq8")


def test_a_new_table_comes_before_one_of_the_earlier_form(tmp_path):
    experiment = Experiment(tmp_path, "svm", "norm-global", 1, 0)
    new = scores_path(tmp_path, "emotion", "test")
    assert experiment.scores("emotion", "test") == new
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores/test.tsv").touch()
    assert experiment.scores("emotion", "test") == tmp_path / "scores/test.tsv"
    new.parent.mkdir()
    new.touch()
    assert experiment.scores("emotion", "test") == new
