"""Windows of a recording that is never held as a whole; formats, notes and limits of utils/emotion.sh."""

import json

import numpy as np
import pytest
import soundfile

from steps.data.audio import resample
from steps.inference import model as models
from steps.inference.graph import Graph
from steps.inference.outputs import Classes
from steps.inference.picture import WIDTH, timeline
from steps.inference.windows import Windows, windows_of
from tests.integration.box import tone
from tests.steps.data.audio.sounds import encode, sine
from tests.steps.inference.test_main import run


@pytest.mark.parametrize(("length", "size", "step"), [(100, 30, 10), (95, 30, 10), (20, 30, 10), (100, 10, 37),
                                                      (0, 5, 5)])
def test_windows_are_slices_of_the_whole(length, size, step):
    whole = np.arange(length, dtype=np.float32)
    blocks = [whole[start:start + 7] for start in range(0, length, 7)]
    found = list(windows_of(iter(blocks), length, size, step))
    assert [start for start, _ in found] == list(range(0, max(length - size + step - 1, 0) + 1, step))
    for start, samples in found:
        assert np.array_equal(samples, whole[start:start + size])


def test_a_window_of_another_rate_is_a_slice_of_the_whole_resampled(exported, tmp_path, monkeypatch):
    voice = np.stack([sine(44100, 2.3), 0.5 * sine(44100, 2.3, 300)], 1)
    soundfile.write(tmp_path / "a.wav", voice, 44100, subtype="FLOAT")
    heard = []
    model = models.EmotionModel.open(exported("svm_is10"))
    hear = Graph.hear
    monkeypatch.setattr(Graph, "hear", lambda self, key, samples, *rest: heard.append(samples) or hear(
        self, key, samples, *rest))
    model.windows(tmp_path / "a.wav", 1.0, 0.5)
    whole = resample(voice.astype("float32").mean(axis=1, dtype="float64").astype("float32"), 44100)
    assert [len(samples) for samples in heard] == [16000, 16000, 16000, 12800]
    for number, samples in enumerate(heard):
        assert np.array_equal(samples, whole[8000 * number:8000 * number + 16000])


@pytest.mark.parametrize("most", [1000, 3])
def test_speakers_of_windows_are_normalized_by_all_their_windows(exported, tmp_path, monkeypatch, most):
    soundfile.write(tmp_path / "a.wav", np.concatenate(
        [soundfile.read(tone(tmp_path / f"{number}.wav", number, 1.0))[0] for number in range(4)]), 16000)
    monkeypatch.setattr(models, "BLOCK", 3)
    model = models.EmotionModel.open(exported("svm_is10", "norm-speaker"))
    record = model.windows(tmp_path / "a.wav", 1.0, 0.5)
    assert [window["speaker"] for window in record["windows"]] == [str(tmp_path / "a.wav")] * 7
    monkeypatch.setattr(models, "MOST", most)
    again = model.windows(tmp_path / "a.wav", 1.0, 0.5)
    assert (list(again["windows"]) == list(record["windows"])) == (most == 1000)
    whole = soundfile.read(tmp_path / "a.wav", dtype="float32")[0]
    alone = [model.graph.hear("w", whole[8000 * n:8000 * n + 16000], 1.0, "x") for n in range(7)]
    for window, wanted in zip(record["windows"], model.score(alone), strict=True):
        assert window["posteriors"] == pytest.approx(wanted["posteriors"], abs=1e-9)


def test_records_of_many_windows_are_arrays():
    windows = Windows(Classes(["a", "b"]), ["one"])
    for number in range(2 * WIDTH + 10):
        share = (number % 10) / 10
        windows.append(number, number + 1, {"emotion": "b", "posteriors": {"a": share, "b": 1 - share},
                                            "subsystems": {"one": {"a": 0.5, "b": 0.5}}, "transcript": None})
    assert windows[13] == {"start": 13, "end": 14, "emotion": "b", "posteriors": {"a": 0.3, "b": 0.7},
                           "subsystems": {"one": {"a": 0.5, "b": 0.5}}, "transcript": None}
    assert windows[-1]["start"] == 2 * WIDTH + 9 and len(windows[2:5]) == 3 and len(list(windows)) == len(windows)
    drawn = timeline({"file": "x", "seconds": 2 * WIDTH + 10, "windows": windows}, ["a", "b"])
    assert drawn.count("<title>") - 1 <= WIDTH


def test_what_is_to_be_said_of_a_sound_stands_in_its_record(exported, tmp_path):
    voice = sine(16000)
    soundfile.write(tmp_path / "anti.wav", np.stack([voice, -voice], 1), 16000)
    soundfile.write(tmp_path / "left.wav", voice, 16000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    one = voice.copy()
    one[5] = np.nan
    soundfile.write(tmp_path / "nan.wav", one, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    status, lines = run(exported("svm_is10"), tmp_path)
    anti, left, one, none, silence = (json.loads(line) for line in lines)
    assert anti["notes"] == ["channels that cancel: their mean is near silence; channel 1 alone is heard"]
    assert anti["posteriors"] == left["posteriors"] and "notes" not in left
    assert silence["notes"] == ["digital silence: every sample is 0"]
    assert "1 of 8000 are NaN" in one["notes"][0] and np.isfinite(list(one["posteriors"].values())).all()
    assert status == 1 and "8000 of 8000 samples are NaN or infinite" in none["error"]
    _, rows = run("--format", "tsv", "--timeline", tmp_path / "t", exported("svm_is10"), tmp_path / "anti.wav")
    assert dict(zip(rows[0].split("\t"), rows[1].split("\t"), strict=True))["notes"].startswith("channels that cancel")


def test_a_directory_of_a_phone(exported, tmp_path, capsys):
    for name, codec in (("a.m4a", "aac"), ("b.webm", "libopus")):
        encode(tmp_path / name, codec)
    for name in ("._a.m4a", ".b.webm", ".cache/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    status, lines = run(exported("svm_is10"), tmp_path)
    assert status == 0 and [json.loads(line)["file"][-6:] for line in lines] == ["/a.m4a", "b.webm"]
    assert "2 audio files whose names begin with a dot are passed over" in capsys.readouterr().err


def test_pointers_of_git_lfs_are_one_line_for_the_lot(exported, tmp_path, capsys):
    for number in range(3):
        (tmp_path / f"{number}.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    assert run(exported("svm_is10"), tmp_path) == (1, [])
    error = capsys.readouterr().err
    assert "3 of 3 recordings are git-lfs pointers" in error and f"run git lfs pull in {tmp_path}" in error
    assert error.count("\n") == 1
