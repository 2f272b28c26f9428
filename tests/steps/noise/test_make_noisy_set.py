"""A noisy set has the same utterances with other audio; a task that is done is not done again."""

import json
import subprocess

import numpy as np
import pytest
import soundfile

from steps.data.dataset import Dataset
from steps.data.fields import check_name, check_value, load_fields
from steps.noise.make_noisy_set import main
from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
from utils.errors import UsageError, UserError
from utils.files import ROOT


@pytest.fixture
def data(tmp_path):
    rows = utterances(3, 1)
    for number, row in enumerate(rows):
        row |= {"duration": 0.5, "path": tmp_path / f"{row['id']}.wav", "asr_text": "of clean audio"}
        time = np.arange(8000) / 16000
        soundfile.write(row["path"], 0.1 * np.sin(2 * np.pi * (150 + 10 * number) * time), 16000)
    return write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})


def make(data, out, *options, tasks=1):
    words = [*options, "--kinds", "bursts noise", "--nj", str(tasks)]
    main([*words, "--prepare", str(data), str(out)])
    for task in range(1, tasks + 1):
        main([*words, "--task", str(task), str(data), str(out)])
    main([*words, "--finish", str(data), str(out)])
    return Dataset.open(out)


def test_the_set_is_the_same_but_for_its_audio(tmp_path, data, capsys):
    clean, noisy = Dataset.open(data), make(data, tmp_path / "noisy", "--snr", "10")
    assert list(noisy.items) == list(clean.items) and noisy.split("folds") == clean.split("folds")
    registry = load_fields({})
    for key, item in noisy.items.items():
        assert (item.fields["emotion"], item.speaker) == (clean.items[key].fields["emotion"],
                                                           clean.items[key].speaker)
        assert item.fields["snr"] == 10 and item.fields["noise"] in ("bursts", "noise")
        assert "asr_text" not in item.fields  # of other audio
        for name in ("snr", "noise"):
            check_name(registry, name, "here")
            assert check_value(registry[name], name, item.fields[name], "here") == item.fields[name]
        samples, rate = soundfile.read(item.path, dtype="int16")
        voice = soundfile.read(clean.items[key].path)[0]
        noise = samples / 32767 - voice
        assert rate == 16000 and 10 * np.log10(np.mean(voice ** 2) / np.mean(noise ** 2)) == pytest.approx(10, abs=0.1)
    info = noisy.info["noise"]
    assert (info["snr"], info["pool"], info["scaled"], info["clean"]) == (10.0, "test", 0, 0)
    assert sum(info["counts"].values()) == 12 and "12 utterances, SNR 10.0" in capsys.readouterr().out


def test_any_number_of_tasks_gives_the_same_and_a_finished_task_stays(tmp_path, data, capsys):
    one, two = make(data, tmp_path / "one", "--snr", "random"), make(data, tmp_path / "two", "--snr", "random", tasks=2)
    for key, item in one.items.items():
        assert np.array_equal(soundfile.read(item.path)[0], soundfile.read(two.items[key].path)[0])
        assert item.fields == two.items[key].fields
    assert one.info["noise"]["pool"] == "train"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "two/audio").glob("*.flac")}
    (tmp_path / "two/audio/index.2.tsv").unlink()
    make(data, tmp_path / "two", "--snr", "random", tasks=2)
    changed = {path.stem for path, stamp in before.items() if path.stat().st_mtime_ns != stamp}
    assert 0 < len(changed) < 12 and "task 1: index.1.tsv is whole already" in capsys.readouterr().out


def test_another_seed_clears_what_was_there(tmp_path, data):
    items = make(data, tmp_path / "out", "--snr", "5").items
    first = {key: soundfile.read(item.path)[0] for key, item in items.items()}
    second = make(data, tmp_path / "out", "--snr", "5", "--seed", "1")
    assert not any(np.array_equal(first[key], soundfile.read(item.path)[0]) for key, item in second.items.items())


def test_only_some_parts(tmp_path, data):
    noisy, clean = make(data, tmp_path / "out", "--snr", "5", "--only", "folds/test folds/dev"), Dataset.open(data)
    assert list(noisy.items) == list(clean.items)  # three folds: everyone is tested once
    lines = (data / "splits/folds.tsv").read_text().splitlines()
    (data / "splits/folds.tsv").write_text("\n".join([lines[0], *(line for line in lines if "\t1\t" in line)]) + "\n")
    noisy = make(data, tmp_path / "out", "--snr", "5", "--only", "folds/test")
    assert list(noisy.items) == clean.split("folds").ids(1, "test") == noisy.split("folds").ids(1, "test")
    assert not noisy.split("folds").parts[1].get("train")
    assert {path.stem for path in (tmp_path / "out/audio").glob("*.flac")} == set(noisy.items)


def test_what_cannot_be_is_refused(tmp_path, data):
    with pytest.raises(UsageError, match="which is never edited"):
        main(["--snr", "5", "--prepare", str(data), str(data)])
    with pytest.raises(UsageError, match="accepted: one or more of noise, music"):
        main(["--snr", "5", "--kinds", "hiss", "--prepare", str(data), str(tmp_path / "out")])
    with pytest.raises(UserError, match="protocol 'nope'"):
        main(["--snr", "5", "--only", "nope/test", "--prepare", str(data), str(tmp_path / "out")])
    main(["--snr", "5", "--prepare", str(data), str(tmp_path / "out")])
    with pytest.raises(UserError, match="index.1.tsv is missing"):
        main(["--snr", "5", "--finish", str(data), str(tmp_path / "out")])
    with pytest.raises(UserError, match="was begun with"):
        main(["--snr", "10", "--task", "1", str(data), str(tmp_path / "out")])


@pytest.mark.slow
def test_the_front_end_runs_tasks_as_jobs(tmp_path, data):
    words = [str(ROOT / "steps/make_noisy_set.sh"), "--snr", "-5", "--kinds", "bursts", "--nj", "2",
             "--features", "fbank", str(data), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/corpus.json").read_text())["noise"]["snr"] == -5
    assert json.loads((tmp_path / "out/fbank/feature.json").read_text())["utterances"] == 12
    again = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert again.returncode == 0 and "0 of 2 tasks to do" in again.stdout


def test_an_option_may_be_empty_and_an_argument_may_not():
    """A recipe hands on `--musan ""` where no directory was given."""
    for arguments, status, message in ((["--snr", "5", "--musan", "", "/nowhere", "b"], 1, "is no prepared data set"),
                                       (["--snr", "5", "", "b"], 2, "an argument is empty")):
        done = subprocess.run([str(ROOT / "steps/make_noisy_set.sh"), *arguments], capture_output=True, text=True)
        assert done.returncode == status and message in done.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "are required: --snr"), (["--snr", "5", "data"], "are required: OUT"),
    (["--snr", "5", "--pool", "dev", "a", "b"], "--pool: invalid choice: 'dev'"),
    (["--snr", "5", "--musan", "/nowhere", "a", "b"], "--musan: '/nowhere': no such directory"),
])
def test_a_wrong_call_is_one_line_and_status_2(arguments, message):
    done = subprocess.run([str(ROOT / "steps/make_noisy_set.sh"), *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
