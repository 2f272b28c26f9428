"""MELD: published tables in small, with and without recordings, down to the trained text subsystem."""

import json
import subprocess

import pytest

from local import meld
from steps.data import prepare, validate
from steps.data.dataset import Dataset
from steps.features import extract
from tests.local import meld_fixture
from utils.corpus import CorpusNotice
from utils.errors import UserError, run_main
from utils.files import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::utils.corpus.CorpusNotice")  # rows() tells what it lacks


def prepared(directory, data, *options) -> Dataset:
    words = ["--corpus", "meld", "--corpus-dir", str(directory), "--allow-partial", "true", *options, str(data)]
    assert run_main(prepare.main, words) == 0
    return Dataset.open(data)


def test_the_published_tables_are_read(tmp_path):
    meld_fixture.meld(tmp_path)
    rows = {row.id: row for row in meld.rows(tmp_path)}
    assert len(rows) == 7 * (9 + 4 + 4)
    first = rows["train-dia0_utt0"]
    # the control character of train is an apostrophe, as the others' are
    assert first.fields["text"] == "Leave me alone, you\u2019ve ruined it!"
    assert rows["dev-dia0_utt0"].fields["text"] == first.fields["text"]
    assert rows["test-dia1_utt2"].fields["text"] == "I'm scared of it, Mr. \"Mover\"."
    assert (first.path, first.end, first.fields["speaker"], first.fields["emotion"]) == (None, 2.5, "Ann", "anger")
    assert rows["train-dia1_utt2"].fields["speaker"] == "The Waiter" and rows["train-dia1_utt2"].end == 2.5
    assert rows["train-dia0_utt5"].end is None  # no time passes
    assert rows["dev-dia3_utt1"].fields["dialogue"] == "dev-dia3" and first.fields["session"] == "s3e0"


def test_a_table_in_windows_own_bytes_is_read_alike(tmp_path):
    meld_fixture.meld(tmp_path)
    before = meld.rows(tmp_path)
    table = tmp_path / "train_sent_emo.csv"
    table.write_bytes(table.read_bytes().replace(b"\xc2\x92", b"\x92"))
    assert meld.rows(tmp_path) == before


@pytest.mark.parametrize("form", ["{0}", "{1}", "{0}/{1}"])
def test_recordings_are_found_in_the_folders_of_the_archives(tmp_path, form):
    meld_fixture.meld(tmp_path, audio=True)
    for part, folder in meld.FOLDERS.items():
        (tmp_path / part).rename(tmp_path / "aside")
        target = tmp_path / form.format(part, folder)
        target.parent.mkdir(exist_ok=True)
        (tmp_path / "aside").rename(target)
        (tmp_path / f"{part}_sent_emo.csv").rename(target.parent / f"{part}_sent_emo.csv")
    with pytest.warns(CorpusNotice, match="1 of 63 utterances of train are text alone.*: train-dia125_utt3$") as told:
        rows = meld.rows(tmp_path)
    assert len(told) == 1 and sum(row.path is None for row in rows) == 1
    assert all(row.path.parent == tmp_path / form.format(row.fields["list"], meld.FOLDERS[row.fields["list"]])
               for row in rows if row.path)


def test_a_video_is_taken_where_nobody_took_the_sound_out(tmp_path):
    meld_fixture.meld(tmp_path, audio=True)
    path = tmp_path / "test/dia0_utt1.wav"
    path.with_suffix(".mp4").touch()
    path.with_name("dia0_utt2.wav").rename(path.with_name("dia0_utt2.mp4"))
    path.with_name("final_videos_testdia0_utt2.mp4").touch()
    with pytest.warns(CorpusNotice):
        rows = {row.id: row for row in meld.rows(tmp_path)}
    assert rows["test-dia0_utt1"].path == path and rows["test-dia0_utt2"].path == path.with_name("dia0_utt2.mp4")


