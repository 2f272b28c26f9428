"""A trained experiment, read back, gives its own score tables again; what it cannot do is one clear line."""

import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.experiments.apply import TrainedExperiment
from steps.features.store import FeatureStore
from steps.scoring.scores import read_scores
from steps.subsystems.contract import SPECS
from tests.steps.experiments.test_run_task import FOREST, NETWORK, out, run_all  # noqa: F401 - out is a fixture
from utils.errors import UserError


def test_items(data, fold=1, part="test"):
    opened = Dataset.open(data)
    return [opened.items[key] for key in opened.split("plain").ids(fold, part)]


test_items.__test__ = False


def rows_of(data, items):
    store = FeatureStore.open(data / "toy")
    found = dict.fromkeys(item.id for item in items)
    found.update((key, store[key]) for key in found if key in store)
    return list(found.values())


@pytest.mark.parametrize("norm", ["global", "speaker", "none"])
@pytest.mark.parametrize(("config", "settings"), [("random_forest", FOREST), ("linear_svm", ""),
                                                  ("multitask_dnn", NETWORK + " keep_model=true")])
def test_the_test_scores_come_out_again(toy, out, config, settings, norm):  # noqa: F811
    run_all(toy, out, config, settings, norms=norm, folds="1")
    experiment = TrainedExperiment.open(out / f"norm-{norm}" / "fold1" / "seed0")
    items = test_items(toy)
    logp = experiment.log_posteriors(items, rows_of(toy, items))
    scores = read_scores(experiment.directory / "scores" / "emotion" / "test.tsv")
    assert experiment.classes == scores.classes and [item.id for item in items] == scores.ids
    assert experiment.target == "emotion"
    np.testing.assert_allclose(logp, scores.logp, atol=6e-7 if config != "multitask_dnn" else 1e-5)  # 6 digits written


def test_the_order_of_the_items_and_the_others_do_not_matter(toy, out):  # noqa: F811
    run_all(toy, out, "linear_svm", folds="1")
    experiment = TrainedExperiment.open(out / "norm-global" / "fold1" / "seed0")
    items = test_items(toy)
    rows = rows_of(toy, items)
    whole = experiment.log_posteriors(items, rows)
    np.testing.assert_allclose(experiment.log_posteriors(items[::-1], rows[::-1])[::-1], whole, atol=1e-9)
    np.testing.assert_allclose(experiment.log_posteriors(items[3:4], rows[3:4]), whole[3:4], atol=1e-9)


def test_an_item_without_features_has_the_log_prior(toy, out):  # noqa: F811
    run_all(toy, out, "linear_svm", folds="1")
    experiment = TrainedExperiment.open(out / "norm-global" / "fold1" / "seed0")
    counts = np.array([28, 27, 23]) + 1.0  # see test_run_task.py
    logp = experiment.log_posteriors(test_items(toy)[:2], [None, None])
    np.testing.assert_allclose(logp, np.log(np.tile(counts / counts.sum(), (2, 1))))


def test_a_speaker_may_bring_statistics_of_his_own(toy, out):  # noqa: F811
    from steps.experiments.apply import speaker_statistics

    run_all(toy, out, "linear_svm", norms="speaker", folds="1")
    experiment = TrainedExperiment.open(out / "norm-speaker" / "fold1" / "seed0")
    items = test_items(toy)
    rows = rows_of(toy, items)
    known = [(item, row) for item, row in zip(items, rows, strict=True) if row is not None]
    statistics = speaker_statistics([item for item, _ in known], [row for _, row in known])
    one = experiment.log_posteriors(items[:1], rows[:1], statistics)
    np.testing.assert_allclose(one, experiment.log_posteriors(items, rows)[:1], atol=1e-9)


def test_a_model_that_was_not_kept_says_how_to_keep_it(toy, out):  # noqa: F811
    run_all(toy, out, "linear_svm", "keep_model=false", folds="1")
    directory = out / "norm-global" / "fold1" / "seed0"
    with pytest.raises(UserError, match=r'no model: linear_svm says keep_model: false.*"linear_svm:keep_model=true"'):
        TrainedExperiment.open(directory)
    before = (directory / "scores" / "emotion" / "test.tsv").read_bytes()
    run_all(toy, out, "linear_svm", "keep_model=true", folds="1")  # the same command with that option
    assert TrainedExperiment.open(directory).classes == ["angry", "happy", "sad"]
    assert (directory / "scores" / "emotion" / "test.tsv").read_bytes() == before


@pytest.mark.parametrize(("name", "content", "message"), [
    ("metrics.json", None, "no finished experiment"),
    ("model.npz", "PK\x03\x04 cut off", "model.npz is damaged"),
    ("metrics.json", json.dumps({"temperature": 1.0}), "names no target")])
def test_a_damaged_experiment_is_one_line(toy, out, name, content, message):  # noqa: F811
    run_all(toy, out, "linear_svm", folds="1")
    path = out / "norm-global" / "fold1" / "seed0" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        TrainedExperiment.open(path.parent)


@pytest.mark.parametrize("name", SPECS)
def test_every_subsystem_can_be_read_back(name):
    assert not getattr(SPECS[name].learner_type().load, "__isabstractmethod__", False)
