"""The command line: every kind of input, JSON and tables, bad files, windows."""

import contextlib
import io
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import soundfile

from steps.inference import main as program
from steps.inference.inputs import sources
from steps.inference.model import EmotionModel
from steps.inference.picture import ticks
from tests.integration.box import tone
from utils.errors import UserError, run_main


def run(*argv):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        status = run_main(program.main, [str(word) for word in argv])
    out.flush()
    return status, out.buffer.getvalue().decode("utf-8", "surrogateescape").splitlines()


def test_json_lines_in_the_order_of_the_inputs(lab, exported):
    paths = [item.path for item in lab.items[:3]]
    status, lines = run(exported("svm_is10"), *reversed(paths))
    records = [json.loads(line) for line in lines]
    assert status == 0 and [record["file"] for record in records] == paths[::-1]
    assert set(records[0]) == {"file", "emotion", "posteriors", "subsystems", "transcript", "seconds"}
    assert sum(records[0]["posteriors"].values()) == pytest.approx(1, abs=1e-5)


def test_a_bad_file_is_an_error_record_and_the_others_are_done(lab, exported, tmp_path, capsys):
    good = lab.items[1].path
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no audio")
    cut = tone(tmp_path / "cut.wav", 1, 0.5)
    cut.write_bytes(cut.read_bytes()[:3000])
    bad = [tmp_path / name for name in ("empty.wav", "text.wav", "cut.wav", "gone.wav")]
    status, lines = run(exported("svm_is10"), bad[0], good, *bad[1:], good)
    records = [json.loads(line) for line in lines]
    named = [bad[0], good, *bad[1:], good]
    assert status == 1 and [record["file"] for record in records] == [str(path) for path in named]
    assert ["error" in record for record in records] == [True, False, True, True, True, False]
    assert records[1] == records[5] and "truncated" in records[3]["error"]
    assert "4 of 6 recordings could not be read" in capsys.readouterr().err


def test_silence_and_a_click_have_a_record(exported, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "click.wav", np.ones(8), 16000)
    status, lines = run(exported("svm_is10"), tmp_path)
    click, silence = (json.loads(line) for line in lines)
    assert status == 0
    assert list(click["prior"]) == ["svm_is10"]
    assert click["posteriors"] == click["subsystems"]["svm_is10"] == {"glad": 0.5, "sad": 0.5}  # as in training
    assert np.isfinite(list(silence["posteriors"].values())).all()


def test_pictures_that_can_lie_nowhere_are_told_before_anything_is_heard(exported, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status, lines = run("--timeline", tmp_path / "file", exported("svm_is10"), tone(tmp_path / "a.wav", 1, 0.5))
    assert status == 2 and lines == []
    assert f"--timeline {tmp_path}/file: no directory can be made there (File exists)" in capsys.readouterr().err


def test_a_table_says_of_whom_nothing_was_heard(exported, tmp_path):
    soundfile.write(tmp_path / "click.wav", np.ones(8), 16000)
    _, lines = run("--format", "tsv", exported("svm_is10"), tmp_path / "click.wav", tone(tmp_path / "b.wav", 1, 0.5))
    click, heard = (dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:])
    assert click["prior"].startswith("svm_is10: ") and click["error"] == heard["prior"] == ""


def test_an_hour_is_no_utterance(exported, tmp_path, monkeypatch):
    monkeypatch.setattr("steps.inference.model.LONGEST", 1)
    status, lines = run(exported("svm_is10"), tone(tmp_path / "long.wav", 1, 1.5))
    assert status == 1 and "2 s are no utterance" in json.loads(lines[0])["error"]


def test_a_table_has_a_column_a_class_and_subsystem(lab, exported, tmp_path):
    (tmp_path / "bad\tname.wav").write_text("no audio")
    status, lines = run("--format", "tsv", exported("fusion_simplex"), lab.items[1].path, tmp_path / "bad\tname.wav")
    header, good, bad = (line.split("\t") for line in lines)
    assert status == 1 and header[:5] == ["file", "seconds", "emotion", "glad", "sad"]
    assert header[5:7] == ["svm_is10:glad", "svm_is10:sad"] and header[-4:] == ["notes", "transcript", "prior", "error"]
    row = dict(zip(header, good, strict=True))
    assert row["emotion"] == max(("glad", "sad"), key=lambda label: float(row[label])) and row["seconds"] == "0.3"
    assert len(bad) == len(header) and bad[2] == "" and "not audio" in bad[-1] and "bad name" in bad[0]


def named(*words, speaker=None):
    """(path, speaker) of each recording."""
    return [(one.path, one.speaker) for one in sources(words, speaker)]


