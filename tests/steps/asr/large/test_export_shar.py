"""Prepared cuts become lhotse shar with an index: the samples stay, shards resume, what fails is counted."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from lhotse import CutSet

from steps.asr.large import export_shar
from steps.asr.large.lazy_cuts import SpeechSet, SpeechSets, index_path, shard_name
from steps.asr.large.prepare_speech import Limits, prepare
from utils.corpus import Row
from utils.errors import UserError
from utils.files import ROOT, read_json

COUNT = 7


@pytest.fixture
def prepared(tmp_path):
    """Seven training utterances within one recording of 8 channels, the fifth of another rate, and one of dev."""
    rng = np.random.default_rng(0)
    meeting = tmp_path / "meeting.wav"
    soundfile.write(meeting, 0.1 * rng.standard_normal((16000 * 8, 8)), 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "wide.wav", 0.1 * rng.standard_normal(22050), 44100, subtype="PCM_16")
    rows = [Row(f"c-{number}", meeting, number, number + 0.5 + number / 16, {"text": f"第{number}", "part": "train",
                "speaker": f"s{number % 2}", "language": "zh"}) for number in range(COUNT) if number != 4]
    rows += [Row("c-4", tmp_path / "wide.wav", fields={"text": "宽", "part": "train", "speaker": "s0"}),
             Row("c-dev", meeting, 7.0, 7.5, {"text": "开发", "part": "dev", "speaker": "d"})]
    prepare("c", rows, tmp_path / "prepared/c", Limits())
    return tmp_path / "prepared/c"


def export(prepared, out, *options, tasks=1):
    words = ["--prepared", str(prepared), "--per-shard", "3", "--nj", str(tasks), *options, str(out)]
    export_shar.main([*words, "--prepare"])
    for task in range(1, tasks + 1):
        export_shar.main([*words, "--task", str(task)])
    export_shar.main([*words, "--finish"])


def test_lhotse_and_the_index_give_the_same_samples(prepared, tmp_path):
    export(prepared, tmp_path / "out", tasks=2)
    found = SpeechSet(tmp_path / "out/train/c")
    theirs = {cut.id: cut for cut in CutSet.from_shar(in_dir=tmp_path / "out/train/c/shar")}
    assert [len(np.load(index_path(found.directory, shard))) for shard in range(3)] == [3, 3, 1]
    assert {found[number].id for number in range(COUNT)} == set(theirs) == {f"c-{number}" for number in range(COUNT)}
    meeting = soundfile.read(tmp_path / "meeting.wav")[0][:, 0]
    for number in range(COUNT):
        cut = found[number]
        samples = cut.load_audio()
        np.testing.assert_array_equal(samples, theirs[cut.id].load_audio())
        assert (cut.sampling_rate, samples.shape) == (16000, (1, round(16000 * cut.duration)))
        assert cut.supervisions[0].text == theirs[cut.id].supervisions[0].text
        if cut.id != "c-4":
            start = 16000 * int(cut.id[2:])
            np.testing.assert_allclose(samples[0], meeting[start:start + samples.shape[1]], atol=1e-4)
    assert len(SpeechSet(tmp_path / "out/dev/c")) == 1


def test_a_set_says_what_it_holds_and_whom_it_was_made_of(prepared, tmp_path):
    export(prepared, tmp_path / "out")
    about = read_json(tmp_path / "out/train/c/speech.json")
    assert about["utterances"] == COUNT
    seconds = 0.5 + sum(0.5 + number / 16 for number in range(COUNT) if number != 4)
    assert about["seconds"] == pytest.approx(seconds, abs=1e-3)
    assert about["audio_bytes"] == sum(SpeechSet(tmp_path / "out/train/c").rows["size"])
    [record] = about["trained_on"]
    assert record["speakers"] == ["s0", "s1"] and len(record["sentences"]) == COUNT
    assert "c/c-0" in record["recordings"]


def test_doubles_are_left_out_of_training_only(prepared, tmp_path):
    (tmp_path / "doubles.tsv").write_text("id\treason\tof\nc-1\tsame\tx\nc-dev\tsame\tx\n")
    export(prepared, tmp_path / "out", "--doubles", str(tmp_path / "doubles.tsv"))
    both = SpeechSets([tmp_path / "out/train/c", tmp_path / "out/dev/c"])
    assert {both[number].id for number in range(len(both))} == {"c-0", "c-2", "c-3", "c-4", "c-5", "c-6", "c-dev"}
    assert both.shards == [(0, 2), (2, 5), (5, 6), (6, 7)]


def test_the_number_of_tasks_changes_no_byte(prepared, tmp_path):
    for tasks in (1, 3):
        export(prepared, tmp_path / str(tasks), tasks=tasks)
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1/train").rglob("*") if path.is_file())
    assert len(files) == 3 * 3 + 1
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes() for name in files)


def test_a_killed_task_goes_on_at_the_missing_shards(prepared, tmp_path):
    export(prepared, tmp_path / "whole")
    out = tmp_path / "out"
    words = ["--prepared", str(prepared), "--per-shard", "3", str(out)]
    export_shar.main([*words, "--prepare"])
    command = [sys.executable, "-m", "steps.asr.large.export_shar", *words, "--task", "1"]
    environment = {**os.environ, "EMOTION_FAULT": str(out / "train/c" / shard_name("recording", 1)),
                   "EMOTION_FAULT_ONCE": str(tmp_path / "fired")}
    assert subprocess.run(command, env=environment, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    assert index_path(out / "train/c", 0).is_file() and not index_path(out / "train/c", 1).is_file()
    with pytest.raises(UserError, match="3 of 4 shards are missing"):
        export_shar.main([*words, "--finish"])
    stamp = index_path(out / "train/c", 0).stat().st_mtime_ns
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    export_shar.main([*words, "--finish"])
    assert index_path(out / "train/c", 0).stat().st_mtime_ns == stamp
    # What the killed task was writing is not taken for a shard.
    assert len(list(CutSet.from_shar(in_dir=out / "train/c/shar"))) == COUNT
    for name in (shard_name("cuts", 1), shard_name("recording", 1)):
        assert (out / "train/c" / name).read_bytes() == (tmp_path / "whole/train/c" / name).read_bytes()


def test_audio_that_cannot_be_decoded_is_listed_and_the_shard_goes_on(prepared, tmp_path):
    wide = tmp_path / "wide.wav"
    wide.write_bytes(wide.read_bytes()[:5000])
    export(prepared, tmp_path / "out")
    assert len(SpeechSet(tmp_path / "out/train/c")) == COUNT - 1
    [failed] = (tmp_path / "out/train/c/index").glob("failed.*.tsv")
    assert failed.read_text().startswith("c-4\t")


def test_other_inputs_begin_anew(prepared, tmp_path, capsys):
    export(prepared, tmp_path / "out")
    export_shar.main(["--prepare", "--prepared", str(prepared), "--per-shard", "5", str(tmp_path / "out")])
    assert not list((tmp_path / "out").glob("*/*/*"))
    assert "per_shard changed since an earlier run" in capsys.readouterr().err


def test_the_front_end_exports_by_array_tasks(prepared, tmp_path):
    done = subprocess.run([ROOT / "steps/export_shar.sh", "--prepared", str(prepared), "--per-shard", "3", "--nj", "2",
                           str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train/c: 7 utterances" in done.stdout
