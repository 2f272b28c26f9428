"""What tasks learn: numbers and votes; experiments with both, and that their fields are part of an experiment."""

import json
import shlex

import numpy as np
import pytest
import torch

from steps.data.dataset import Dataset, Item, Sequence
from steps.examples.fold import load_examples, permuted
from steps.examples.part import NO_LABEL, Part, Vectors
from steps.examples.tasks import check_learned, further_fields, main_target, task_targets, vote_shares
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.inputs.archive import ArchiveSource
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from steps.subsystems.contract import load_experiment_config
from steps.subsystems.network import MultitaskDnnLearner, dev_metrics
from steps.training.config import identity
from utils.corpus import Target
from utils.errors import UserError

CLASSES = ["angry", "happy", "sad"]
COMMON = ("model.branch=[8] model.dropout=0 training.epochs=12 training.metric=loss training.tensorboard=false "
          "training.batch_size=16 ")
DNN = COMMON + "model.trunk=[24] training.optimizer.learning_rate=0.01"
RNN = COMMON + ("model.projection=[8] model.hidden=6 model.input_noise=0 frames.stack=2 frames.stride=2 "
                "training.optimizer.learning_rate=0.02")
# Four columns of "frequency" are just enough for one bin to be left.
CNN = ("model.branch=[] model.architecture=pyresnet50 model.width=0.05 model.dropout=0 training.epochs=1 "
       "training.tensorboard=false training.batch_size=16 frames.max_crop=32 refit=false")


def items(name, values):
    return [Item(id=str(n), fields={} if value is None else {name: value}) for n, value in enumerate(values)]


def part(votes, y):
    rows = Vectors(np.zeros((len(y), 1), dtype=np.float32))
    return Part(tuple(items("emotion_votes", votes)), {"toy": rows}, {"emotion": np.array(y)})


def test_the_type_of_a_field_decides_between_numbers_and_classes():
    everyone = [Item(id=str(n), fields={"age": 20.0 + n, "style": "ab"[n % 2], "phq8_binary": n % 2,
                                        "tremor": 0.1 * n}) for n in range(6)]
    outputs, targets = task_targets(everyone, ["age", "style", "phq8_binary", "tremor"], print)
    assert outputs["age"] == {"mean": 22.5, "std": pytest.approx(np.std(range(6)))}
    assert outputs["style"] == outputs["phq8_binary"] == 2
    assert outputs["tremor"]["mean"] == pytest.approx(0.25)  # of no register: numbers by their values
    assert targets["age"].tolist() == [20, 21, 22, 23, 24, 25] and targets["age"].dtype == np.float32
    assert targets["style"].tolist() == [0, 1, 0, 1, 0, 1]


def test_items_without_a_number_do_not_count():
    outputs, targets = task_targets(items("age", [30.0, None, 50.0]), ["age"], print)
    assert outputs["age"] == {"mean": 40.0, "std": 10.0}
    assert np.isnan(targets["age"]).tolist() == [False, True, False]


def test_a_number_that_moves_counts_as_its_mean():
    moving = Sequence(0.1, (1.0, 2.0, 6.0))
    assert task_targets(items("arousal", [moving, -1.0]), ["arousal"], print)[1]["arousal"].tolist() == [3.0, -1.0]


@pytest.mark.parametrize(("values", "said"), [([30.0, None, 30.0], "1 different numbers"),
                                              ([None, None], "0 different numbers")])
def test_a_task_that_tells_nothing_apart_is_left_out_aloud(values, said):
    lines = []
    assert task_targets(items("age", values), ["age"], lines.append) == ({}, {})
    assert len(lines) == 1 and f"task age is left out: the corpus gives {said}" in lines[0]


def test_votes_are_no_further_task():
    with pytest.raises(UserError, match=r"neither a class nor a number; training\.targets=votes"):
        task_targets(items("emotion_votes", [{"sad": 1}]), ["emotion_votes"], print)


def test_votes_become_shares_of_the_classes_of_the_corpus():
    assert vote_shares({"sad": 1, "angry": 3, "bored": 9}, CLASSES).tolist() == [0.75, 0, 0.25]
    assert vote_shares({"bored": 2}, CLASSES) is None