def test_files_directories_and_lists_are_found(tmp_path):
    for name in ("b/2.wav", "b/1.FLAC", "b/deep/3.wav", "b/notes.txt", "x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "list.txt").write_text("b/2.wav\tanna\n\nx.wav\n/else/where.wav\tbert\n")
    (tmp_path / "table.tsv").write_text("path\temotion\tspeaker\nx.wav\tsad\tcarl\n")
    found = named(str(tmp_path / "b"), str(tmp_path / "list.txt"), str(tmp_path / "table.tsv"), "y.wav", speaker="me")
    base = str(tmp_path)
    assert found == [(f"{base}/b/1.FLAC", "me"), (f"{base}/b/2.wav", "me"), (f"{base}/b/deep/3.wav", "me"),
                     (f"{base}/b/2.wav", "anna"), (f"{base}/x.wav", "me"), ("/else/where.wav", "bert"),
                     (f"{base}/x.wav", "carl"), ("y.wav", "me")]
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="an input is empty"):
        list(sources([""]))
    with pytest.raises(UserError, match="no audio file below it"):
        list(sources([str(tmp_path / "none")]))
    for name, text in (("blank.txt", "\n \n"), ("head.tsv", "path\tspeaker\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=f"{name}: no recording is listed"):
            list(sources([str(tmp_path / name)]))
    with pytest.raises(UserError, match="expected a list of recordings"):
        list(sources([str(tmp_path / "gone.txt")]))


@pytest.mark.parametrize(("name", "content"), [
    ("wav.scp", b"utt1 x.wav\nutt2\tin here/y.wav\n"), ("wav.scp", b"x.wav\r\nin here/y.wav\r\n"),
    ("l.tsv", b"\xef\xbb\xbfpath\tgender\tspeaker\r\nx.wav\tf\tnan\r\nin here/y.wav\tm\t\xc2\xa0\r\n"),
    ("l.tsv", b"Gender\tPath\nf\tx.wav\nm\tin here/y.wav\n"), ("l.txt", b"x.wav\tNone\nin here/y.wav\t\n"),
    ("l.list", b"\xef\xbb\xbfx.wav\rin here/y.wav")])
def test_lists_of_kaldi_and_of_windows(tmp_path, name, content):
    (tmp_path / "in here").mkdir()
    for wav in ("x.wav", "in here/y.wav"):
        (tmp_path / wav).touch()
    (tmp_path / name).write_bytes(content)
    assert named(str(tmp_path / name)) == [(f"{tmp_path}/x.wav", None), (f"{tmp_path}/in here/y.wav", None)]


@pytest.mark.parametrize(("name", "content", "says"), [
    ("p.scp", b"utt1 sph2pipe -f wav a.sph |\n", "p.scp, line 1: reads from a command"),
    ("u.txt", "a.wav\n".encode("utf-16"), "u.txt: not UTF-8 but UTF-16")])
def test_a_list_that_cannot_be_taken_is_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        list(sources([str(tmp_path / name)]))


def test_a_list_and_the_disk_may_differ_in_unicode_form(tmp_path):
    (tmp_path / "gro\u0308.wav").touch()
    (tmp_path / "l.txt").write_text("gr\u00f6.wav\tZoe\u0308\n", encoding="utf-8")
    assert named(str(tmp_path / "l.txt")) == [(f"{tmp_path}/gro\u0308.wav", "Zo\u00eb")]


def test_the_speakers_of_a_list_count(lab, exported, tmp_path, capsys):
    (tmp_path / "list.tsv").write_text("".join(f"{item.path}\t{item.speaker}\n" for item in lab.items))
    status, lines = run(exported("svm_is10", "norm-speaker"), tmp_path / "list.tsv")
    assert status == 0 and {json.loads(line)["speaker"] for line in lines} == {"s5"}
    assert capsys.readouterr().err == ""
    _, lines = run(exported("svm_is10", "norm-speaker"), *[item.path for item in lab.items])
    assert {json.loads(line)["speaker"] for line in lines} == {"average"}
    assert "no speaker is named" in capsys.readouterr().err
    _, again = run("--speaker", "x", exported("svm_is10", "norm-speaker"), *[item.path for item in lab.items])
    assert {json.loads(line)["speaker"] for line in again} == {"x"}


def test_a_long_recording_in_windows(exported, tmp_path):
    one, two = tone(tmp_path / "one.wav", 1, 1.2), tone(tmp_path / "two.wav", 2, 1.25)
    samples = np.concatenate([soundfile.read(path)[0] for path in (one, two)])
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    status, lines = run("--timeline", tmp_path / "pictures", "--window", 1, "--shift", 0.5, exported("svm_is10"),
                        tmp_path / "long.wav")
    record = json.loads(lines[0])
    assert status == 0
    assert [(w["start"], w["end"]) for w in record["windows"]] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.45)]
    # A window is what the same samples are as a recording of their own.
    soundfile.write(tmp_path / "part.wav", samples[8000:24000], 16000)
    alone = EmotionModel.open(exported("svm_is10")).classify(tmp_path / "part.wav")
    assert record["windows"][1]["posteriors"] == pytest.approx(alone["posteriors"], abs=1e-5)
    mean = np.mean([list(w["posteriors"].values()) for w in record["windows"]], axis=0)
    np.testing.assert_allclose(list(record["posteriors"].values()), mean, atol=2e-6)
    picture = ElementTree.parse(record["picture"])
    assert picture.getroot().tag.endswith("svg") and (tmp_path / "pictures" / "long.svg").is_file()


def test_a_recording_shorter_than_a_window_is_one_window(exported, tmp_path):
    tone(tmp_path / "short.wav", 1, 0.3)
    (tmp_path / "bad.wav").write_text("no audio")
    status, lines = run("--format", "tsv", "--timeline", tmp_path / "pictures", exported("svm_is10"),
                        tmp_path / "short.wav", tmp_path / "bad.wav")
    header, row, bad = (line.split("\t") for line in lines)
    assert status == 1 and header[:4] == ["file", "start", "end", "emotion"] and row[1:3] == ["0", "0.3"]
    assert "not audio" in bad[-1]


def test_wrong_words_are_one_line(exported, tmp_path, capsys):
    for words, message in ((["--window", "0"], "--window is 0"), (["--format", "xml"], "invalid choice"),
                           (["--threads", "0"], "accepted: 1 or more"), (["--modle", "x"], "unknown option --modle")):
        assert run(*words, exported("svm_is10"), "x.wav")[0] == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert run(tmp_path, "x.wav")[0] == 2 and "is no exported model" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [0.2, 1, 7, 61, 500, 4000])
def test_the_time_axis_has_a_handful_of_ticks(seconds):
    assert 2 <= len(ticks(seconds)) <= 11 and ticks(seconds)[-1] <= seconds
