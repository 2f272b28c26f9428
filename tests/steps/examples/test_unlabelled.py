"""Unlabelled sets: they reach the learner without labels, and those that would leak are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from steps.audit.trained_on import audit_components
from steps.data.dataset import Dataset
from steps.data.trained_on import describe_training
from steps.examples.fold import load_examples
from steps.examples.unlabelled import about_sets, add_unlabelled, check_apart, open_sets, training_records
from steps.experiments import plan, run_task
from steps.inputs.archive import ArchiveSource
from utils.errors import UsageError, UserError
from utils.files import write_json

FIXMATCH = ("training.objective=fixmatch training.tensorboard=false training.epochs=2 model.trunk=[16] "
            "model.branch=[8] refit=false")


@pytest.fixture
def other(tmp_path, make_dataset):
    """Another corpus with 2 speakers, one with a name that a speaker of the toy corpus
    has."""
    rows = np.random.default_rng(1).normal(size=(8, 12))
    ids = [f"s{speaker}-{take:02d}" for speaker in (4, 9) for take in range(4)]
    path = make_dataset(tmp_path / "other", ids, ["angry", "sad"] * 4, [key[:2] for key in ids],
                        ["female"] * 8, rows,
                        [{key: "train" if key < "s9" else "test" for key in ids}])
    about = json.loads((path / "corpus.json").read_text())
    write_json(path / "corpus.json", {**about, "name": "other"})
    return path


def opened(toy, text):
    data = Dataset.open(toy)
    return data, data.split("plain"), open_sets(text)


def test_a_set_reaches_the_learner_without_labels_and_under_names_of_its_own(toy, other):
    data, split, sets = opened(toy, f"{other} {other}:plain/train")
    assert [one.name for one in sets] == ["other", "other-plain-train"]
    both, store = add_unlabelled(data, {"toy": ArchiveSource.open(toy, "toy")}, sets)
    ids = {one.name: [one.renamed(key) for key in one.ids(data, split, 1)] for one in sets}
    examples = load_examples(both, store, split, 1, "global", sets=ids)
    whole, train = examples.unlabelled
    assert whole.ids[0] == "other/s4-00" and len(whole) == 8 and len(train) == 4
    assert (whole.y == -1).all() and all("emotion" not in item.fields for item in whole)
    assert {item.speaker for item in whole} == {"other/s4", "other/s9"}
    assert len(examples.without_labels()) == 8 + 4 + 1  # s0-04 has no label
    # The other parts are what they are without sets.
    alone = load_examples(data, {"toy": ArchiveSource.open(toy, "toy")}, split, 1, "global")
    assert (alone.train.x.matrix() == examples.train.x.matrix()).all()
    raw = ArchiveSource.open(other, "toy").matrix(["s4-00"])
    arrays = alone.normalization["toy"]
    np.testing.assert_allclose(whole.x[0], ((raw - arrays["mean"]) / arrays["std"])[0], rtol=1e-4,
                               atol=1e-5)


def test_of_the_own_protocol_it_is_the_part_of_the_same_fold(toy):
    data, split, [own] = opened(toy, f"{toy}:plain/train")
    assert own.ids(data, split, 1) == split.ids(1, "train") != own.ids(data, split, 2)


def test_what_shares_utterances_or_speakers_with_dev_or_test_is_refused(toy, other):
    data, split, sets = opened(toy, f"{other}")
    check_apart(sets, data, split, [1, 2])  # another corpus: its s4 is another speaker
    for text, message in ((f"{toy}", "shares the utterance with dev of plain, fold 1"),
                          (f"{toy}:plain/test", "shares the utterance with test of plain, fold 1")):
        with pytest.raises(UserError, match=message):
            check_apart(open_sets(text), data, split, [1])
    check_apart(open_sets(f"{toy}:plain/train"), data, split, [1, 2])
    about = json.loads((other / "corpus.json").read_text())
    write_json(other / "corpus.json", {**about, "name": "toy"})
    with pytest.raises(UserError,
                       match=r"speaker with dev of plain, fold 1 \(s4-00, s4-01, s4-02, \.\.\.\)"):
        check_apart(open_sets(f"{other}"), data, split, [1])


def test_the_same_samples_under_another_name_are_refused(toy, other):
    data, split, sets = opened(toy, f"{other}")
    for path, key in ((toy, "s5-03"), (other, "s9-02")):
        (path / "audio_hashes.tsv").write_text(f"id\tsha256\n{key}\t{'ab' * 32}\n")
    with pytest.raises(UserError, match=r"shares the sound with test of plain, fold 1 \(s9-02\)"):
        check_apart(sets, data, split, [1])


def test_a_protocol_that_declares_shared_speakers_may_share_them(toy, other):
    about = json.loads((other / "corpus.json").read_text())
    write_json(other / "corpus.json", {**about, "name": "toy"})
    write_json(toy / "splits" / "plain.json", {"description": "toy", "speaker_overlap": True})
    data, split, sets = opened(toy, f"{other}")
    check_apart(sets, data, split, [1])
    assert training_records(sets, data, split)[0]["speakers"] == []


def test_the_audit_knows_what_was_used(toy, other):
    data, split, sets = opened(toy, f"{other} {toy}:plain/train")
    [record] = training_records(sets, data, split)
    assert record["corpus"] == "other" and record["utterances"] == 8
    record["corpus"] = "toy"  # as if it were of this corpus: s4 is in dev and test
    found = audit_components(data, split, [], started={"fixmatch": ([record], [])})
    assert any("semi-supervised training was trained on toy and shares the speaker" in line
               for line in found["leaks"])


def test_a_sentence_of_a_set_may_be_one_of_dev_and_test(toy):
    data, split = Dataset.open(toy), Dataset.open(toy).split("plain")
    data.items = {key: replace(item, text="it is eleven o'clock")
                  for key, item in data.items.items()}
    record = describe_training(data, split.ids(1, "test"), "semi-supervised training")
    record |= {"corpus": "other", "speakers": [], "recordings": []}
    for more, leaks in ({}, 2), ({"sentences_may_be_shared": True}, 0):
        found = audit_components(data, split, [], started={"x": ([{**record, **more}], [])})
        assert len(found["leaks"]) == leaks
    assert {entry["verdict"] for entry in found["components"]
            if entry["kind"] == "sentence"} == {"told"}


def test_words_that_are_no_set_are_one_line(toy, other):
    with pytest.raises(UsageError, match="expected DATA or DATA:PROTOCOL/PART"):
        open_sets(f"{other}:plain")
    with pytest.raises(UsageError, match="another set is called other, too"):
        open_sets(f"{other} {other}")
    with pytest.raises(UserError, match="nowhere is no prepared data set"):
        open_sets("nowhere")


def planned(toy, out, config, settings, *options):
    return plan.main(["--config", config, "--inputs", "toy", "--protocol", "plain", "--folds",
                      "1", "--set", settings,
                      *options, "--data", str(toy), "--out", str(out)])


def test_a_network_is_trained_with_a_set_through_plan_and_task(toy, other, tmp_path):
    out = tmp_path / "exp" / "sys" / "plain"
    planned(toy, out, "dnn", FIXMATCH, "--unlabelled", str(other))
    task = out / "log" / "task.1.json"
    words = ["--device", "cpu", "--data", str(toy), "--out", str(out)]
    with pytest.raises(UserError, match="has changed since this task was planned"):
        run_task.main([*words, "--unlabelled", f"{other}:plain/train", str(task)])
    assert run_task.main([*words, "--unlabelled", str(other), str(task)]) == 0
    directory = out / "norm-global+unlabelled-other" / "fold1" / "seed0"
    assert "train_loss_unlabelled" in (directory / "log" / "curve.tsv").read_text()
    about = json.loads((out / "subsystem.json").read_text())
    assert about["unlabelled"]["sets"] == [str(other)] and about["variants"] == ["norm-global+unlabelled-other"]


def test_a_set_that_nothing_would_use_is_refused(toy, other, tmp_path):
    for config in ("dnn", "linear_svm"):
        with pytest.raises(UsageError, match="this training uses labelled utterances alone"):
            planned(toy, tmp_path / "exp" / "sys" / "plain", config, "", "--unlabelled", str(other))


def test_labels_are_counted_when_planned(toy, tmp_path):
    with pytest.raises(UsageError,
                       match="--labels 900: the training part has 79 labels of 3 classes"):
        planned(toy, tmp_path / "exp" / "sys" / "plain", "linear_svm", "", "--labels", "900")


def test_the_choice_of_labels_makes_seeds_differ_of_a_deterministic_machine(toy, tmp_path):
    out = tmp_path / "exp" / "sys" / "plain"
    planned(toy, out, "linear_svm", "", "--labels", "9", "--seeds", "0 1")
    for task in sorted((out / "log").glob("task.*.json")):
        run_task.main(["--device", "cpu", "--data", str(toy), "--out", str(out), str(task)])
    one, two = ((out / "norm-global+labels-9" / "fold1" / seed / "scores/emotion/test.tsv").read_text()
                for seed in ("seed0", "seed1"))
    assert one != two


def test_about_sets_tells_another_state_of_the_features(toy, other):
    data, split, sets = opened(toy, f"{other}")
    store = {"toy": ArchiveSource.open(toy, "toy")}
    before = about_sets(sets, data, split, 1, store)
    assert before == about_sets(sets, data, split, 1, store)
    about = json.loads((other / "toy" / "feature.json").read_text())
    write_json(other / "toy" / "feature.json", {**about, "version": 2})
    assert about_sets(sets, data, split, 1, store) != before