def test_with_votes_an_utterance_of_two_emotions_is_learned_though_it_has_no_label():
    voted, shares = main_target(part([{"angry": 1, "sad": 1}, None, {"happy": 2}, None, {"bored": 1}],
                                     [NO_LABEL, 2, 0, NO_LABEL, 1]), CLASSES, "votes")
    assert voted.ids == ["0", "1", "2", "4"]
    np.testing.assert_array_equal(shares, [[0.5, 0, 0.5], [0, 0, 1], [0, 1, 0], [0, 1, 0]])
    labelled, numbers = main_target(part([{"angry": 1, "sad": 1}, None], [NO_LABEL, 2]), CLASSES, "labels")
    assert labelled.ids == ["1"] and numbers.tolist() == [2]


def test_permuted_labels_take_their_votes_along():
    count = 40
    y = np.array([n % 3 if n % 5 else NO_LABEL for n in range(count)])
    votes = [{CLASSES[n % 3]: n + 1} for n in range(count)]
    shuffled, labels = permuted(items("emotion_votes", votes), y, 0, "x")
    assert not np.array_equal(labels, y)
    for item, label in zip(shuffled, labels, strict=True):
        own = item.fields["emotion_votes"]
        assert own is None if label == NO_LABEL else list(own) == [CLASSES[label]]


def test_labels_permuted_by_session_leave_no_votes():
    everyone = [Item(id=str(n), fields={"session": str(n // 2), "emotion_votes": {"sad": 1}}) for n in range(8)]
    shuffled, labels = permuted(everyone, np.repeat([0, 1, 2, 0], 2), 0, "x", "session")
    assert all(item.fields["emotion_votes"] is None for item in shuffled) and len(labels) == 8


@pytest.mark.parametrize(("config", "says"), [
    ({"model": {"tasks": {"gender": 1.0}}}, "names gender; what is predicted must be among them"),
    ({"model": {"tasks": {"emotion": 1.0, "agee": 0.3}}}, "names agee, which is no field .*; did you mean age?"),
    ({"training": {"targets": "votes"}}, "no utterance of the corpus has the field emotion_votes")])
def test_what_the_corpus_cannot_teach_is_told_before_training(config, says):
    with pytest.raises(UserError, match=says) as error:
        check_learned(config, items("tremor", [0.1, 0.2]))
    assert error.value.status == 2


def test_fields_of_the_register_and_of_the_corpus_can_be_learned():
    check_learned({"model": {"tasks": {"emotion": 1.0, "age": 0.3, "tremor": 0.1}}}, items("tremor", [0.1]))
    check_learned({"training": {"targets": "votes"}}, items("emotion_votes", [None, {"sad": 1}]))
    check_learned({"penalty": 1}, items("tremor", [0.1]))  # a machine without tasks


def test_only_what_is_learned_further_is_read_further():
    config = {"model": {"tasks": {"emotion": 1, "speaker": 0.3, "gender": 0.6}}, "training": {"targets": "labels"}}
    assert further_fields(config, [Target("emotion")]) == []
    assert further_fields({"C": [1]}, [Target("emotion")]) == []
    config = {"model": {"tasks": {"emotion": 1, "valence": 1, "age": 0.3}}, "training": {"targets": "votes"}}
    assert further_fields(config, [Target("valence", "number")]) == ["age", "emotion_votes"]


def test_an_experiment_without_votes_is_what_it_was_before_there_were_any():
    config = load_experiment_config("multitask_dnn")
    assert "targets" not in identity(config)["training"]
    config.training.targets = "votes"
    assert identity(config)["training"]["targets"] == "votes"


def with_fields(data, fields):
    """The data set with `fields(id, label)` beside what it says of each utterance."""
    import gzip

    with gzip.open(data / "cuts.jsonl.gz", "rt") as stream:
        cuts = [json.loads(line) for line in stream]
    for cut in cuts:
        custom = cut["supervisions"][0]["custom"]
        custom |= fields(cut["id"], custom.get("emotion"))
    with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)
    return data


def run(data, out, config, settings):
    assert plan.main(["--config", config, "--inputs", "toy", "--protocol", "plain", "--folds", "1", "--set", settings,
                      "--data", str(data), "--out", str(out)]) == 0
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out),
                          str(out / "log" / "task.1.json")]) == 0
    return out / "norm-global" / "fold1" / "seed0"


