"""The audit finds what is shared and what must not be, and lets chance pass."""

import gzip
import json

import numpy as np
import pytest

from steps.audit import audit_leaks, permuted
from steps.audit.leaks import audit
from steps.data.dataset import Dataset, Item
from steps.data.fingerprint import Fingerprint, fingerprint, load, save
from steps.data.sentences import sentence_of
from steps.scoring.summary import Summary
from tests.steps.data.test_fingerprint import speech
from tests.steps.scored_recipe import folds_by_speaker, recipe, utterances, write_data, write_system
from utils.errors import UserError


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


def with_sound(tmp_path, change=lambda rows: None):
    """Utterances of recordings of their own, whose fingerprints are kept beside."""
    rows = utterances(6)
    for number, row in enumerate(rows):
        row |= {"path": f"/{number}.wav", "duration": 2.0, "seed": number}
    change(rows)
    prints = {row["id"]: fingerprint(speech(row.pop("seed"), 1.0), 16000) for row in rows}
    data = write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})
    save(data / "fingerprints.npz", prints)
    (data / "audio_hashes.tsv").write_text("id\tsha256\n" + "".join(f"{row['id']}\t{row['id']}\n" for row in rows))
    return data


def audited(data):
    data = Dataset.open(data)
    found = audit(data, data.split("folds"))
    return {(entry["kind"], entry["with"]): entry for entry in found["overlaps"]}, found["leaks"]


def test_the_same_sound_under_two_speakers_is_a_leak(tmp_path):
    def change(rows):
        rows[-1]["seed"] = rows[0]["seed"]

    entries, leaks = audited(with_sound(tmp_path, change))
    assert entries["audio", "train"]["verdict"] == "none" and entries["sound", "train"]["verdict"] == "leak"
    assert len(leaks) == 2 and "test utterances share the sound with train" in leaks[0]


def test_segments_of_one_recording_are_told_and_a_leak_where_they_overlap(tmp_path):
    def change(rows):
        rows[0]["path"] = rows[-1]["path"] = "/long.wav"

    data = with_sound(tmp_path, change)
    entries, leaks = audited(data)  # both from 0 to 2 s
    assert entries["recording", "train"]["verdict"] == "told" and entries["recording", "train"]["affected"] == 1
    assert entries["sound", "train"]["verdict"] == "leak" and leaks
    text = gzip.decompress((data / "cuts.jsonl.gz").read_bytes()).decode().splitlines()
    text[0] = text[0].replace('"start": 0.0', '"start": 5.0', 1)
    (data / "cuts.jsonl.gz").write_bytes(gzip.compress("\n".join(text).encode()))
    entries, leaks = audited(data)
    assert entries["recording", "train"]["verdict"] == "told" and not leaks


def test_what_is_too_short_to_compare_is_counted(tmp_path):
    data = with_sound(tmp_path)
    short = {key: Fingerprint(one.codes[:5], one.heard[:5]) if key < "s01" else one
             for key, one in load(data / "fingerprints.npz").items()}
    save(data / "fingerprints.npz", short)
    entries, leaks = audited(data)
    assert entries["sound", "train"]["verdict"] == "partly" and not leaks
    assert entries["sound", "train"]["unknown"] == {"test": [8, 48], "train": [8, 48]}


@pytest.mark.parametrize("name", ["audio_hashes.tsv", "fingerprints.npz"])
@pytest.mark.parametrize("harm", [None, b"", b"garbage", b"id\tsha256\n"])
def test_emptied_or_damaged_inputs_of_the_audit_are_an_error_and_no_audit(tmp_path, name, harm):
    data, exp = with_sound(tmp_path), tmp_path / "exp"
    (exp / "audit").mkdir(parents=True)
    (exp / "audit/folds.json").write_text("{}")
    path = data / name
    path.unlink() if harm is None else path.write_bytes(harm)
    with pytest.raises(UserError, match="run steps/validate_data.sh again"):
        audit_leaks.main(["--protocol", "folds", str(data), str(exp)])
    assert not (exp / "audit/folds.json").exists()


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
