"""Training with noise: noisy copies in the training part, and nowhere else."""

import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.examples.augmented import open_augmented
from steps.examples.fold import load_examples
from steps.experiments import plan, run_task
from steps.inputs.archive import ArchiveSource
from steps.scoring.experiment import read_metrics
from tests.steps.toy_data import write_dataset
from utils.config import read_yaml
from utils.errors import UserError

NOISE = {"snr": "random", "kinds": ["music"], "pool": "train", "seed": 0, "musan": None}


def write_noisy(data, path, noise=None, shift=5.0, drop=(), **labels):
    """The set at `path`: every vector of `data` plus `shift`; labels: {id with _ for -: label}."""
    clean = Dataset.open(data)
    store = ArchiveSource.open(data, "toy")
    ids = [key for key in clean.items if key not in drop]
    rows = np.array([np.asarray(store[key]) if key in store else np.zeros(12) for key in ids]) + shift
    folds = [{key: part for part, keys in clean.split("plain").parts[fold].items() for key in keys} for fold in (1, 2)]
    items = [clean.items[key] for key in ids]
    write_dataset(path, ids, [labels.get(item.id.replace("-", "_"), item.fields.get("emotion")) for item in items],
                  [item.speaker for item in items], [item.gender for item in items], rows, folds,
                  failed=[key for key in ids if key not in store], classes=list(clean.target().classes))
    info = json.loads((path / "corpus.json").read_text())
    (path / "corpus.json").write_text(json.dumps({**info, "noise": {**NOISE, **(noise or {})}}))
    return path


@pytest.fixture
def noisy(toy, tmp_path):
    return write_noisy(toy, tmp_path / "noisy")


def examples_of(toy, noisy, norm):
    data = Dataset.open(toy)
    split, store = data.split("plain"), ArchiveSource.open(toy, "toy")
    both, joined, longer, _ = open_augmented(data, {"toy": store}, split, noisy)
    return load_examples(data, {"toy": store}, split, 1, norm), load_examples(both, joined, longer, 1, norm), store


def test_copies_are_in_train_and_the_normalizer_has_seen_them(toy, noisy):
    clean, augmented, store = examples_of(toy, noisy, "global")
    assert (augmented.dev.ids, augmented.test.ids) == (clean.dev.ids, clean.test.ids)
    assert sorted(augmented.train.ids) == sorted([*clean.train.ids, *(f"{key}+aug" for key in clean.train.ids)])
    assert augmented.train.missing.keys() == {"s1-05", "s1-05+aug"}
    rows = np.array([np.asarray(store[key]) for key in clean.train.ids], dtype=np.float64)
    rows = np.concatenate([rows, rows + 5])
    np.testing.assert_allclose(augmented.normalization["toy"]["mean"], rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(augmented.normalization["toy"]["std"], rows.std(axis=0), rtol=1e-6)
    test = np.array([np.asarray(store[key]) for key in clean.test.ids])
    np.testing.assert_allclose(augmented.test.x.matrix(), (test - rows.mean(axis=0)) / rows.std(axis=0), atol=1e-4)


def test_copies_have_the_labels_and_the_speaker_of_their_utterance(toy, noisy):
    _, augmented, _ = examples_of(toy, noisy, "global")
    found = {item.id: (int(y), item.fields["speaker"], item.gender)
             for item, y in zip(augmented.train.items, augmented.train.y, strict=True)}
    for key, value in found.items():
        assert value == found[key.removesuffix("+aug")]


def test_a_speaker_is_normalized_apart_with_and_without_noise(toy, noisy):
    """A shift of all noisy vectors vanishes with the speakers' own means: each copy equals its utterance."""
    clean, augmented, _ = examples_of(toy, noisy, "speaker")
    rows = dict(zip(augmented.train.ids, augmented.train.x.matrix(), strict=True))
    for key in clean.train.ids:
        np.testing.assert_allclose(rows[key], rows[f"{key}+aug"], atol=1e-4)
    np.testing.assert_allclose(augmented.test.x.matrix(), clean.test.x.matrix(), atol=1e-4)


def tasks_of(toy, out, *options):
    words = ["--config", "linear_svm", "--inputs", "toy", "--protocol", "plain", "--folds", "1", "--set",
             "C=[0.001]", *options, "--data", str(toy), "--out", str(out)]
    assert plan.main(words) == 0
    return sorted((out / "log").glob("task.*.json"), key=lambda path: int(path.name.split(".")[1]))


def test_every_experiment_is_trained_with_and_without(toy, noisy, tmp_path):
    out = tmp_path / "exp/svm/plain"
    tasks = tasks_of(toy, out, "--augment", str(noisy), "--norms", "global speaker")
    for task in tasks:
        run_task.main(["--data", str(toy), "--augment", str(noisy), "--out", str(out), str(task)])
    assert json.loads((out / "subsystem.json").read_text())["variants"] == [
        "norm-global", "norm-speaker", "norm-global+aug", "norm-speaker+aug"]
    counts = {name: read_metrics(out / name / "fold1/seed0", "emotion")["train_items"]
              for name in ("norm-global", "norm-global+aug")}
    assert counts["norm-global+aug"] == 2 * counts["norm-global"]
    config = read_yaml(out / "norm-global+aug/fold1/seed0/config.yaml")
    assert config["augment"]["snr"] == "random" and config["norm"] == "global"
    assert "augment" not in read_yaml(out / "norm-global/fold1/seed0/config.yaml")


def test_a_noisy_set_that_changed_is_noticed(toy, noisy, tmp_path):
    out = tmp_path / "exp/svm/plain"
    task = tasks_of(toy, out, "--augment", str(noisy))[1]
    other = write_noisy(toy, tmp_path / "other", noise={"seed": 1})
    with pytest.raises(UserError, match="has changed since this task was planned"):
        run_task.main(["--data", str(toy), "--augment", str(other), "--out", str(out), str(task)])


@pytest.mark.parametrize(("options", "message"), [
    ({"noise": {"pool": "test"}}, "noises for testing"),
    ({"drop": ("s1-03",)}, "lacks 1 of the 80 training utterances"),
    ({"s1_02": "angry"}, "s1-02 is not what it is"),
])
def test_a_set_that_does_not_fit_is_refused(toy, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        tasks_of(toy, tmp_path / "exp/svm/plain", "--augment", str(write_noisy(toy, tmp_path / "odd", **options)))


def test_a_clean_set_is_no_noisy_set(toy, tmp_path):
    with pytest.raises(UserError, match="is no noisy set of toy"):
        tasks_of(toy, tmp_path / "exp/svm/plain", "--augment", str(toy))
