"""A set comes back with transcripts, whole, and the set that it was made of stays as it was."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from steps.asr import transcribe
from steps.asr.given_transcripts import Transcript
from steps.asr.hypothesis import Hypothesis, write_hypotheses
from steps.audit.trained_on import audit_components
from steps.data.dataset import Dataset
from steps.data.fields import check_name, check_value, load_fields
from steps.data.trained_on import describe_texts, write_training
from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
from utils.errors import UserError


@pytest.fixture
def data(tmp_path):
    rows = utterances(3, 1)
    rows[0] |= {"asr_text": "of another recogniser", "asr_confidence": 1.0}
    path = write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})
    (path / "audio_hashes.tsv").write_text("id\tsha256\n")
    return Dataset.open(path)


def lines_of(path):
    with gzip.open(path / "cuts.jsonl.gz", "rt") as stream:
        return [json.loads(line) for line in stream]


def digests(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.rglob("*") if file.is_file()}


def write_text(tmp_path, data, lines=None):
    lines = {key: f"Word {number}" for number, key in enumerate(data.items)} if lines is None else lines
    (tmp_path / "text").write_text("".join(f"{key} {text}\n" for key, text in lines.items()))
    return str(tmp_path / "text")


def test_the_set_comes_back_whole_with_transcripts_and_the_old_one_stays(tmp_path, data, capsys):
    before = digests(data.path)
    assert transcribe.main(["--text", write_text(tmp_path, data), str(data.path), str(tmp_path / "out")]) == 0
    assert digests(data.path) == before
    out = Dataset.open(tmp_path / "out")
    assert [item.fields["asr_text"] for item in out.items.values()] == [f"word {n}" for n in range(len(data.items))]
    assert out.split("folds") == data.split("folds") and out.info["classes"] == data.info["classes"]
    for old, new in zip(lines_of(data.path), lines_of(out.path), strict=True):
        for cut in (old, new):
            for name in transcribe.FIELDS:
                cut["supervisions"][0]["custom"].pop(name, None)
        assert old == new
    assert "12 utterances, 0 with an empty text, 0 failed\n" in capsys.readouterr().out
    assert all("asr_confidence" not in item.fields for item in out.items.values())  # the file says nothing of it
    assert (out.path / "audio_hashes.tsv").is_file()


def test_hypotheses_bring_confidence_and_nbest_and_failures_are_listed(tmp_path, data, capsys):
    ids = list(data.items)
    found = {key: [Hypothesis(("a", "b"), -0.5, ((0, 1), (1, 2)), (0.8, 0.6)), Hypothesis(("a",), -1.5)] for key in ids}
    found[ids[1]] = []
    found[ids[2]] = [Hypothesis()]
    write_hypotheses(tmp_path / "hypotheses.tsv", found)
    write_training(tmp_path / "asr", describe_texts(["other"], "speech", "recogniser"))
    transcribe.main(["--text", str(tmp_path / "hypotheses.tsv"), "--asr", str(tmp_path / "asr"), str(data.path),
                     str(tmp_path / "out")])
    fields = {key: item.fields for key, item in Dataset.open(tmp_path / "out").items.items()}
    assert fields[ids[0]]["asr_text"] == "a b" and fields[ids[0]]["asr_confidence"] == pytest.approx(0.7)
    assert fields[ids[0]]["asr_nbest"] == [["a b", -0.5], ["a", -1.5]]
    assert fields[ids[1]]["asr_text"] == "" and fields[ids[1]]["asr_confidence"] == 0
    assert fields[ids[2]]["asr_text"] == "" and fields[ids[2]]["asr_nbest"] == [["", 0.0]]
    printed = capsys.readouterr()
    assert "12 utterances, 1 with an empty text, 1 failed, mean confidence 0.636" in printed.out  # 10 of 0.7, one 0
    assert printed.err == f"  failed: {ids[1]}\n"
    info = Dataset.open(tmp_path / "out").info["transcripts"]
    assert info["failed"] == [ids[1]] and info["from"] == str(tmp_path / "asr") and info["untold"] == []


def test_the_fields_are_registered_and_lhotse_reads_them(tmp_path, data):
    lhotse = pytest.importorskip("lhotse")
    found = {key: Transcript("yes", 0.5, (("yes", -0.7), ("no", -1.0))) for key in data.items}
    transcribe.write_transcribed(data, found, [], tmp_path / "out", {"from": "here"})
    registry = load_fields()
    for name, value in transcribe.fields_of(found["s00-0-0"]).items():
        check_name(registry, name, "here")
        assert check_value(registry[name], name, value, "here") == value
    cuts = lhotse.CutSet.from_file(tmp_path / "out/cuts.jsonl.gz")
    assert {cut.supervisions[0].custom["asr_nbest"][1][0] for cut in cuts} == {"no"}


def test_the_same_transcripts_give_the_same_bytes_and_others_replace_them(tmp_path, data):
    out = tmp_path / "out"
    arguments = ["--text", write_text(tmp_path, data), str(data.path), str(out)]
    transcribe.main(arguments)
    first = digests(out)
    transcribe.main(arguments)
    assert digests(out) == first
    write_text(tmp_path, data, dict.fromkeys(data.items, "new"))
    transcribe.main(arguments)
    assert {item.fields["asr_text"] for item in Dataset.open(out).items.values()} == {"new"}


def test_missing_ids_are_an_error_or_empty(tmp_path, data):
    text = write_text(tmp_path, data, {"s00-0-0": "x", "other": "y"})
    with pytest.raises(UserError, match="11 of 12 utterances have no transcript"):
        transcribe.main(["--text", text, str(data.path), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    transcribe.main(["--text", text, "--allow-missing", str(data.path), str(tmp_path / "out")])
    out = Dataset.open(tmp_path / "out")
    assert [item.fields["asr_text"] for item in out.items.values()] == ["x"] + 11 * [""]
    assert len(out.info["transcripts"]["failed"]) == 11


def test_no_other_data_set_is_overwritten(tmp_path, data):
    text = write_text(tmp_path, data)
    with pytest.raises(UserError, match="OUT is DATA"):
        transcribe.main(["--text", text, str(data.path), str(data.path / "../data")])
    other = write_data(tmp_path / "other", utterances(1, 1), {})
    with pytest.raises(UserError, match="a data set that was not made by transcribing"):
        transcribe.main(["--check", str(data.path), str(other)])


def test_the_audit_sees_what_the_recogniser_was_trained_on_or_that_nobody_says(tmp_path, data, capsys):
    text = write_text(tmp_path, data)
    transcribe.main(["--text", text, str(data.path), str(tmp_path / "out")])
    assert f"warning: {text} does not say what its recogniser was trained on" in capsys.readouterr().err
    out = Dataset.open(tmp_path / "out")
    assert audit_components(out, out.split("folds"), [])["unknown"] == [text]
    write_training(tmp_path / "asr", describe_texts(["sentence 0"], "speech", "recogniser"))
    transcribe.main(["--text", text, "--trained-on", str(tmp_path / "asr"), str(data.path), str(tmp_path / "out")])
    out = Dataset.open(tmp_path / "out")
    found = audit_components(out, out.split("folds"), [])
    assert found["unknown"] == [] and "recogniser was trained on speech" in found["leaks"][0]