def test_where_recordings_were_looked_for_is_told(tmp_path, capsys):
    meld_fixture.meld(tmp_path / "corpus")
    prepared(tmp_path / "corpus", tmp_path / "data")
    told = capsys.readouterr().err
    assert "warning: 28 of 28 utterances of dev are text alone; for .wav, .flac, .mp4 was looked in " in told
    assert f"in {tmp_path}/corpus/dev, {tmp_path}/corpus/dev_splits_complete, " in told


def test_the_published_counts_add_up():
    published = meld.CORPUS.published
    assert sum(published["emotion"].values()) == sum(published["list"].values()) == published["utterances"]


def test_another_directory_and_another_table_are_refused(tmp_path):
    with pytest.raises(UserError, match="--corpus-dir .* there; MELD is at") as error:
        meld.rows(tmp_path)
    assert error.value.status == 2
    meld_fixture.meld(tmp_path)
    (tmp_path / "dev_sent_emo.csv").write_text("Utterance,Speaker\nhello,Ann\n")
    with pytest.raises(UserError, match="dev_sent_emo.csv: no column Dialogue_ID"):
        meld.rows(tmp_path)


def test_text_alone_is_a_data_set(tmp_path, capsys):
    meld_fixture.meld(tmp_path / "corpus")
    data = prepared(tmp_path / "corpus", tmp_path / "data")
    item = data.items["train-dia0_utt5"]
    assert (item.path, item.features, item.duration, item.turn) == (None, None, 0.0, 5)
    assert data.split("official").speaker_overlap and "list train: 63 of 9989" in capsys.readouterr().err
    assert run_main(validate.main, [str(tmp_path / "data")]) == 0
    assert "text only  119" in capsys.readouterr().out
    assert (tmp_path / "data" / "audio_hashes.tsv").read_text() == "id\tsha256\n"
    assert len(list(data.cuts())) == 119
    assert run_main(extract.main, ["--features", "fbank", str(tmp_path / "data"), "--prepare"]) == 1
    assert "has no recording to compute fbank from" in capsys.readouterr().err


def test_recordings_are_used_where_they_lie_and_one_that_lacks_fails_alone(tmp_path, capsys):
    meld_fixture.meld(tmp_path / "corpus", audio=True, dialogues=1)
    data = prepared(tmp_path / "corpus", tmp_path / "data")
    assert data.items["dev-dia0_utt1"].path == str(tmp_path / "corpus/dev/dia0_utt1.wav")
    assert data.items["dev-dia0_utt1"].duration == 0.25 and data.items["train-dia125_utt3"].path is None
    assert run_main(validate.main, [str(tmp_path / "data")]) == 0
    words = ["--features", "fbank", str(tmp_path / "data")]
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert run_main(extract.main, [*words, *step]) == 0
    assert "train-dia125_utt3: no recording" in capsys.readouterr().out


def test_a_text_is_needed_where_there_is_nothing_else(tmp_path, capsys):
    meld_fixture.meld(tmp_path / "corpus")
    table = tmp_path / "corpus" / "test_sent_emo.csv"
    table.write_text(table.read_text().replace("We'll take the bus!", "", 1))
    words = ["--corpus", "meld", "--corpus-dir", str(tmp_path / "corpus"), "--allow-partial", str(tmp_path / "data")]
    assert run_main(prepare.main, words) == 1
    assert "test_sent_emo.csv, line 6: neither a recording nor features" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_runs_on_text_alone(tmp_path):
    meld_fixture.meld(tmp_path / "corpus", dialogues=12)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    words = ["--corpus-dir", str(tmp_path / "corpus"), "--size", "tiny", "--allow-partial", "true"]
    done = subprocess.run([str(clone / "egs/meld/text/run.sh"), *words], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "7 of 7 stages ran" in done.stdout
    rows = json.loads((clone / "egs/meld/text/tiny/exp/RESULTS.json").read_text())["rows"]
    assert {(row["variant"], row["text_source"]) for row in rows} == {("ref-text", "reference")}
    assert {"speaker overlap", "partial corpus"} <= set(rows[0]["marks"])
    assert all(row["metrics"]["UA"] > 0.9 for row in rows)
