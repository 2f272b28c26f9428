"""Transcripts come as layers beside a data set, which stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from steps.asr.decode.hypothesis import Hypothesis, write_hypotheses
from steps.asr.recognizers.onnx_export import export_onnx
from steps.asr.recognizers.recognizer import open_recognizer
from steps.asr.transcripts import transcribe
from steps.asr.transcripts.precomputed_transcripts import Transcript
from steps.audit.trained_on import audit_components
from steps.data.dataset import Dataset
from steps.data.fields import check_name, check_value, load_fields
from steps.data.layers import layers_of, read_about
from steps.data.trained_on import describe_texts, write_training
from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def data(tmp_path):
    rows = utterances(3, 1)
    rows[0] |= {"asr_text": "of another recognizer", "asr_confidence": 1.0}
    path = write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})
    (path / "audio_hashes.tsv").write_text("id\tsha256\n")
    return Dataset.open(path)


def heard(data):
    """The data set with what was heard."""
    return Dataset.open(data.path, layers=("asr",))


def digests(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.rglob("*") if file.is_file()}


def write_text(tmp_path, data, lines=None):
    lines = {key: f"Word {number}" for number, key in enumerate(data.items)} if lines is None else lines
    (tmp_path / "text").write_text("".join(f"{key} {text}\n" for key, text in lines.items()))
    return str(tmp_path / "text")


def test_every_utterance_has_its_transcript_and_the_data_set_stays_as_it_was(tmp_path, data, capsys):
    before = digests(data.path)
    assert transcribe.main(["--text", write_text(tmp_path, data), str(data.path)]) == 0
    assert {name: digests(data.path)[name] for name in before} == before
    items = heard(data).items
    assert [item.fields["asr_text"] for item in items.values()] == [f"word {n}" for n in range(len(data.items))]
    assert "12 utterances, 0 with an empty text, 0 failed\n" in capsys.readouterr().out
    # The file says nothing of it, and what the data set says is of another text.
    assert all("asr_confidence" not in item.fields for item in items.values())
    assert Dataset.open(data.path).items["s00-0-0"].fields["asr_text"] == "of another recognizer"


def test_hypotheses_bring_confidence_and_nbest_and_failures_are_listed(tmp_path, data, capsys):
    ids = list(data.items)
    found = {key: [Hypothesis(("a", "b"), -0.5, ((0, 1), (1, 2)), (0.8, 0.6)), Hypothesis(("a",), -1.5)] for key in ids}
    found[ids[1]] = []
    found[ids[2]] = [Hypothesis()]
    write_hypotheses(tmp_path / "hypotheses.tsv", found)
    write_training(tmp_path / "asr", describe_texts(["other"], "speech", "recognizer"))
    transcribe.main(["--text", str(tmp_path / "hypotheses.tsv"), "--asr", str(tmp_path / "asr"), str(data.path)])
    fields = {key: item.fields for key, item in heard(data).items.items()}
    assert fields[ids[0]]["asr_text"] == "a b" and fields[ids[0]]["asr_confidence"] == pytest.approx(0.7)
    assert fields[ids[0]]["asr_nbest"] == [["a b", -0.5], ["a", -1.5]]
    assert fields[ids[1]]["asr_text"] == "" and fields[ids[1]]["asr_confidence"] == 0
    assert fields[ids[2]]["asr_text"] == "" and fields[ids[2]]["asr_nbest"] == [["", 0.0]]
    printed = capsys.readouterr()
    assert "12 utterances, 1 with an empty text, 1 failed, mean confidence 0.636" in printed.out  # 10 of 0.7, one 0
    assert printed.err == f"  failed: {ids[1]}\n"
    words = Dataset.open(data.path, layers=("asr", "asr_words")).items[ids[0]].fields["asr_words"]
    assert words == [["a", 0.0, 1.0, 0.8], ["b", 1.0, 2.0, 0.6]]
    info = read_about(data.path, "asr")
    assert info["failed"] == [ids[1]] and info["from"] == str(tmp_path / "asr") and info["untold"] == []


def test_words_of_an_earlier_recognizer_do_not_stand_beside_the_text_of_another(data):
    for text, words in (("old", (("old", 0.0, 0.1, 1.0),)), ("new", ())):
        transcribe.add_transcripts(data, {key: Transcript(text, words=words) for key in data.items}, [], {"from": text})
    assert layers_of(data.path) == ["asr"]


def test_the_fields_are_registered(data):
    found = {key: Transcript("yes", 0.5, (("yes", -0.7), ("no", -1.0))) for key in data.items}
    transcribe.add_transcripts(data, found, [], {"from": "here"})
    registry = load_fields()
    for name, value in transcribe.fields_of(found["s00-0-0"]).items():
        check_name(registry, name, "here")
        assert check_value(registry[name], name, value, "here") == value
    assert {item.fields["asr_nbest"][1][0] for item in heard(data).items.values()} == {"no"}


def test_the_same_transcripts_give_the_same_bytes_and_others_replace_them(tmp_path, data):
    arguments = ["--text", write_text(tmp_path, data), str(data.path)]
    transcribe.main(arguments)
    first = digests(data.path)
    transcribe.main(arguments)
    assert digests(data.path) == first
    write_text(tmp_path, data, dict.fromkeys(data.items, "new"))
    transcribe.main(arguments)
    assert {item.fields["asr_text"] for item in heard(data).items.values()} == {"new"}


def test_missing_ids_are_an_error_or_empty(tmp_path, data):
    text = write_text(tmp_path, data, {"s00-0-0": "x", "other": "y"})
    with pytest.raises(UserError, match="11 of 12 utterances have no transcript"):
        transcribe.main(["--text", text, str(data.path)])
    assert not (data.path / "layers").exists()
    transcribe.main(["--text", text, "--allow-missing", str(data.path)])
    assert [item.fields["asr_text"] for item in heard(data).items.values()] == ["x"] + 11 * [""]
    assert len(read_about(data.path, "asr")["failed"]) == 11


def test_the_audit_sees_what_the_recognizer_was_trained_on_or_that_nobody_says(tmp_path, data, capsys):
    text = write_text(tmp_path, data)
    transcribe.main(["--text", text, str(data.path)])
    assert f"warning: {text} does not say what its recognizer was trained on" in capsys.readouterr().err
    assert audit_components(data, data.split("folds"), [])["unknown"] == [text]
    write_training(tmp_path / "asr", describe_texts(["sentence 0"], "speech", "recognizer"))
    transcribe.main(["--text", text, "--trained-on", str(tmp_path / "asr"), str(data.path)])
    found = audit_components(data, data.split("folds"), [])
    assert found["unknown"] == [] and "recognizer was trained on speech" in found["leaks"][0]


def run(*words, **environment):
    return subprocess.run([str(ROOT / "steps/transcribe.sh"), *map(str, words)], capture_output=True, text=True,
                          env=os.environ | environment, check=False)


@pytest.fixture
def spoken(tmp_path):
    """Five recordings with filter banks: noise of half a second to a second, one of 30 ms, one that is lost later."""
    from steps.features.extract import main

    rng = np.random.default_rng(0)
    rows = []
    for number, seconds in enumerate((0.5, 0.7, 1.0, 0.03, 0.6)):
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(int(16000 * seconds)), 16000)
        rows.append({"id": f"u{number}", "path": path, "duration": seconds, "emotion": "happy", "speaker": "s"})
    data = write_data(tmp_path / "data", rows, {"folds": [("u0", 1, "train"), ("u1", 1, "dev"), ("u2", 1, "test")]})
    for step in ("--prepare", "--task=1", "--finish"):
        main(["--features", "fbank", str(data), step])
    index = data / "fbank/index.1.tsv"
    lines = index.read_text().splitlines(keepends=True)
    assert lines[-1].startswith("u4\t")
    description = json.loads((data / "fbank/feature.json").read_text())
    index.write_text("".join(lines[:-1]))
    archive = np.load(data / "fbank/archive.1.npy")
    np.save(data / "fbank/archive.1.npy", archive[:-int(lines[-1].split("\t")[2])])
    (data / "fbank/failed.1.tsv").write_text("u4\tlost\n")
    (data / "fbank/feature.json").write_text(json.dumps(description | {"utterances": 4, "failed": 1}))
    return data


def write_onnx(directory):
    """A foreign model: the mean energy of four frames decides between blank, a and b."""
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor, x_lens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            level = torch.sin(3.0 * x[:, ::4].mean(dim=2, keepdim=True))
            return torch.cat([level, -level, 0.5 * level], dim=2).mul(4.0).log_softmax(-1), (x_lens + 3) // 4

    directory.mkdir()
    export_onnx(Model(), 80, directory / "model.onnx", {"vocab_size": 3, "subsampling_factor": 4})
    (directory / "tokens.txt").write_text("<blk> 0\n▁a 1\n▁b 2\n")
    return directory


def test_a_torchscript_file_is_not_run(tmp_path):
    (tmp_path / "cpu_jit.pt").write_bytes(b"a program")
    with pytest.raises(UserError, match=r"TorchScript file, which is a program and is not run; export .* as ONNX"):
        open_recognizer(tmp_path)


@pytest.mark.slow
def test_the_front_end_decodes_by_tasks_resumes_and_writes_every_utterance(tmp_path, spoken):
    asr, out = write_onnx(tmp_path / "asr"), spoken / "layers/asr"
    arguments = ("--asr", asr, "--method", "prefix", "--nj", "2", spoken)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    items = Dataset.open(spoken, layers=("asr",)).items
    assert sorted(items) == ["u0", "u1", "u2", "u3", "u4"]
    assert set(items["u2"].fields["asr_text"].split()) <= {"a", "b"} and items["u2"].fields["asr_text"]
    assert 0 < items["u2"].fields["asr_confidence"] <= 1 and len(items["u2"].fields["asr_nbest"]) > 1
    assert sum(np.exp(value) for _, value in items["u2"].fields["asr_nbest"]) <= 1 + 1e-5
    for key in ("u3", "u4"):  # too short for an output frame; without features
        assert items[key].fields["asr_text"] == "" and items[key].fields["asr_confidence"] == 0
    assert "failed: u4" in done.stderr and read_about(spoken, "asr")["failed"] == ["u4"]
    assert "does not say what its recognizer was trained on" in done.stderr
    first = digests(out)
    (out / "layer.json").unlink()
    (out / "decoded/hypotheses.2.tsv").unlink()
    again = run(*arguments)
    assert again.returncode == 0 and "1 of 2 tasks to do" in again.stdout
    wanted = ("fields.jsonl.gz", "hypotheses.tsv", "layer.json")
    assert {name: first[name] for name in wanted} == {name: digests(out)[name] for name in wanted}


@pytest.mark.parametrize("words, message", [
    ([], "expected the data directory"), (["--text", "x", "a", "b"], "a layer of DATA now (a/layers/asr): leave b out"),
    (["a"], "give one of --asr DIR, --asr-onnx DIR and --text FILE"),
    (["--asr", "x", "--text", "y", "a"], "give one of"),
    (["--asr-onnx", "x", "a"], "--asr-onnx x: no model.onnx there"),
    (["--text", "x", "--graph", "g", "a"], "--graph does not go with --text"),
    (["--asr", "x", "--allow-missing", "a"], "--allow-missing goes with --text only"),
    (["--asr", "x", "--nj", "0", "a"], "--nj is '0'"),
    (["--asr", "x", "--beam", "3", "a"], "unknown option --beam"),
])
def test_a_wrong_option_is_one_line(words, message):
    done = run(*words)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
