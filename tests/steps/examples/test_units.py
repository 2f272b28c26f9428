"""Labels of dialogues and sessions: segments are learned from and scored, units are calibrated and judged."""

import json
from collections import Counter

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.examples.units import by_unit, drawn
from steps.experiments import plan, run_task
from steps.experiments.outcome import Outcome
from steps.inputs.archive import ArchiveSource
from steps.scoring.calibration import fit_threshold
from steps.scoring.collect import find_systems
from steps.scoring.score import row_of
from steps.scoring.scores import read_predictions, read_scores
from steps.subsystems.network import epoch_order
from tests.steps.toy_data import write_dataset
from utils.errors import UserError
from utils.files import read_json

CLASSES = ["control", "depressed"]


@pytest.fixture
def interviews(tmp_path):
    """12 sessions of 2 to 7 segments; the first feature tells the points, the second the class; one segment failed."""
    random = np.random.default_rng(3)
    ids, labels, speakers, rows, fields, parts = [], [], [], [], {}, {}
    for session in range(12):
        points = 3 * (session % 6) + session // 6
        for segment in range(2 + session % 6):
            key = f"{300 + session}-{segment}"
            ids.append(key)
            labels.append(CLASSES[points >= 10])
            speakers.append(str(300 + session))
            rows.append([points + random.normal(), 4 * (points >= 10) + random.normal(), random.normal()])
            fields[key] = {"session": str(300 + session), "phq8": float(points)}
            parts[key] = ("train", "dev", "test")[0 if session < 6 else 1 if session in (6, 8, 10) else 2]
    data = write_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * len(ids), np.array(rows), [parts],
                         failed=["309-0"], classes=CLASSES, fields=fields)
    about = json.loads((data / "corpus.json").read_text())
    (data / "corpus.json").write_text(json.dumps(about | {"targets": [
        {"field": "emotion", "kind": "class", "classes": CLASSES, "positive": "depressed", "of": "session"},
        {"field": "phq8", "kind": "number", "threshold": 10.0, "of": "session"}]}))
    return data


def trained(data, name, *words, settings="") -> dict:
    """Plan and run one experiment; returns its metrics.json."""
    out = data.parents[1] / "exp" / name / "plain"
    network = ("model.trunk=[8] model.branch=[] training.epochs=30 training.tensorboard=false training.per_unit=3 "
               "training.optimizer.learning_rate=0.03 training.batch_size=8 model.dropout=0 model.input_noise=0")
    words = ["--inputs", "toy", "--protocol", "plain", "--data", str(data), "--out", str(out), *words]
    if "dnn" in words:
        words += ["--set", network + (" training.metric=MAE" if "--targets" in words else "") + settings]
    assert plan.main(words) == 0
    [task] = out.glob("log/**/task.1.json")
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    assert plan.main([*words, "--finish"]) == 0
    [path] = out.glob("norm-global*/fold1/seed0/metrics.json")
    [found] = read_json(path)["targets"].values()
    return found


def test_a_unit_has_the_mean_log_posterior_of_its_utterances():
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    found = by_unit(["b", "a", "b"], np.array([1, 0, 1]), logits)
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.stack([np.log(posteriors[1]), (np.log(posteriors[0]) + np.log(posteriors[2])) / 2])
    assert found.ids == ["a", "b"] and found.y.tolist() == [0, 1]
    np.testing.assert_allclose(found.values, expected)
    numbers = by_unit(["b", "a", "b"], np.array([1.0, 0.0, 1.0]), np.array([[2.0], [7.0], [4.0]]))
    assert numbers.values.tolist() == [[7.0], [3.0]]


def test_every_unit_gives_an_epoch_as_many_utterances():
    names = ["long"] * 9 + ["short"] * 2 + ["even"] * 4
    ids = [f"u{number}" for number in range(15)]
    epochs = [list(drawn(names, ids, 4, 0, epoch)) for epoch in (1, 1, 2)]
    assert epochs[0] == epochs[1] != epochs[2]
    for epoch in epochs:
        assert Counter(names[place] for place in epoch) == {"long": 4, "short": 4, "even": 4}
        assert len({place for place in epoch if names[place] == "long"}) == 4  # none twice while there are others
        assert Counter(place for place in epoch if names[place] == "short") == {9: 2, 10: 2}
    assert len({place for e in range(20) for place in drawn(names, ids, 4, 0, e) if place < 9}) == 9
    order = epoch_order(ids, 0, 1, lambda epoch: epochs[0])
    assert sorted(order.tolist()) == sorted(epochs[0]) and order.tolist() != epochs[0]


def test_the_threshold_is_that_of_the_best_f1():
    random = np.random.default_rng(0)
    for _ in range(20):
        posteriors, positive = random.random(15), random.random(15) < 0.4
        found = fit_threshold(posteriors, positive)

        def f1(threshold, p=posteriors, y=positive):
            right = sum(a >= threshold and b for a, b in zip(p, y, strict=True))
            return 2 * right / ((p >= threshold).sum() + y.sum())

        if positive.any():
            assert f1(found) == pytest.approx(max(f1(threshold) for threshold in np.linspace(0, 1, 1001)))
    assert fit_threshold(np.array([0.2, 0.3]), np.array([False, False])) == 0.5
    assert fit_threshold(np.array([0.2, 0.7]), np.array([False, True])) == 0.5  # 0.45 is as good


