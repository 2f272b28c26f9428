"""A network that predicts a class and a number at once, through the whole data flow."""

import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.scoring.collect import find_systems
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_predictions, read_scores
from steps.subsystems.network import over_targets
from utils.errors import UsageError

SETTINGS = ("model.trunk=[24] model.branch=[] model.tasks={emotion: 1.0, gender: 0.2} training.epochs=30 "
            "training.batch_size=16 training.tensorboard=false training.metric=loss "
            "training.optimizer.learning_rate=0.01")


@pytest.fixture
def rated(make_dataset, tmp_path):
    """5 speakers x 20 utterances: a feature tells the emotion, another is the valence; each lacks some labels."""
    random = np.random.default_rng(3)
    ids = [f"s{speaker}-{take:02d}" for speaker in range(5) for take in range(20)]
    labels = [("angry", "sad")[n % 2] if n % 7 else None for n in range(len(ids))]
    rows = random.normal(size=(len(ids), 6))
    rows[:, 0] += [4.0 * (n % 2) for n in range(len(ids))]
    fields = {key: {"valence": float(4 + rows[n, 1])} for n, key in enumerate(ids) if n % 5}
    fold = {key: {"3": "dev", "4": "test"}.get(key[1], "train") for key in ids}
    path = make_dataset(tmp_path / "data" / "toy", ids, labels, [key[:2] for key in ids],
                        [("female", "male")[int(key[1]) % 2] for key in ids], rows, [fold], fields=fields)
    about = json.loads((path / "corpus.json").read_text())
    about["targets"].append({"field": "valence", "kind": "number"})
    (path / "corpus.json").write_text(json.dumps(about))
    return path


def trained(data, out, config="multitask_dnn", settings=SETTINGS):
    words = ["--config", config, "--inputs", "toy", "--protocol", "plain", "--targets", "emotion valence",
             "--set", settings, "--data", str(data), "--out", str(out)]
    assert plan.main(words) == 0
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out),
                          str(out / "log" / "emotion-valence" / "task.1.json")]) == 0
    assert plan.main([*words, "--finish"]) == 0


def test_each_target_has_its_table_and_its_metrics(rated, tmp_path):
    out = tmp_path / "exp" / "dnn" / "plain"
    trained(rated, out)
    place = out / "norm-global+target-emotion-valence" / "fold1" / "seed0"
    scores, numbers = (read(place / "scores" / name / "test.tsv")
                       for read, name in ((read_scores, "emotion"), (read_predictions, "valence")))
    assert scores.ids == numbers.ids == [f"s4-{take:02d}" for take in range(20)]
    data = Dataset.open(rated)
    truth = np.array([data.items[key].fields.get("valence", np.nan) for key in numbers.ids])
    there = ~np.isnan(truth)
    error = np.abs(truth - numbers.predictions)[there].mean()
    found = read_metrics(place, "valence")["test"]
    assert found["n"] == there.sum() == 16 and found["MAE"] == pytest.approx(error, abs=1e-5)
    assert error < 0.5 < np.abs(truth[there] - truth[there].mean()).mean()  # it has learned the number
    assert read_metrics(place, "emotion")["test"]["UA"] > 0.9  # and the class
    [system] = find_systems(tmp_path / "exp", "plain")
    assert [target.name for target in system.targets(data)] == ["emotion", "valence"]
    # The heads are those of the targets and of the further tasks.
    assert list(json.loads((place / "model.json").read_text())["tasks"]) == ["emotion", "valence", "gender"]


def test_a_subsystem_for_one_target_refuses_two(rated, tmp_path):
    with pytest.raises(UsageError, match="--targets emotion valence: linear_svm predicts one target"):
        trained(rated, tmp_path / "exp" / "svm" / "plain", "linear_svm", "")


def test_dev_is_judged_by_the_mean_over_the_targets_that_have_a_metric():
    found = over_targets({"a": {"UA": 0.5, "loss": 1.0}, "b": {"UA": 0.7, "loss": 3.0}, "c": {"CCC": 0.2}})
    assert (found["UA"], found["loss"], found["CCC"]) == (pytest.approx(0.6), 2.0, 0.2)
    assert (found["UA_a"], found["UA_b"], found["CCC_c"]) == (0.5, 0.7, 0.2)
    assert over_targets({"a": {"UA": 0.5}}) == {"UA": 0.5}
