"""Synthesis by tasks: the same bytes however the work is divided, taken up after a kill, and a corpus that is read."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from local import mini
from local.synthesis import task
from utils.errors import UsageError, UserError
from utils.files import ROOT


def run(out: Path, *what: str, tasks: int = 1, seed: int = 0, kind: str = "emotion") -> None:
    task.main(["--corpus", "mini", "--set", kind, "--size", "tiny", "--seed", str(seed), "--nj", str(tasks),
               *what, str(out)])


def digests(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("wav/*/*.wav"))}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("mini") / "tiny"
    for what in (["--prepare"], ["--task", "1"], ["--finish"]):
        run(out, *what)
    return out


def test_the_bytes_do_not_depend_on_the_division(tiny, tmp_path):
    run(tmp_path, "--prepare", tasks=4)
    run(tmp_path, "--task", "2", tasks=4)
    part = digests(tmp_path)
    assert len(part) == 15 and part.items() <= digests(tiny).items()


def test_rows_are_what_the_plan_says(tiny):
    rows = mini.rows(tiny)
    plan = {u.id: u for u in mini.plan("emotion", "tiny", 0)}
    assert [row.id for row in rows] == list(plan)
    for row in rows:
        assert row.path.is_file() and set(row.fields) <= set(mini.FIELDS)
        assert row.fields["text"] == plan[row.id].sentence.text and row.fields["emotion"] == plan[row.id].emotion
        assert row.fields["snr"] == plan[row.id].snr
    [official] = mini.protocols(rows)
    assert Counter(official.folds[0].values()) == {"train": 24, "dev": 18, "test": 18} and not official.speaker_overlap


def test_recordings_are_16_khz_and_say_something(tiny):
    import soundfile

    for row in mini.rows(tiny):
        samples, rate = soundfile.read(row.path, dtype="int16")
        assert rate == 16000 and samples.ndim == 1
        assert 0.5 < len(samples) / rate < 12 and 500 < abs(samples.astype(int)).max() < 32768


def test_a_finished_recording_is_kept_and_a_missing_one_made_again(tiny):
    before, victim = digests(tiny), sorted(tiny.glob("wav/*/*.wav"))[5]
    times = {path: path.stat().st_mtime_ns for path in tiny.glob("wav/*/*.wav") if path != victim}
    victim.unlink()
    for what in (["--prepare"], ["--task", "1"], ["--finish"]):
        run(tiny, *what)
    assert digests(tiny) == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_recording_that_was_cut_off_is_named_and_mended(tiny):
    before, victim = digests(tiny), sorted(tiny.glob("wav/*/*.wav"))[7]
    victim.write_bytes(victim.read_bytes()[:5000])
    with pytest.raises(UserError, match=victim.name):
        run(tiny, "--finish")
    for what in (["--prepare"], ["--task", "1"], ["--finish"]):
        run(tiny, *what)
    assert digests(tiny) == before


def test_recordings_of_another_seed_are_not_taken(tmp_path):
    run(tmp_path, "--prepare", tasks=60)
    run(tmp_path, "--task", "1", tasks=60)
    first = digests(tmp_path)
    with pytest.raises(UserError, match="begun with seed 0, this task has 1"):
        run(tmp_path, "--task", "1", tasks=60, seed=1)
    run(tmp_path, "--prepare", tasks=60, seed=1)
    assert not digests(tmp_path)
    run(tmp_path, "--task", "1", tasks=60, seed=1)
    assert digests(tmp_path) != first and digests(tmp_path).keys() == first.keys()


def test_a_directory_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        run(tmp_path, "--prepare")
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_what_a_kill_before_the_first_file_leaves_is_no_obstacle(tmp_path):
    (tmp_path / ".tmp.123.synthesis.json").write_text("{")
    run(tmp_path, "--prepare")
    assert (tmp_path / "synthesis.json").is_file()


@pytest.mark.parametrize(("arguments", "named"), [
    (["--corpus", "ravdess", "--prepare"], "ravdess"), (["--corpus", "nosuch", "--prepare"], "nosuch"),
    (["--corpus", "mini", "--set", "songs", "--prepare"], "emotion, asr"),
    (["--corpus", "mini", "--nj", "2", "--task", "3"], "1 to 2")])
def test_usage_errors_name_the_option(tmp_path, arguments, named):
    with pytest.raises(UsageError, match=named):
        task.main([*arguments, str(tmp_path / "out")])


def test_rows_of_a_directory_without_a_table_say_what_to_run(tmp_path):
    with pytest.raises(UsageError, match="synthesize_corpus.sh"):
        mini.rows(tmp_path)


def front_end(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "steps" / "synthesize_corpus.sh", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("arguments", ["--nosuch", "--corpus", "--corpus mini", "--corpus mini --nj 0 x",
                                       "--corpus mini --seed a x", "--corpus mini --size big x", "--corpus mini x y"])
def test_the_front_end_refuses_what_it_does_not_know(arguments):
    done = front_end(*arguments.split())
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_set_for_recognizers_is_made_by_array_tasks(tmp_path):
    done = front_end("--corpus", "mini", "--set", "asr", "--size", "tiny", "--nj", "2", str(tmp_path / "with space"))
    assert done.returncode == 0, done.stderr
    rows = mini.rows(tmp_path / "with space")
    assert len({row.speaker for row in rows}) == 24 and {row.fields["emotion"] for row in rows} == {"-"}
    assert {row.fields["language"] for row in rows} == {"en", "zh"} and all(row.fields["text"] for row in rows)
    assert set(mini.protocols(rows)[0].folds[0].values()) == {"train", "dev", "test"}


def test_help_is_quick():
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "local.synthesis.task", "--help"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0 and not {"numpy", "torch", "yaml"} & {
        line.split("|")[-1].strip() for line in done.stderr.splitlines()}