@pytest.mark.parametrize("kind", ["linear_svm", "dnn"])
def test_sessions_are_scored_and_f1_is_of_the_threshold_of_dev(interviews, kind):
    about = trained(interviews, kind, "--config", kind)
    scores = read_scores(interviews.parents[1] / f"exp/{kind}/plain/norm-global/fold1/seed0/scores/emotion/test.tsv")
    assert scores.ids == ["307", "309", "311"] and scores.classes == CLASSES and about["prior_scored"] == []
    assert scores.labels == ["control", "depressed", "depressed"]
    data = Dataset.open(interviews)
    [system] = find_systems(interviews.parents[1] / "exp", "plain")
    row = row_of(data, data.split("plain"), system, "test", data.target())
    decided = np.exp(scores.logp[:, 1]) >= about["threshold"]
    truth = np.array(scores.labels) == "depressed"
    assert row["metrics"]["F1"] == pytest.approx(2 * (decided & truth).sum() / (decided.sum() + truth.sum()))
    assert (row["of"], row["items"], row["summary"]["positive"]) == ("session", 3, 1)


def test_temperature_and_threshold_are_of_dev(interviews, tmp_path):
    data = Dataset.open(interviews)
    store = ArchiveSource.open(interviews, "toy")
    examples, values = load_examples(data, {"toy": store}, data.split("plain"), 1, "none"), {}
    for part, low, high in (("dev", -3.0, -1.0), ("test", 1.0, 3.0)):  # of who is depressed the log-odds are `high`
        y = getattr(examples, part).y
        values[part] = np.stack([np.zeros(len(y)), np.where(y == 1, high, low)], axis=1)
    about = Outcome(data, examples, data.target(), values).write(tmp_path)
    odds = np.array([-3.0, -1.0]) / about["temperature"]
    assert about["threshold"] == pytest.approx((1 / (1 + np.exp(-odds))).mean(), abs=1e-4)
    # in the test part everybody is above it
    assert (about["dev"]["F1"], about["test"]["F1"], about["test"]["UA"]) == (1.0, pytest.approx(4 / 5), 0.5)


def test_a_number_is_predicted_in_place_of_the_label(interviews):
    about = trained(interviews, "dnn", "--config", "dnn", "--targets", "phq8")
    place = interviews.parents[1] / "exp/dnn/plain/norm-global+target-phq8/fold1/seed0"
    found = read_predictions(place / "scores/phq8/test.tsv")
    assert found.ids == ["307", "309", "311"] and found.labels.tolist() == [4, 10, 16]
    error = np.abs(found.labels - found.predictions).mean()
    assert about["test"]["MAE"] == pytest.approx(error, abs=1e-5) and error < 3  # the mean of train is 4.8 away
    data = Dataset.open(interviews)
    [system] = find_systems(interviews.parents[1] / "exp", "plain")
    [target] = system.targets(data)
    row = row_of(data, data.split("plain"), system, "test", target)
    assert (row["target"], row["of"], row["classes"]) == ("phq8", "session", [])
    assert row["metrics"]["MAE"] == pytest.approx(error, abs=1e-5) and row["summary"]["threshold"] == 10


def test_the_main_task_is_named_by_the_field_of_the_target_or_as_emotion(interviews):
    def predictions(name, tasks):
        trained(interviews, name, "--config", "dnn", "--targets", "phq8", settings=f" 'model.tasks={tasks}'")
        place = interviews.parents[1] / f"exp/{name}/plain/norm-global+target-phq8/fold1/seed0"
        return read_predictions(place / "scores/phq8/test.tsv").predictions.tolist()

    assert predictions("own", "{phq8: 1.0}") == predictions("any", "{emotion: 1.0}")


def test_a_number_that_the_corpus_does_not_declare_is_refused(interviews):
    with pytest.raises(UserError, match="toy has no target age to predict; it has emotion, phq8"):
        trained(interviews, "dnn", "--config", "dnn", "--targets", "age")
    with pytest.raises(UserError, match="linear_svm cannot be trained on .*: target is number, it takes class"):
        trained(interviews, "svm", "--config", "linear_svm", "--targets", "phq8")


def test_permuted_labels_stay_one_a_session(interviews):
    data = Dataset.open(interviews)
    store = ArchiveSource.open(interviews, "toy")
    found = [load_examples(data, {"toy": store}, data.split("plain"), 1, "global", permute_seed=seed).train
             for seed in (None, 1, 2)]
    for part in found:
        labels = {}
        for item, y in zip(part.items, part.y.tolist(), strict=True):
            labels.setdefault(item.session, set()).add(y)
        assert all(len(values) == 1 for values in labels.values())
        assert sorted(next(iter(values)) for values in labels.values()) == [0, 0, 0, 0, 1, 1]
    assert len({tuple(part.y.tolist()) for part in found}) > 1
