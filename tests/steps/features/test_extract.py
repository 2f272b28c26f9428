"""Tasks, plan and front end: every utterance stored or listed, once; interrupted or replanned runs end the same."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.features import plan
from steps.features.extract import main, overrides
from steps.features.fbank import FbankConfig, FilterBank
from steps.features.store import FeatureStore, finished_tasks
from utils.errors import UsageError, UserError

ROOT = Path(__file__).resolve().parents[3]
RATE = 16000


def write_data(directory: Path, cuts: list[dict]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    with gzip.open(directory / "cuts.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)
    (directory / "corpus.json").write_text(json.dumps({
        "name": "small", "targets": [{"field": "emotion", "kind": "class", "classes": ["happy"]}]}))
    return directory


def cut(key: str, duration: float, **place) -> dict:
    return {"id": key, "start": 0.0, "duration": duration, "channel": 0, "type": "MonoCut", **place,
            "supervisions": [{"id": key, "speaker": "s", "custom": {"emotion": "happy"}}]}


def recording(path: Path, samples: np.ndarray, rate: int = RATE) -> dict:
    soundfile.write(path, samples, rate)
    return cut(path.stem, len(samples) / rate, recording={
        "id": path.stem, "sources": [{"type": "file", "channels": [0], "source": str(path)}], "sampling_rate": rate,
        "num_samples": len(samples), "duration": len(samples) / rate, "channel_ids": list(range(samples.ndim))})


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * 300 * time) * (1 + 0.5 * np.sin(20 * time))


@pytest.fixture
def data(tmp_path):
    """Eight clips: 0.30 to 0.36 s, one of 20 ms."""
    audio = tmp_path / "audio"
    audio.mkdir()
    cuts = [recording(audio / f"u{n}.wav", tone(0.3 + n / 100)) for n in range(7)]
    return write_data(tmp_path / "data", [*cuts, recording(audio / "short.wav", tone(0.02))])


def run(data: Path, features: str = "fbank", tasks: int = 1, *extra: str, steps=("prepare", "tasks", "finish")) -> Path:
    base = ["--features", features, "--nj", str(tasks), *extra, str(data)]
    for step in steps:
        if step == "tasks":
            for task in range(1, tasks + 1):
                main([*base, "--task", str(task)])
        else:
            main([*base, f"--{step}"])
    return data / features


def contents(store: FeatureStore) -> dict[str, bytes]:
    return {key: store[key].tobytes() for key in store}


def test_each_utterance_comes_out_once_and_the_number_of_tasks_changes_nothing(data):
    one = contents(FeatureStore.open(run(data, tasks=1)))
    three = FeatureStore.open(run(data, tasks=3))
    assert len(one) == 8 and contents(three) == one
    assert three.kind == "frames" and three.frame_shift == 0.01 and three.failed == {}


def test_values_may_be_stored_as_float16(data):
    full = FeatureStore.open(run(data))
    half = FeatureStore.open(run(data, "fbank", 2, "--dtype", "float16"))
    assert (half.description["dtype"], "dtype" in full.description) == ("float16", False)
    for key in full:
        np.testing.assert_allclose(half[key], full[key], rtol=2**-10, atol=1e-3)


def test_more_tasks_than_utterances(data):
    assert len(FeatureStore.open(run(data, tasks=11))) == 8


def test_threads_change_nothing(data, monkeypatch):
    pytest.importorskip("opensmile")
    one = contents(FeatureStore.open(run(data, "is09")))
    monkeypatch.setenv("EMOTION_NUM_THREADS", "3")
    shutil.rmtree(data / "is09")
    assert contents(FeatureStore.open(run(data, "is09"))) == one


def test_a_clip_too_short_for_is10_is_listed_and_not_dropped(data, capsys):
    pytest.importorskip("opensmile")
    store = FeatureStore.open(run(data, "is10", 2))
    assert len(store) == 7 and list(store.failed) == ["short"] and "20 ms" in store.failed["short"]
    assert store.description["failed"] == 1
    assert "short: 20 ms are too short" in capsys.readouterr().out
    assert len(store.columns) == 1582 and store.columns[0].startswith("pcm_loudness")


def test_values_that_are_not_finite_are_listed(data, monkeypatch):
    def broken(self, samples):
        out = np.ones((2, 80), dtype=np.float32)
        out[0, 5] = np.inf if len(samples) == 320 else 1
        return out

    monkeypatch.setattr(FilterBank, "__call__", broken)
    store = FeatureStore.open(run(data))
    assert store.failed == {"short": "1 of 160 values are not finite"}


def test_when_nothing_can_be_computed_the_run_fails(tmp_path):
    pytest.importorskip("opensmile")
    data = write_data(tmp_path / "data", [recording(tmp_path / "a.wav", tone(0.03))])
    with pytest.raises(UserError, match="no utterance could be computed"):
        run(data, "is10")
    assert not (data / "is10" / "feature.json").exists()


def test_other_rates_and_channels_come_out_as_16_khz_mono(tmp_path, capsys):
    cuts = [recording(tmp_path / "low.wav", tone(0.5, 8000), 8000),
            recording(tmp_path / "high.wav", tone(0.5, 48000), 48000),
            recording(tmp_path / "stereo.wav", np.stack([tone(0.5), tone(0.5)], axis=1)),
            recording(tmp_path / "plain.wav", tone(0.5))]
    store = FeatureStore.open(run(write_data(tmp_path / "data", cuts)))
    assert [len(store[key]) for key in ("low", "high", "stereo", "plain")] == [50] * 4
    np.testing.assert_array_equal(store["stereo"], store["plain"])
    inner = slice(3, -3)
    loud = store["plain"][inner].mean(axis=0) > -4  # bands that hold the tone
    assert loud.any() and np.abs(store["low"][inner][:, loud] - store["plain"][inner][:, loud]).max() < 0.1
    printed = capsys.readouterr().out
    assert "1 resampled 8000" in printed and "1 resampled 48000" in printed and "1 stereo" in printed


def test_shares_are_disjoint_whole_and_balanced(data):
    from steps.data.dataset import Item

    items = {f"i{n}": Item(f"i{n}", duration=float(1 + n * 7 % 13)) for n in range(101)}
    shares = [plan.share(items, task, 4) for task in range(1, 5)]
    assert sorted(item.id for share in shares for item in share) == sorted(items)
    loads = [sum(item.duration for item in share) for share in shares]
    assert max(loads) - min(loads) <= 1
    assert all([item.id for item in share] == sorted(item.id for item in share) for share in shares)


def test_another_number_of_tasks_clears_what_an_unfinished_run_left(data, capsys):
    out = run(data, "fbank", 4, steps=("prepare", "tasks"))
    assert len(finished_tasks(out)) == 4
    run(data, "fbank", 2, steps=("prepare",))
    assert finished_tasks(out) == [] and not list(out.glob("archive.*"))
    assert "num_tasks changed" in capsys.readouterr().err
    run(data, "fbank", 2)
    assert len(FeatureStore.open(out)) == 8 and len(list(out.glob("archive.*.npy"))) == 2


def test_other_options_clear_and_are_recorded(data):
    run(data)
    out = run(data, "fbank", 1, "--set", "num_mel_bins=23 dither=0.0")
    store = FeatureStore.open(out, {"options": {"num_mel_bins": 23}})
    assert store.dim == 23
    with pytest.raises(UserError, match="options.num_mel_bins is 23, expected 80"):
        FeatureStore.open(out, {"options": {"num_mel_bins": 80}})


def test_changed_inputs_of_the_stage_clear_but_a_run_by_hand_does_not(data, monkeypatch):
    monkeypatch.setenv("EMOTION_STAGE_INPUTS", "one")
    out = run(data)
    monkeypatch.delenv("EMOTION_STAGE_INPUTS")
    run(data, steps=("prepare",))
    assert finished_tasks(out) == [1]
    monkeypatch.setenv("EMOTION_STAGE_INPUTS", "two")
    run(data, steps=("prepare",))
    assert finished_tasks(out) == []


def test_a_task_of_an_older_plan_may_not_write(data):
    out = run(data, "fbank", 2, steps=("prepare",))
    with pytest.raises(UserError, match="num_tasks"):
        main(["--features", "fbank", "--nj", "3", "--task", "1", str(data)])
    assert finished_tasks(out) == []


def test_finished_tasks_are_not_done_again(data, capsys):
    out = run(data, "fbank", 2, steps=("prepare", "tasks"))
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("archive.*")}
    run(data, "fbank", 2)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("archive.*")} == before
    assert "0 of 2 tasks to do" in capsys.readouterr().out


def test_with_the_dispatcher_a_lost_archive_is_made_again_and_no_other(data, tmp_path):
    arguments = ("--features", "fbank", "--nj", "2", "data")
    assert front_end(*arguments, cwd=tmp_path).returncode == 0
    out = data / "fbank"
    before = contents(FeatureStore.open(out))
    kept = (out / "archive.1.npy").stat().st_mtime_ns
    for name in ("archive.2.npy", "index.2.tsv"):
        (out / name).unlink()
    done = front_end(*arguments, cwd=tmp_path)
    assert done.returncode == 0 and "1 of 2 tasks to do" in done.stdout, done.stderr
    assert contents(FeatureStore.open(out)) == before and (out / "archive.1.npy").stat().st_mtime_ns == kept


def test_a_killed_attempts_leftover_is_swept(data):
    out = run(data, steps=("prepare",))
    (out / ".tmp.1.archive.1.npy").write_bytes(b"half")
    run(data)
    assert not list(out.glob(".tmp.*"))


def test_a_missing_task_is_named(data):
    run(data, "fbank", 2, steps=("prepare",))
    main(["--features", "fbank", "--nj", "2", "--task", "1", str(data)])
    with pytest.raises(UserError, match="task 2 of 2 has left no archive"):
        run(data, "fbank", 2, steps=("finish",))


def test_an_utterance_that_is_missing_or_twice_is_named(data):
    out = run(data, "fbank", 2, steps=("prepare", "tasks"))
    index = out / "index.1.tsv"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[1:]))
    with pytest.raises(UserError, match=f"{lines[0].split()[0]} is missing"):
        run(data, "fbank", 2, steps=("finish",))
    index.write_text("".join([*lines, (out / "index.2.tsv").read_text()]))
    with pytest.raises(UserError, match="there twice"):
        run(data, "fbank", 2, steps=("finish",))


@pytest.mark.parametrize("window", ["archive.1.npy", "failed.1.tsv", "index.1.tsv"])
def test_killed_between_write_and_rename_the_same_command_ends_the_same(data, tmp_path, window):
    run(data, steps=("prepare",))
    command = [sys.executable, "-m", "steps.features.extract", "--features", "fbank", str(data),
               "--task", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EMOTION_FAULT": f"fbank/{window}",
                   "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert finished_tasks(data / "fbank") == []
    with pytest.raises(UserError, match="left no archive"):
        run(data, steps=("finish",))
    assert subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 0
    killed = contents(FeatureStore.open(run(data, steps=("finish",))))
    shutil.rmtree(data / "fbank")
    assert contents(FeatureStore.open(run(data))) == killed


def test_damaged_audio_is_an_error_that_names_the_file(data, tmp_path):
    path = tmp_path / "audio" / "u3.wav"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"u3\.wav"):
        run(data)
    assert finished_tasks(data / "fbank") == []


@pytest.fixture
def without_audio(tmp_path):
    """Three utterances with given frames in the cuts, one of them with a value that is not finite."""
    cuts = []
    for n, key in enumerate(["a", "b", "c"]):
        array = np.arange((n + 2) * 4, dtype=np.float64).reshape(-1, 4)
        if key == "b":
            array[0, 0] = np.nan
        np.save(tmp_path / f"{key}.npy", array)
        cuts.append(cut(key, (n + 2) * 0.1, features={
            "storage_type": "numpy_files", "storage_path": str(tmp_path), "storage_key": f"{key}.npy",
            "num_frames": n + 2, "num_features": 4, "frame_shift": 0.1}))
    return write_data(tmp_path / "data", cuts)


def test_given_features_become_a_store(without_audio):
    store = FeatureStore.open(run(without_audio, "precomputed", 2))
    assert (store.kind, store.dim, store.frame_shift) == ("frames", 4, 0.1)
    np.testing.assert_array_equal(store["c"], np.arange(16, dtype=np.float32).reshape(4, 4))
    assert store.failed == {"b": "1 of 12 values are not finite"}


def test_given_vectors_from_a_directory(without_audio, tmp_path):
    vectors = tmp_path / "vectors"
    vectors.mkdir()
    for n, key in enumerate(["a", "b"]):
        np.save(vectors / f"{key}.npy", np.full(7, n, dtype=np.float32))
    store = FeatureStore.open(run(without_audio, "precomputed", 1, "--from", str(vectors)))
    assert (store.kind, store.dim, store.frame_shift) == ("utterance", 7, None)
    assert store.ids == ["a", "b"] and "missing" in store.failed["c"]
    assert store.matrix(["b", "a"])[:, 0].tolist() == [1, 0]


def test_audio_features_of_a_corpus_without_audio_are_refused(without_audio):
    with pytest.raises(UserError, match="--features precomputed"):
        run(without_audio, "fbank")


def test_given_arrays_must_be_alike(without_audio, tmp_path):
    np.save(tmp_path / "c.npy", np.zeros((2, 5)))
    with pytest.raises(UserError, match=r"c\.npy has shape"):
        run(without_audio, "precomputed")


def test_an_array_of_objects_is_never_unpickled(without_audio, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npy"):
        run(without_audio, "precomputed")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--task", "3", "--nj", "2"], "--task 3: expected 1 to 2"), (["--task", "0"], "--task: '0'"),
    (["--prepare", "--nj", "0"], "--nj"), (["--prepare", "--set", "num_mel_bin=3"], "num_mel_bins"),
    (["--prepare", "--set", "num_mel_bins=0"], "1 to 512"), (["--prepare", "--set", "window=round"], "povey"),
    (["--prepare", "--set", "window='povey"], "--set window='povey: no closing quotation")])
def test_usage_errors_name_the_mistake(data, arguments, message):
    with pytest.raises(UsageError, match=message):
        main(["--features", "fbank", str(data), *arguments])


def test_words_of_set_and_names_of_directories_may_hold_anything(tmp_path):
    from utils.config import load_config, option

    @dataclasses.dataclass
    class Options:
        extractor: str = "x"
        directory: Path | None = None
        asr: Path | None = None
        dim: int | None = option(None, min=1)

    words = overrides(["asr='my \"asr\"' dim=3", "dim=4"], "2024 #1: it's")
    assert load_config(Options, "ivector", words) == Options("ivector", Path("2024 #1: it's"), Path('my "asr"'), 4)
    assert load_config(Options, "ivector", overrides([], "2024")).directory == Path("2024")


def test_unknown_features_list_the_known(data):
    with pytest.raises(UsageError, match="compare.*is10"):
        main(["--features", "is99", str(data), "--prepare"])


def test_defaults_in_conf_are_those_of_the_options():
    from steps.features.registry import create

    assert create("fbank").config == FbankConfig()


STAND_IN = """#!/usr/bin/env bash
# As utils/job.sh, one task after the other.
set -euo pipefail
shift 2
tasks=${1#JOB=1:} log=$2
shift 2
mkdir -p "$(dirname "$log")"
for job in $(seq "$tasks"); do "${@//"{JOB}"/$job}" >"${log//"{JOB}"/$job}" 2>&1; done
"""


def front_end(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "steps" / "extract_features.sh", *arguments], cwd=cwd, env=environment, text=True,
                          capture_output=True, check=False)


def test_the_front_end_dispatches_counts_and_describes(data, tmp_path):
    job = tmp_path / "job.sh"
    job.write_text(STAND_IN)
    job.chmod(0o755)
    done = front_end("--features", "fbank", "--nj", "2", "--cmd", str(job), "--set", "num_mel_bins=23", "data",
                     cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fbank: 8 utterances" in done.stdout
    assert FeatureStore.open(data / "fbank").dim == 23
    assert "u0" not in (data / "fbank" / "log" / "extract.2.log").read_text()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--features"], "--features: expected one"), (["data"], "are required: --features"),
    (["--features", "fbank"], "are required: DATA"),
    (["--feature", "fbank", "data"], "unknown option --feature"),
    (["--features", "fbank", "--nj", "two", "data"], "--nj: 'two'"),
    (["--features", "fbank", "a", "b"], "unrecognized arguments: b"),
    (["--features", "nosuch", "data"], "nosuch")])
def test_the_front_end_refuses_in_one_line(data, tmp_path, arguments, message):
    done = front_end(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1
