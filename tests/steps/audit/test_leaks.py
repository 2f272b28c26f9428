"""The audit finds what is shared and what must not be, and lets chance pass."""

import json

import numpy as np
import pytest

from steps.audit import audit_leaks, permuted
from steps.audit.leaks import audit, sentence_of
from steps.data.dataset import Dataset, Item
from steps.scoring.summary import Summary
from tests.steps.scored_recipe import folds_by_speaker, recipe, utterances, write_data, write_system


def made(tmp_path, change=lambda rows, split: None, hashes=None, overlap=False):
    rows = utterances(6)
    split = folds_by_speaker(rows, 3)
    change(rows, split)
    data = write_data(tmp_path / "data", rows, {"folds": split})
    if overlap:
        (data / "splits/folds.json").write_text('{"speaker_overlap": true}')
    values = {row["id"]: row["id"] + "#" for row in rows} | (hashes or {})
    (data / "audio_hashes.tsv").write_text("id\tsha256\n" + "".join(f"{k}\t{v}\n" for k, v in values.items()))
    data = Dataset.open(data)
    found = audit(data, data.split("folds"))
    return {(entry["kind"], entry["with"]): entry for entry in found["overlaps"]}, found["leaks"]


def test_a_clean_protocol_shares_only_its_fixed_sentences_and_says_how_many(tmp_path):
    entries, leaks = made(tmp_path)
    assert leaks == []
    assert [entries[kind, "train"]["verdict"] for kind in ("utterance", "audio", "speaker", "session")] == [
        "none", "none", "none", "unknown"]
    sentence = entries["sentence", "train"]
    assert sentence["verdict"] == "told" and sentence["shared"] == 2
    assert sentence["affected"] == sentence["tested"] == 48 and sentence["folds"] == {"1": 16, "2": 16, "3": 16}


def test_a_speaker_in_train_and_test_is_a_leak_unless_the_protocol_declares_it(tmp_path):
    def change(rows, split):
        for row in rows:
            if row["id"].startswith("s00-0"):
                row["speaker"] = "s01"  # s00 is tested in fold 1, s01 is its dev

    entries, leaks = made(tmp_path, change)
    assert entries["speaker", "dev"]["verdict"] == "leak" and entries["speaker", "dev"]["affected"] == 2
    assert entries["speaker", "train"]["verdict"] == "leak"  # s01 is tested in fold 2, s00 trains there
    assert any("share the speaker with dev: s00-0-0 (fold 1), s00-0-1" in line for line in leaks)
    entries, leaks = made(tmp_path / "declared", change, overlap=True)
    assert entries["speaker", "dev"]["verdict"] == "declared" and leaks == []


def test_the_same_audio_under_two_ids_across_parts_is_a_leak_and_within_a_part_is_none(tmp_path):
    entries, leaks = made(tmp_path, hashes={"s00-0-0": "x", "s02-0-0": "x"}, overlap=True)
    assert entries["audio", "train"]["verdict"] == "leak" and leaks
    entries, leaks = made(tmp_path / "within", hashes={"s00-0-0": "x", "s03-0-0": "x"})
    assert entries["audio", "train"]["verdict"] == "none" and not leaks


def test_sessions_are_told(tmp_path):
    def change(rows, split):
        for row in rows:
            row["session"] = str(int(row["speaker"][1:]) // 2)

    entries, leaks = made(tmp_path, change)
    assert entries["session", "dev"]["verdict"] == "told" and not leaks


def test_sentences_are_compared_without_case_width_and_punctuation():
    def of(text, **fields):
        return sentence_of(Item("a", text=text, fields=fields))

    assert of("Ｋｉｄｓ are  talking, by the door!") == of("kids are talking by the door")
    assert of("Das schöne Haus") != of("Das schone Haus")
    assert of("text", sentence=7) == "7" and of(None) is None and of("...") is None


def confusion_of(rng, classes, folds, per=12, leak=0.0, clusters=False):
    summary = Summary(classes)
    for fold in range(1, folds + 1):
        y = np.tile(np.arange(classes), per)
        guess = rng.permutation(classes)[y] if clusters else rng.integers(0, classes, len(y))
        guess = np.where(rng.random(len(y)) < leak, y, guess)
        summary.add_decisions((fold, 0), ["a"] * len(y), y, guess)
    return summary


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("classes, folds", [(8, 1), (8, 6), (4, 10)])
def test_decisions_that_know_nothing_pass_even_when_they_follow_the_emotion_s_clusters(clusters, classes, folds):
    rng = np.random.default_rng(0)
    failed = sum(not permuted.judge(confusion_of(rng, classes, folds, clusters=clusters))["passed"] for _ in range(40))
    assert failed <= 2  # 0.2 expected


@pytest.mark.parametrize("classes, folds, leak", [(8, 1, 0.3), (8, 6, 0.15), (4, 10, 0.2), (4, 1, 0.9), (2, 1, 0.9)])
def test_decisions_that_know_the_labels_fail(classes, folds, leak):
    rng = np.random.default_rng(1)
    assert not any(permuted.judge(confusion_of(rng, classes, folds, 24, leak))["passed"] for _ in range(10))


def test_the_entry_writes_the_audit_and_fails_on_labels_that_leak(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    arguments = ["--protocol", "folds", "--permuted", str(exp / "permuted/folds"), str(data), str(exp)]
    assert audit_leaks.main(arguments) == 0
    found = json.loads((exp / "audit/folds.json").read_text())
    assert found["passed"] and found["permuted"][0]["passed"] and "at chance" in capsys.readouterr().out
    rows = utterances(12)
    write_system(exp, "permuted", "folds", "norm-global+permuted", rows, folds_by_speaker(rows), 3.0, permuted=True)
    assert audit_leaks.main(arguments) == 1
    assert "trained on permuted labels and reaches UA" in capsys.readouterr().err
    assert not json.loads((exp / "audit/folds.json").read_text())["passed"]


def test_a_run_that_was_not_permuted_is_no_evidence(tmp_path):
    data, exp = recipe(tmp_path)
    with pytest.raises(Exception, match="not trained on permuted labels"):
        audit_leaks.main(["--protocol", "folds", "--permuted", str(exp / "svm_is10/folds"), str(data), str(exp)])