@pytest.mark.parametrize(("config", "settings", "toy_name"), [("multitask_dnn", DNN, "toy"),
                                                              ("attention_rnn", RNN, "toy_frames"),
                                                              ("pyresnet", CNN, "toy_frames")])
def test_a_network_learns_ages_and_votes_beside_each_other(request, tmp_path, config, settings, toy_name):
    data = with_fields(request.getfixturevalue(toy_name), lambda key, label: {
        "age": 30.0 + 10 * int(key[1]), **({"emotion_votes": {label: 3, "sad": 1}} if label else {})})
    settings += " training.targets=votes 'model.tasks={emotion: 1.0, age: 0.3}'"
    directory = run(data, tmp_path / "exp" / "net" / "plain", config, settings)
    about = read_metrics(directory, "emotion")
    last = 3 if config == "pyresnet" else 4  # speaker of the dev part, from whom a refit learns too
    assert about["tasks"]["age"]["mean"] == pytest.approx(30 + 10 * last / 2, abs=0.5)
    assert about["test"]["UA"] > 0.6 or config == "pyresnet"
    assert "train_loss_age" in (directory / "log" / "curve.tsv").read_text()


def test_the_loss_of_numbers_is_in_one_unit_on_train_and_dev():
    """Both stand in one picture: the network learns numbers that are standardized."""
    found = dev_metrics(np.array([[4.0], [10.0]]), np.array([0.0, 14.0]), 0, std=2.0)
    assert found["loss"] == pytest.approx((2.0**2 + 2.0**2) / 2) and found["MAE"] == pytest.approx(4)


def test_a_stored_network_gives_back_its_numbers_and_scores(toy, tmp_path):
    data = with_fields(toy, lambda key, label: {"age": 30.0 + 10 * int(key[1])})
    settings = DNN + " refit=false 'model.tasks={emotion: 1.0, age: 1.0}' training.epochs=30"
    directory = run(data, tmp_path / "exp" / "net" / "plain", "multitask_dnn", settings)
    fitted = MultitaskDnnLearner.load(
        load_experiment_config("multitask_dnn", shlex.split(settings)), directory, ["emotion"])
    data = Dataset.open(data)
    examples = load_examples(data, {"toy": ArchiveSource.open(data.path, "toy")}, data.split("plain"), 1, "global", 3.0)
    train, test = examples.train, examples.test
    with torch.no_grad():
        ages = fitted.model.heads.numbers("age", fitted.model(torch.from_numpy(train.x.matrix()))["age"]).numpy()
    wanted = [30 + 10 * int(key[1]) for key in train.ids]
    assert np.abs(ages - wanted).mean() < 3  # features tell the speaker, of whom everyone has an age
    experiment, store = TrainedExperiment.open(directory), ArchiveSource.open(data.path, "toy")
    scores = read_scores(directory / "scores" / "emotion" / "test.tsv")
    rows = [scores.ids.index(key) for key in test.ids]
    np.testing.assert_allclose(experiment.log_posteriors(test.items, [store[key] for key in test.ids]),
                               scores.logp[rows], atol=1e-5)


def test_changed_votes_are_another_experiment_where_they_are_learned(toy, tmp_path):
    def planned(settings, votes):
        data = with_fields(toy, lambda key, label: {"emotion_votes": {"sad": votes}})
        out = tmp_path / "exp" / "net" / "plain"
        assert plan.main(["--config", "multitask_dnn", "--inputs", "toy", "--protocol", "plain", "--set", settings,
                          "--data", str(data), "--out", str(out)]) == 0
        return json.loads((out / "log" / "task.1.json").read_text())["data"]

    assert planned("", 1) == planned("", 2)
    assert planned("training.targets=votes", 1) != planned("training.targets=votes", 2)
