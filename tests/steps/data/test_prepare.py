"""From a raw corpus to a data set, through the entry points: good corpora of every kind, and bad ones."""

import json
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.data import prepare, validate
from steps.data.audio import load_audio
from steps.data.dataset import Dataset, Sequence
from utils.corpus import PARTS, Corpus, Row, Target, one_speaker_out
from utils.errors import UserError, run_main


def tone(path: Path, seed: int, seconds: float = 0.1, rate: int = 16000, channels: int = 1) -> Path:
    samples = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels)).astype("float32")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), samples, rate, format="WAV")
    return path


def table(root: Path, rows: list[dict], head: str = "", name: str = "t.tsv") -> Path:
    """Write recordings for the rows that name one, and the table."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["\t".join(columns)] + ["\t".join(str(row.get(column, "")) for column in columns) for row in rows]
    for number, row in enumerate(rows):
        if row.get("path") and not (root / row["path"]).exists():
            tone(root / row["path"], number)
    (root / name).write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return root / name


def six_speakers(per_speaker: int = 2) -> list[dict]:
    return [{"path": f"s{s}_{n}.wav", "emotion": ("sad", "glad")[n % 2], "speaker": f"s{s}", "gender": "fm"[s % 2]}
            for s in range(6) for n in range(per_speaker)]


def run(main, *argv) -> int:
    return run_main(main, [str(word) for word in argv])


def made(root: Path, rows: list[dict], head: str = "", *options) -> Dataset:
    assert run(prepare.main, "--table", table(root, rows, head), *options, root / "data") == 0
    return Dataset.open(root / "data")


def fails(capsys, root: Path, rows: list[dict], head: str = "", status: int = 1) -> str:
    """The one line on standard error with which preparing ends."""
    assert run(prepare.main, "--table", table(root, rows, head), root / "data") == status
    lines = capsys.readouterr().err.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    assert not (root / "data" / "cuts.jsonl.gz").exists()
    return lines[0]


# --- every kind of task and unit ---------------------------------------------------------------------------------


def test_class_per_utterance(tmp_path):
    data = made(tmp_path, six_speakers())
    assert data.targets == (Target("emotion", "class", ("glad", "sad")),)
    assert data.items["s0_0"].fields["emotion"] == "sad" and data.items["s0_0"].gender == "female"
    split = data.split("speaker_folds")
    assert split.folds == [1, 2, 3, 4, 5, 6]
    assert sorted(key for fold in split.folds for key in split.ids(fold, "test")) == sorted(data.items)
    for fold in split.folds:
        train, dev, test = ({data.items[key].speaker for key in split.ids(fold, part)} for part in PARTS)
        assert not train & dev and not train & test and not dev & test and len(train) == 4
    assert data.info["counts"] == {"glad": 6, "sad": 6}


def test_class_per_utterance_inside_a_dialogue(tmp_path):
    rows = [{"path": f"d{d}_{t}.wav", "emotion": ("sad", "glad")[t % 2], "speaker": f"d{d}{'ab'[t % 2]}",
             "dialogue": f"d{d}", "turn": 11 - t} for d in range(4) for t in range(3)]
    data = made(tmp_path, rows)
    assert data.groups("dialogue")["d2"] == ["d2_2", "d2_1", "d2_0"]  # in order of turn, not of name
    split = data.split("speaker_folds")
    for fold in split.folds:
        for keys in data.groups("dialogue").values():
            assert sum(bool(set(keys) & set(split.ids(fold, part))) for part in PARTS) == 1


def test_score_of_a_session(tmp_path):
    rows = [{"path": f"p{s}_{n}.wav", "phq8": s * 3.5, "speaker": f"p{s}", "session": f"x{s}"}
            for s in range(6) for n in range(3)]
    data = made(tmp_path, rows, "# target: phq8 kind=number threshold=10 of=session\n")
    assert data.targets == (Target("phq8", "number", threshold=10, of="session"),)
    sessions = data.groups("session")
    assert len(sessions) == 6 and sessions["x2"] == ["p2_0", "p2_1", "p2_2"]
    assert data.items["p2_0"].value(data.target()) == 7.0
    assert data.group_of("p4_1", "session") == "x4"


def test_the_earlier_lines_of_a_table_are_told_and_taken(tmp_path, capsys):
    rows = [{"path": f"p{s}_{n}.wav", "phq8": s * 3.5, "speaker": f"p{s}", "session": f"x{s}"}
            for s in range(6) for n in range(3)]
    data = made(tmp_path, rows, "# task: regression\n# label: phq8\n# unit: session\n# threshold: 10\n")
    assert data.targets == (Target("phq8", "number", threshold=10, of="session"),)
    assert "# target: phq8 kind=number of=session threshold=10" in capsys.readouterr().err


def test_a_table_declares_several_targets(tmp_path):
    rows = [row | {"arousal": n, "intensity": n / 20} for n, row in enumerate(six_speakers())]
    data = made(tmp_path, rows, "# target: emotion\n# target: arousal kind=number\n")
    assert [(target.field, target.kind) for target in data.targets] == [
        ("emotion", "class"), ("arousal", "number")]
    assert data.items["s0_1"].value(data.target("arousal")) == 1.0
    with pytest.raises(UserError, match="has no target intensity to predict; it has emotion, arousal"):
        data.target("intensity")


def test_fields_that_are_paths_are_relative_to_the_table(tmp_path):
    rows = [row | {"video": f"films/{n}.mp4" if n else "nan"} for n, row in enumerate(six_speakers())]
    items = made(tmp_path, rows).items
    assert items["s0_1"].fields["video"] == str(tmp_path / "films/1.mp4")
    assert "video" not in items["s0_0"].fields


def test_a_session_with_two_scores_is_an_error(tmp_path, capsys):
    rows = [{"path": f"p{n}.wav", "phq8": n if n < 2 else n // 2, "speaker": f"p{n // 2}", "session": f"x{n // 2}"}
            for n in range(6)]
    line = fails(capsys, tmp_path, rows, "# target: phq8 kind=number of=session\n")
    assert "session x0 has phq8 1.0 here and 0.0" in line and "line 4" in line and "line 3" in line


def test_sequence_of_a_tenth_second(tmp_path):
    rows = [{"path": f"q{s}.wav", "valence": json.dumps({"step": 0.1, "values": [s / 10, -0.25, 0.5]}),
             "speaker": f"q{s}"} for s in range(3)]
    for s in range(3):
        tone(tmp_path / f"q{s}.wav", s, seconds=0.3)
    data = made(tmp_path, rows, "# target: valence kind=track\n")
    label = data.items["q1"].value(data.target())
    assert isinstance(label, Sequence) and label.step == 0.1
    assert label.array().tolist() == pytest.approx([0.1, -0.25, 0.5]) and label.array().dtype == np.float32
    assert run(validate.main, tmp_path / "data") == 0
    assert "valence lasts" not in (tmp_path / "data/validation.json").read_text()


def test_a_sequence_of_another_length_is_named(tmp_path, capsys):
    rows = [{"path": f"q{s}.wav", "valence": json.dumps({"step": 0.1, "values": [0.0] * (9 if s else 1)}),
             "speaker": f"q{s}"} for s in range(3)]
    made(tmp_path, rows, "# target: valence kind=track\n")
    assert run(validate.main, tmp_path / "data") == 0
    assert "q1: its valence lasts 0.9 s, the utterance 0.1 s" in capsys.readouterr().err


def test_unlabelled_items(tmp_path):
    rows = six_speakers() + [{"path": "u.wav", "emotion": "-", "speaker": "s0"}, {"path": "v.wav", "speaker": "s0"}]
    data = made(tmp_path, rows)
    assert all(data.items[key].value(data.target()) is None for key in "uv")
    assert data.info["unlabelled"] == 2 and data.target().classes == ("glad", "sad")
    assert next(iter(data.cuts().subset(cut_ids=["u"]))).supervisions[0].custom["emotion"] == "-"


@pytest.mark.parametrize("size", ["full", "tiny"])
def test_only_the_test_part_may_be_without_labels(tmp_path, capsys, size):
    rows = [row | {"part": ("train", "train", "dev", "dev", "test", "test")[n // 12]}
            for n, row in enumerate(six_speakers(12))]
    hidden = [row | {"emotion": "-"} if row["part"] == "test" else row for row in rows]
    data = made(tmp_path, hidden, "", "--size", size)
    assert len(data.split("official").ids(1, "test")) >= 10
    assert all(data.items[key].value(data.target()) is None for key in data.split("official").ids(1, "test"))
    assert run(validate.main, tmp_path / "data") == 0
    assert "official, fold 1: test has no labels: scores, but no metrics" in capsys.readouterr().err
    (tmp_path / "data" / "cuts.jsonl.gz").unlink()
    hidden = [row | {"emotion": "-"} if row["part"] == "dev" else row for row in rows]
    line = fails(capsys, tmp_path, hidden)
    assert "the part dev has no labelled utterance; only test may be unlabelled" in line


def test_a_threshold_of_classes_is_an_error(tmp_path, capsys):
    line = fails(capsys, tmp_path, six_speakers(), "# threshold: 10\n")
    assert "target emotion: threshold belongs to a number; the kind is class" in line


def test_a_dialogue_in_two_parts_is_told(tmp_path, capsys):
    rows = [row | {"part": ("train", "dev", "test")[n // 4], "dialogue": f"d{min(n // 3, 2)}"}
            for n, row in enumerate(six_speakers())]
    made(tmp_path, rows)
    assert run(validate.main, tmp_path / "data") == 0
    assert "official, fold 1: 2 dialogues lie in two parts: d1, d2" in capsys.readouterr().err


def test_features_without_audio(tmp_path):
    rows = []
    for n, row in enumerate(six_speakers()):
        np.save(tmp_path / f"f{n}.npy", np.full((5 + n, 3), n, dtype="float32"))
        rows.append({"features": f"f{n}.npy", "frame_shift": 0.01} | {key: row[key] for key in ("emotion", "speaker")})
    data = made(tmp_path, rows)
    item = data.items["f2"]
    assert item.path is None and item.duration == pytest.approx(0.07)
    assert (item.features["num_frames"], item.features["num_features"]) == (7, 3)
    cut = next(iter(data.cuts().subset(cut_ids=["f2"])))
    assert not cut.has_recording and cut.load_features().tolist() == np.full((7, 3), 2.0).tolist()
    assert run(validate.main, tmp_path / "data") == 0
    with pytest.raises(Exception, match="f2 has no recording"):
        load_audio(item)


def test_lhotse_reads_what_was_written(tmp_path):
    rows = [row | {"valence": '{"step": 0.1, "values": [1, 2]}'} for row in six_speakers()]
    rows[0] |= {"start": 0.025, "end": 0.075, "text": "größer \"als\" 你好"}
    for n, row in enumerate(rows):
        tone(tmp_path / row["path"], n, channels=2, rate=48000)
    data = made(tmp_path, rows)
    cuts = {cut.id: cut for cut in data.cuts()}
    assert set(cuts) == set(data.items)
    first = cuts["s0_0-0.025-0.075"]
    assert first.supervisions[0].text == rows[0]["text"] and first.supervisions[0].gender == "female"
    assert first.num_samples == 2400 and first.recording.num_channels == 2
    assert cuts["s0_1"].supervisions[0].custom["valence"] == {"step": 0.1, "values": [1.0, 2.0]}
    for key in ("s0_0-0.025-0.075", "s3_1"):
        assert np.array_equal(load_audio(cuts[key])[0], load_audio(data.items[key])[0])


def test_the_same_rows_give_the_same_bytes(tmp_path):
    made(tmp_path, six_speakers())
    first = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    made(tmp_path, six_speakers())
    assert first == {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}


# --- names -------------------------------------------------------------------------------------------------------


def test_any_file_name_works_end_to_end(tmp_path, capsys):
    names = ["with space.wav", 'dou"ble\'s.wav', "$(touch hacked).wav", "line\nbreak.wav", "größe 你好.wav",
             "tab\there.wav", "back\\slash.wav", "-dash.wav", "*.wav"]
    rows = [{"path": name.replace("\n", "\\n").replace("\t", "\\t"), "emotion": ("a", "b")[n % 2],
             "speaker": f"s{n % 3}"} for n, name in enumerate(names)]
    for n, name in enumerate(names):
        tone(tmp_path / name, n)
    (tmp_path / "t.tsv").write_text("\n".join(["path\temotion\tspeaker"] + ["\t".join(r.values()) for r in rows]))
    assert run(prepare.main, "--table", tmp_path / "t.tsv", tmp_path / "data") == 0
    assert "file names hold characters that no id may hold" in capsys.readouterr().err
    assert run(validate.main, tmp_path / "data") == 0
    data = Dataset.open(tmp_path / "data")
    assert sorted(Path(item.path).name for item in data.items.values()) == sorted(names)
    assert not any(set(key) & set("\t\n/ \"'$()*\\") for key in data.items)
    assert all(len(load_audio(item)[0]) == 1600 for item in data.items.values())
    assert all(len(load_audio(cut)[0]) == 1600 for cut in data.cuts())


def test_names_that_would_share_an_id_get_two(tmp_path):
    rows = six_speakers() + [{"path": "a b.wav", "emotion": "sad", "speaker": "s0"},
                             {"path": "a_b.wav", "emotion": "sad", "speaker": "s0"}]
    assert sum(key.startswith("a_b-") for key in made(tmp_path, rows).items) == 2


def test_a_module_registers_fields_and_finds_names_that_are_not_unicode(tmp_path, monkeypatch):
    rows = []
    for n in range(6):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff %d\n.wav" % n))
        rows.append(Row(f"u{n}", tone(path, n), fields={"emotion": "ab"[n % 2], "speaker": f"s{n // 2}", "tremor": n}))
    module = types.ModuleType("local_lab")
    module.CORPUS = Corpus("lab", (Target(classes=("a", "b")),), fields={"tremor": {"type": "float", "max": 5}})
    module.rows = lambda directory: rows
    module.protocols = lambda rows: [one_speaker_out("out", rows)]
    monkeypatch.setitem(sys.modules, "local_lab", module)
    words = ["--corpus-module", "local_lab", "--corpus-dir", tmp_path, tmp_path / "data"]
    assert run(prepare.main, *words) == 0 and run(validate.main, tmp_path / "data") == 0
    data = Dataset.open(tmp_path / "data")
    assert data.items["u5"].fields["tremor"] == 5.0 and len(load_audio(data.items["u5"])[0]) == 1600
    module.CORPUS = Corpus("lab", (Target(classes=("a", "b")),))
    assert run(prepare.main, *words) == 1


@pytest.mark.parametrize("other", ["Zoe\u0308", "\u200bZo\u00eb", "Zo\u00eb\u00a0", "\ufeffZo\u00eb "])
def test_a_speaker_and_a_class_in_two_spellings_are_one(tmp_path, capsys, other):
    rows = [row | {"speaker": ("Zo\u00eb", other)[n % 2] if n < 4 else row["speaker"],
                   "emotion": row["emotion"].replace("sad", ("tr\u00e4ge", "tra\u0308ge")[n % 4 // 2])}
            for n, row in enumerate(six_speakers())]
    data = made(tmp_path, rows)
    assert len(data.info["speakers"]) == 5 and data.target().classes == ("glad", "tr\u00e4ge")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("spelled", "also"), [("s", "S"), ("", "0"), ("", ".0")])
def test_names_that_look_alike_are_told_and_kept_in_one_fold(tmp_path, capsys, spelled, also):
    rows = six_speakers()
    for n, row in enumerate(rows):
        number = row["speaker"][1]
        row["speaker"] = (number + also if also == ".0" else also + number) if n % 2 else spelled + number
    data = made(tmp_path, rows)
    told = capsys.readouterr().err
    assert len(data.info["speakers"]) == 12 and told.count("\n") == 1
    assert "warning: speaker: " in told and "and 3 more differ only in case, leading zeros" in told
    split = data.split("speaker_folds")
    for fold in split.folds:
        assert all(len({part for part in PARTS if set(pair) & set(split.ids(fold, part))}) == 1
                   for pair in ((f"s{s}_0", f"s{s}_1") for s in range(6)))


def test_classes_that_look_alike_are_told(tmp_path, capsys):
    rows = [row | {"emotion": row["emotion"].title() if n < 3 else row["emotion"]}
            for n, row in enumerate(six_speakers())]
    assert made(tmp_path, rows).target().classes == ("Glad", "Sad", "glad", "sad")
    assert "emotion: 'Glad' and 'glad'; 'Sad' and 'sad' differ only in case" in capsys.readouterr().err
    line = fails(capsys, tmp_path / "declared", [row | {"emotion": "SAD" if n == 0 else row["emotion"]}
                                                 for n, row in enumerate(six_speakers())], "# classes: glad sad\n")
    assert "line 3: emotion is 'SAD', which is no declared class; did you mean sad?" in line


def test_words_for_nothing_are_neither_class_nor_speaker_nor_number(tmp_path, capsys):
    rows = [row | {"age": "NA", "text": "None"} for row in six_speakers(4)]
    for n, word in ((0, "nan"), (5, "nan"), (9, "None")):
        rows[n]["emotion"] = word
    for n in (2, 7, 12):
        rows[n]["speaker"] = "nan"
    data = made(tmp_path, rows)
    assert data.target().classes == ("glad", "sad") and data.info["unlabelled"] == 3
    assert data.items["s0_2"].speaker is None and len(data.info["speakers"]) == 6
    assert data.items["s0_1"].text == "None" and "age" not in data.items["s0_1"].fields
    assert data.protocols == ["random_folds"]
    told = capsys.readouterr().err
    assert "taken as missing, not as a name: 24 age 'NA', 1 emotion 'None', 2 emotion 'nan', 3 speaker 'nan'" in told
    assert "3 of 24 utterances have no speaker: speakers unknown" in told


def test_a_class_that_is_declared_is_one_whatever_it_is_called(tmp_path, capsys):
    rows = [row | {"emotion": ("none", "glad")[n % 2]} for n, row in enumerate(six_speakers())]
    assert made(tmp_path, rows, "# classes: none glad\n").info["counts"] == {"none": 6, "glad": 6}
    assert capsys.readouterr().err == ""


def test_a_file_is_found_in_the_form_that_the_disk_has(tmp_path):
    rows = six_speakers()
    for row in rows[:4]:
        row["path"] = f"gr\u00f6\u00dfe/{row['path']}"
        tone(tmp_path / "gro\u0308\u00dfe" / Path(row["path"]).name, int(row["path"][-5]))
    (tmp_path / "gr\u00f6\u00dfe").mkdir()  # `table` would make it: then the decomposed one would not be looked for
    (tmp_path / "gr\u00f6\u00dfe").rmdir()
    lines = ["path\temotion\tspeaker", *(f"{row['path']}\t{row['emotion']}\t{row['speaker']}" for row in rows)]
    for number, row in enumerate(rows[4:]):
        tone(tmp_path / row["path"], number)
    (tmp_path / "t.tsv").write_text("\n".join(lines), encoding="utf-8")
    assert run(prepare.main, "--table", tmp_path / "t.tsv", tmp_path / "data") == 0
    items = Dataset.open(tmp_path / "data").items
    assert items["gr\u00f6\u00dfe-s0_0"].path == str(tmp_path / "gro\u0308\u00dfe/s0_0.wav")


# --- audio of other kinds ----------------------------------------------------------------------------------------


def test_other_rates_stereo_and_20_ms_are_accepted_and_counted(tmp_path):
    rows = six_speakers()
    tone(tmp_path / "s0_0.wav", 0, rate=8000)
    tone(tmp_path / "s0_1.wav", 1, rate=48000, channels=2)
    tone(tmp_path / "s1_0.wav", 2, seconds=0.02)
    data = made(tmp_path, rows)
    assert data.info["converted"] == {"resampled 48000": 1, "resampled 8000": 1, "stereo": 1}
    assert run(validate.main, tmp_path / "data") == 0
    samples, notes = load_audio(data.items["s0_1"])
    assert len(samples) == 1600 and notes == ("resampled 48000", "stereo")
    assert len(load_audio(data.items["s1_0"])[0]) == 320


def corrupt(kind: str, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"this is a text\n" * 9,
                      "no samples": whole[:40] + b"\0\0\0\0"}[kind])


@pytest.mark.parametrize(("kind", "message"), [
    ("truncated", "truncated: its header promises"), ("empty", "the file is empty"),
    ("text", "not audio that can be read"), ("no samples", "no samples")])
def test_a_bad_recording_is_one_line_with_its_name(tmp_path, capsys, kind, message):
    rows = six_speakers()
    table(tmp_path, rows)
    corrupt(kind, tmp_path / "s2_1.wav")
    line = fails(capsys, tmp_path, rows)
    assert "s2_1.wav" in line and message in line


def test_a_missing_recording_is_named(tmp_path, capsys):
    path = table(tmp_path, six_speakers())
    (tmp_path / "s4_0.wav").unlink()
    assert run(prepare.main, "--table", path, tmp_path / "data") == 1
    assert "s4_0.wav: No such file" in capsys.readouterr().err


def test_several_bad_recordings_are_all_named(tmp_path, capsys):
    path = table(tmp_path, six_speakers())
    for name in ("s0_0.wav", "s5_1.wav"):
        corrupt("empty", tmp_path / name)
    assert run(prepare.main, "--table", path, tmp_path / "data") == 1
    error = capsys.readouterr().err
    assert "s0_0.wav" in error and "s5_1.wav" in error and "error: 2 mistakes (2 recordings)" in error


def test_a_file_in_other_letters_is_pointed_to(tmp_path, capsys):
    path = table(tmp_path, six_speakers())
    (tmp_path / "s4_0.wav").rename(tmp_path / "S4_0.WAV")
    assert run(prepare.main, "--table", path, tmp_path / "data") == 1
    error = capsys.readouterr().err
    assert "there is S4_0.WAV, spelled otherwise" in error and "line 10" in error


# --- tables and rows that are wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "head", "message"), [
    ({"emotion": "sda"}, "# classes: sad glad\n",
     "line 3: emotion is 'sda', which is no declared class; did you mean sad?"),
    ({"id": "s0_1"}, "", "line 3: the id s0_1 is taken already by"),
    ({"id": "a/b"}, "", "line 2: the id 'a/b' cannot be used"),
    ({"emotoin": "sad"}, "", "unknown field 'emotoin'; did you mean emotion?"),
    ({"age": "old"}, "", "line 2: age is 'old'; accepted: float, 0 to 120"),
    ({"start": "0.05", "end": "9"}, "", "the segment ends at 9 s, but"),
    ({"start": "soon"}, "", "line 2: start is 'soon'; accepted: a number"),
    ({"part": "eval"}, "", "line 2: part is 'eval'; accepted: train, dev, test"),
])
def test_a_wrong_cell_is_one_line(tmp_path, capsys, change, head, message):
    rows = six_speakers()
    if "id" in change:
        rows = [row | {"id": row["path"][:-4]} for row in rows]
    rows[0] |= change
    line = fails(capsys, tmp_path, rows, head)
    assert message in line
    assert "t.tsv" in line


@pytest.mark.parametrize(("text", "message"), [
    ("path\tspeaker\na.wav\ts\n", "line 1: the column 'emotion' is missing; the columns are: path, speaker"),
    ("file\temotion\na.wav\ts\n", "the column 'path' is missing"),
    ("path\temotion\na.wav\n", "line 2: 1 cells, the header has 2"),
    ("path\temotion\temotion\na.wav\tx\ty\n", "the column 'emotion' occurs twice"),
    ("", "the column 'path' is missing"),
    ("path\temotion\n", "there is no utterance below its header line"),
    ("# clases: a b\npath\temotion\n", "line 1: unknown setting 'clases'; did you mean classes?"),
    ("# threshold: ten\npath\temotion\na.wav\tx\n", "threshold is 'ten'; accepted: a number"),
    ("# threshold: nan\npath\temotion\na.wav\tx\n", "threshold is 'nan'; accepted: a number"),
])
def test_a_wrong_table_is_one_line(tmp_path, capsys, text, message):
    (tmp_path / "t.tsv").write_text(text)
    assert run(prepare.main, "--table", tmp_path / "t.tsv", tmp_path / "data") == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "t.tsv" in error


def test_all_mistakes_of_a_table_come_at_once(tmp_path, capsys):
    rows = six_speakers(4)
    path = table(tmp_path, rows, "# classes: glad sad\n")
    lines = path.read_text().split("\n")
    for number in (4, 5, 6, 7, 8):
        lines[number] = lines[number].replace("glad", "Glad").replace("sad", "Sad")
    lines[10] += "\tmore"
    lines[12] = lines[12].replace(".wav", ".mp3")
    path.write_text("\n".join(lines))
    assert run(prepare.main, "--table", path, tmp_path / "data") == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 6 and "7 mistakes (1 lines, 5 labels, 1 recordings)" in told[-1]
    assert [line.partition("t.tsv, line ")[2].partition(":")[0] for line in told[:4]] == ["11", "5", "6", "7"]
    listed = (tmp_path / "data/problems.txt").read_text().splitlines()
    assert len(listed) == 7 and sum("did you mean glad?" in line for line in listed) == 2
    table(tmp_path, rows)
    assert run(prepare.main, "--table", path, tmp_path / "data") == 0
    assert not (tmp_path / "data/problems.txt").exists()


def test_every_speaker_in_two_parts_is_named(tmp_path, capsys):
    rows = [row | {"part": ("train", "train", "dev", "test")[n % 4]} for n, row in enumerate(six_speakers(4))]
    assert run(prepare.main, "--table", table(tmp_path, rows), tmp_path / "data") == 1
    told = capsys.readouterr().err.splitlines()
    assert "6 mistakes (6 faults of protocol official)" in told[-1] and "speaker s2 is in train" in told[2]


def test_a_further_column_is_passed_over_aloud_or_taken(tmp_path, capsys):
    rows = [row | {"mood": n / 10, "Room": "b\u00a0"} for n, row in enumerate(six_speakers())]
    assert "mood" not in made(tmp_path, rows).items["s0_1"].fields
    told = capsys.readouterr().err
    assert "the column 'mood' is no registered field" in told and '--fields "Room:str" takes it as one' in told
    data = made(tmp_path, rows, "", "--fields", "mood:float Room:str")
    assert data.items["s0_1"].fields["mood"] == 0.1 and data.items["s0_1"].fields["Room"] == "b"
    assert capsys.readouterr().err == ""


def test_the_columns_may_have_capitals(tmp_path):
    path = table(tmp_path, six_speakers())
    path.write_text(path.read_text().replace("path\temotion\tspeaker", "Path\tEmotion\tSPEAKER"))
    assert run(prepare.main, "--table", path, tmp_path / "data") == 0
    assert len(Dataset.open(tmp_path / "data").info["speakers"]) == 6


def test_a_speaker_in_train_and_test_is_an_error(tmp_path, capsys):
    rows = [row | {"part": ("train", "train", "train", "dev", "test", "test")[int(row["speaker"][1])]}
            for row in six_speakers()]
    rows[0]["part"] = "test"
    line = fails(capsys, tmp_path, rows)
    assert "protocol official, fold 1: speaker s0 is in test (s0_0) and in train (s0_1)" in line


# --- protocols of tables -----------------------------------------------------------------------------------------


def test_parts_of_the_table_are_a_fixed_split_and_dev_is_carved_out(tmp_path):
    rows = [row | {"part": "test" if row["speaker"] == "s5" else "train"} for row in six_speakers()]
    split = made(tmp_path, rows).split("official")
    assert split.folds == [1] and split.ids(1, "test") == ["s5_0", "s5_1"]
    assert len(split.ids(1, "dev")) == 2 and len({key[:2] for key in split.ids(1, "dev")}) == 1
    assert "carved" in split.description and not split.speaker_overlap


def test_folds_of_the_table(tmp_path):
    rows = [row | {"fold": int(row["speaker"][1]) % 3} for row in six_speakers()]
    split = made(tmp_path, rows).split("official_folds")
    assert [sorted({key[:2] for key in split.ids(fold, "test")}) for fold in split.folds] == [
        ["s0", "s3"], ["s1", "s4"], ["s2", "s5"]]


def test_without_speakers_the_folds_are_random_by_class_and_marked(tmp_path, capsys):
    rows = [{"path": f"{n}.wav", "emotion": ("sad", "glad")[n % 2]} for n in range(20)]
    data = made(tmp_path, rows)
    assert data.protocols == ["random_folds"] and data.info["speakers_known"] is False
    split = data.split("random_folds")
    assert "speakers unknown" in split.description and split.info["speakers_known"] is False
    sad = {key for key, item in data.items.items() if item.fields["emotion"] == "sad"}
    assert all(len(sad & set(split.ids(fold, "test"))) == 2 for fold in split.folds)
    assert "speakers unknown" in capsys.readouterr().err


def test_two_speakers_share_dev_with_train_and_say_so(tmp_path):
    rows = [{"path": f"{s}{n}.wav", "emotion": ("sad", "glad")[n % 2], "speaker": s} for s in "ab" for n in range(6)]
    split = made(tmp_path, rows).split("one_speaker_out")
    assert split.speaker_overlap and split.folds == [1, 2]
    assert {key[0] for key in split.ids(1, "test")} == {"a"} and {key[0] for key in split.ids(1, "dev")} == {"b"}


# --- usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("argv", "message"), [
    (["--corpus", "ravdess"], "--corpus-dir is missing"),
    (["--corpus", "ravdess", "--corpus-dir", ""], "--corpus-dir is missing"),
    (["--corpus", "ravdess", "--corpus-dir", "/nowhere"], "--corpus-dir /nowhere: no such directory"),
    (["--corpus", "ravdes", "--corpus-dir", "."], "did you mean ravdess?"),
    (["--corpus-module", "json", "--corpus-dir", "."], "json is no corpus module"),
    (["--corpus", "table"], "local.table needs --table"),
    (["--corpus", "lab", "--table", ""], "--table is empty; give it a file"),
    (["--table", __file__, "--fields", "mood"], "--fields mood: expected NAME:TYPE, the type one of str, text"),
    (["--table", __file__, "--fields", "age:str"], "--fields age:str: age is a field already, of type float"),
    (["--table", "/nowhere.tsv"], "--table /nowhere.tsv: no such file"),
    ([], "give --corpus NAME"),
])
def test_usage_ends_with_status_2(tmp_path, capsys, argv, message):
    assert run(prepare.main, *argv, tmp_path / "data") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_table_takes_the_name_of_the_recipe(tmp_path):
    words = ["--table", table(tmp_path, six_speakers()), "--corpus-dir", tmp_path, tmp_path / "data"]
    assert run(prepare.main, "--corpus", "our_own", *words) == 0
    assert Dataset.open(tmp_path / "data").name == "our_own"
    assert run(prepare.main, "--corpus", "ravdess", *words) == 2


def test_tiny_keeps_every_class_and_part_with_speakers_apart(tmp_path):
    rows = [{"path": f"{s}_{e}_{n}.wav", "emotion": e, "speaker": f"s{s:02}", "gender": "fm"[s % 2], "part": part}
            for s, part in enumerate(["train"] * 6 + ["dev"] * 3 + ["test"] * 3) for e in "abc" for n in range(5)]
    data = made(tmp_path, rows, "", "--size", "tiny")
    assert 50 <= len(data.items) <= 70
    split = data.split("official")
    for part in PARTS:
        items = [data.items[key] for key in split.ids(1, part)]
        assert {item.fields["emotion"] for item in items} == set("abc")
        assert {item.gender for item in items} == {"male", "female"}
        assert len({item.speaker for item in items}) == 2


def test_folds_of_a_table_that_look_alike_are_told(tmp_path, capsys):
    rows = [row | {"fold": ("1", "1.0", "2", "3", "4", "5")[int(row["speaker"][1])]} for row in six_speakers()]
    made(tmp_path, rows)
    assert "the folds '1' and '1.0' count as different" in capsys.readouterr().err


def test_speakers_that_a_normalization_takes_are_asked_for_before_anything_is_computed(tmp_path, capsys):
    rows = [{**row, "speaker": "" if number == 3 else row["speaker"]} for number, row in enumerate(six_speakers())]
    words = ["--need-speakers", "--table", table(tmp_path, rows), tmp_path / "data"]
    assert run(prepare.main, *words) == 2
    err = capsys.readouterr().err
    assert "--norms has speaker, but 1 of 12 utterances of" in err and "line 5" in err and err.count("\n") == 1
    assert "give --norms global or none" in err and not (tmp_path / "data").exists()
    table(tmp_path, six_speakers())
    assert run(prepare.main, *words) == 0
