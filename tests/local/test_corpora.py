"""RAVDESS and EMO-DB: their layouts in small, and the real ones where they lie."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import emodb, ravdess, speechocean762
from steps.data import prepare, validate
from steps.data.dataset import Dataset
from utils.errors import UserError, run_main

REAL = os.environ.get("EMOTION_CORPORA")
needs_corpora = pytest.mark.skipif(not REAL, reason="EMOTION_CORPORA does not say where the real corpora lie")


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(path.name.encode())
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, 800 + seed).astype("float32"), 16000)


def test_ravdess_names_are_read(tmp_path):
    touch(tmp_path / "Audio_Speech_Actors_01-24" / "Actor_12" / "03-01-06-01-02-01-12.wav")
    touch(tmp_path / "Audio_Speech_Actors_01-24" / "Actor_12" / "03-02-06-01-02-01-12.wav")  # song
    [row] = ravdess.rows(tmp_path)
    # the example of the corpus's own description: fearful, normal, "dogs", first repetition, actor 12, female
    assert row.id == "03-01-06-01-02-01-12"
    assert row.fields["emotion"] == "fearful" and row.fields["text"] == "dogs are sitting by the door"
    assert (row.fields["speaker"], row.fields["gender"], row.fields["intensity"]) == ("12", "female", 0.0)


def test_emodb_names_are_read(tmp_path):
    for name in ("03a01Fa.wav", "16b10Wb.flac", "notes.txt"):
        (touch if name != "notes.txt" else Path.touch)(tmp_path / "wav" / name)
    first, second = emodb.rows(tmp_path)
    # the example of the corpus's own description: speaker 03, text a01, Freude, version a
    assert (first.id, first.fields["speaker"], first.fields["sentence"]) == ("03a01Fa", "03", "a01")
    assert (first.fields["emotion"], first.fields["gender"]) == ("happiness", "male")
    assert (second.fields["emotion"], second.fields["gender"], second.fields["take"]) == ("anger", "female", "b")


@pytest.mark.parametrize("corpus", [ravdess, emodb, speechocean762])
def test_another_directory_is_refused(tmp_path, corpus):
    with pytest.raises(UserError, match="--corpus-dir .* there; ") as error:
        corpus.rows(tmp_path)
    assert error.value.status == 2


def test_the_published_counts_add_up():
    for corpus in (ravdess.CORPUS, emodb.CORPUS):
        assert sum(corpus.published["emotion"].values()) == corpus.published["utterances"]
        assert tuple(sorted(corpus.published["emotion"])) == tuple(sorted(corpus.targets[0].classes))


def test_an_incomplete_corpus_needs_allow_partial_and_says_what_is_missing(tmp_path, capsys):
    for speaker in ("03", "08", "09", "10"):
        for letter in "WN":
            touch(tmp_path / "wav" / f"{speaker}a01{letter}a.wav")
    words = ["--corpus", "emodb", "--corpus-dir", str(tmp_path), str(tmp_path / "data")]
    assert run_main(prepare.main, words) == 1
    line = capsys.readouterr().err
    assert "utterances: 8 of 535" in line and "emotion fear: 0 of 69" in line and "--allow-partial" in line
    assert run_main(prepare.main, ["--allow-partial", "false", *words]) == 1
    capsys.readouterr()
    assert run_main(prepare.main, ["--allow-partial", "true", *words]) == 0
    assert run_main(prepare.main, [*words[:-1], "--allow-partial", words[-1]]) == 0
    assert "warning: emodb is not whole: speakers: 4 of 10" in capsys.readouterr().err
    assert Dataset.open(tmp_path / "data").target().classes == ("anger", "neutral")


@needs_corpora
def test_real_ravdess(tmp_path, capsys):
    data = tmp_path / "data"
    assert run_main(prepare.main, ["--corpus", "ravdess", "--corpus-dir", f"{REAL}/ravdess", str(data)]) == 0
    assert run_main(validate.main, [str(data)]) == 0
    assert "identical audio under 2 ids: 03-01-03-01-02-01-07, 03-01-03-01-02-02-07" in capsys.readouterr().err
    dataset = Dataset.open(data)
    split = dataset.split("six_folds")
    tests = [{dataset.items[key].speaker for key in split.ids(fold, "test")} for fold in split.folds]
    assert tests == [{"01", "11", "20", "21"}, {"04", "10", "12", "14"}, {"08", "09", "19", "23"},
                     {"03", "05", "07", "24"}, {"02", "15", "16", "18"}, {"06", "13", "17", "22"}]
    assert [len(split.ids(1, part)) for part in ("train", "dev", "test")] == [960, 240, 240]
    assert {dataset.items[key].speaker for key in split.ids(6, "dev")} == tests[0]
    assert len(dataset.split("one_actor_out").folds) == 24
    assert abs(json.loads((data / "validation.json").read_text())["hours"] - 1.48) < 0.01


@needs_corpora
def test_real_emodb_in_part(tmp_path):
    data = tmp_path / "data"
    words = ["--corpus", "emodb", "--corpus-dir", f"{REAL}/emodb", str(data)]
    assert run_main(prepare.main, ["--allow-partial", *words]) == 0
    dataset = Dataset.open(data)
    counts = Counter(item.fields["emotion"] for item in dataset.items.values())
    whole = emodb.CORPUS.published["emotion"]
    assert all(counts[name] == whole[name] for name in dataset.target().classes)
    assert [len({dataset.items[key].speaker for key in dataset.split("one_speaker_out").ids(k, "train")})
            for k in range(1, 11)] == [8] * 10


@needs_corpora
@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_real_corpora_tiny(tmp_path, name):
    data = tmp_path / "data"
    words = ["--corpus", name, "--corpus-dir", f"{REAL}/{name}", "--allow-partial", "--size", "tiny", str(data)]
    assert run_main(prepare.main, words) == 0
    dataset = Dataset.open(data)
    assert 50 <= len(dataset.items) <= 70
    for protocol in dataset.protocols:
        split = dataset.split(protocol)
        assert len(split.folds) >= 3
        for fold in split.folds:
            for part in ("train", "dev", "test"):
                assert {dataset.items[key].fields["emotion"] for key in split.ids(fold, part)} == set(
                    dataset.target().classes)


def write_speechocean(directory: Path, **changes: str) -> Path:
    """Three of the corpus's utterances in its published layout (its README: Kaldi directories beside WAVE/); one of
    the real oddities is kept: a recording of WAVE/ that no list has, because nobody transcribed it."""
    for part, utterances in (("train", ["000010011", "000010035"]), ("test", ["000030012"])):
        tables = {"text": "WE CALL IT BEAR", "wav.scp": "WAVE/SPEAKER{speaker}/{key}.wav", "utt2spk": "{speaker}"}
        lines = {name: [] for name in (*tables, "spk2gender", "spk2age")}
        for key in utterances:
            speaker = key[:5][1:]
            for name, value in tables.items():
                lines[name].append(f"{key}\t{value.format(key=key, speaker=speaker)}")
            touch(directory / "WAVE" / f"SPEAKER{speaker}" / f"{key}.wav")
        lines["spk2gender"], lines["spk2age"] = [f"{speaker} m"], [f"{speaker}\t6"]
        for name, rows in lines.items():
            (directory / part).mkdir(parents=True, exist_ok=True)
            (directory / part / name).write_text(changes.get(f"{part}/{name}", "\n".join(rows) + "\n"))
    touch(directory / "WAVE" / "SPEAKER0001" / "000010999.wav")
    return directory


def test_speechocean762_is_read_from_its_kaldi_tables(tmp_path):
    rows = speechocean762.rows(write_speechocean(tmp_path))
    assert [row.id for row in rows] == ["000010011", "000010035", "000030012"]
    first = rows[0]
    assert first.fields["text"] == "WE CALL IT BEAR"
    assert (first.fields["speaker"], first.fields["gender"], first.fields["age"]) == ("0001", "male", 6)
    assert first.path == tmp_path / "WAVE/SPEAKER0001/000010011.wav"
    assert [row.fields["list"] for row in rows] == ["train", "train", "test"]


@pytest.mark.parametrize("name, text, told", [("train/utt2spk", "000010011\t0001\n", "000010035 is not in"),
                                              ("test/text", "000030012\n", "text, line 1: expected a key and a value")])
def test_a_damaged_table_of_speechocean762_is_named(tmp_path, name, text, told):
    with pytest.raises(UserError, match=told):
        speechocean762.rows(write_speechocean(tmp_path, **{name: text}))


@needs_corpora
def test_speechocean762_as_it_lies(tmp_path):
    directory = Path(REAL) / "speechocean762"
    if not directory.is_dir():
        pytest.skip("speechocean762 is not there")
    rows = speechocean762.rows(directory)
    assert Counter(row.fields["list"] for row in rows) == {"train": 2500, "test": 2500}
    [fold] = speechocean762.protocols(rows)[0].folds
    speakers = {part: {row.speaker for row in rows if fold[row.id] == part} for part in ("train", "dev", "test")}
    assert {part: len(members) for part, members in speakers.items()} == {"train": 113, "dev": 12, "test": 125}
    assert not speakers["train"] & speakers["dev"] and not speakers["test"] & (speakers["train"] | speakers["dev"])
