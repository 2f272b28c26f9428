"""LSSED: features without recordings, emotions as they are written, both protocols, counts, and what is wrong."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from local import lssed
from steps.data import prepare, validate
from steps.data.checks import missing_of
from steps.data.dataset import Dataset
from steps.features import extract
from steps.features.store import FeatureStore
from tests.local.emotion_fixtures import lssed as build
from utils.corpus import Row
from utils.errors import UserError, run_main

pytestmark = pytest.mark.filterwarnings("ignore::utils.corpus.CorpusNotice")  # rows() tells what it lacks


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lssed")
    return directory, build(directory)


def prepared(corpus_dir: Path, data: Path, *options: str) -> int:
    return run_main(prepare.main, ["--corpus", "lssed", "--corpus-dir", str(corpus_dir), "--allow-partial", *options,
                                   str(data)])


def given(data: Path, *options: str) -> int:
    words = ["--features", "precomputed", str(data), *options]
    return max(run_main(extract.main, [*words, *step]) for step in (["--prepare"], ["--task", "1"], ["--finish"]))


def test_rows_have_spectrograms_and_no_recording(corpus):
    directory, expected = corpus
    rows = {row.id: row for row in lssed.rows(directory)}
    assert len(rows) == 140 and "999_00" not in rows
    assert all(row.path is None and row.features.stem == key and row.frame_shift == 0.032 for key, row in rows.items())
    for key, fields in expected.items():
        assert {field: rows[key].fields.get(field) for field in fields} == fields, key


def test_a_table_may_say_where_the_features_are(corpus, tmp_path):
    (tmp_path / "metadata_english_own.csv").write_text("name,emotion,features\na-1,sad,deep/below/x.npy\nb,0,\n")
    [row] = lssed.rows(tmp_path)
    assert (row.id, row.features, row.fields["emotion"]) == ("a-1", tmp_path / "deep/below/x.npy", "sad")


@pytest.mark.parametrize(("text", "emotion", "votes"), [
    ("Angry", "angry", None), ("0", "angry", None), ("1", "neutral", None), ("2", "happy", None), ("3", "sad", None),
    ("sad, angry", "sad", {"sad": 1, "angry": 1}), ("bored/anger", "angry", None), ("Fear", "-", None),
    ("sad+sadness", "sad", None), ("", "-", None)])
def test_emotions_as_they_may_be_written(text, emotion, votes):
    found = lssed.emotions(text)
    assert (found["emotion"], found.get("emotion_votes")) == (emotion, votes)


def test_the_published_protocol_takes_a_fifth_of_each_class(corpus):
    rows = lssed.rows(corpus[0])
    published, own = lssed.protocols(rows)
    label = {row.id: row.fields["emotion"] for row in rows}
    assert (published.name, published.speaker_overlap) == ("class_80_20", True) and len(published.folds) == 1
    [fold] = published.folds
    whole = Counter(label[key] for key in fold)
    assert whole == Counter({"angry": 20, "neutral": 20, "happy": 40, "sad": 40})
    for part, share in (("test", 0.2), ("dev", 0.1), ("train", 0.7)):
        assert Counter(label[key] for key in fold if fold[key] == part) == {
            name: round(share * count) for name, count in whole.items()}
    assert lssed.protocols(rows[::-1])[0].folds == published.folds


def test_our_own_protocol_shares_no_speaker_and_balances_the_classes():
    generator = np.random.default_rng(0)
    rows = [Row(f"{person}_{number}", fields={"speaker": str(person), "emotion": lssed.CLASSES[
        generator.choice(4, p=[0.1, 0.5, 0.25, 0.15])]}) for person in range(200) for number in range(int(
            generator.integers(2, 60)))]
    _, own = lssed.protocols(rows)
    assert (own.name, own.speaker_overlap) == ("speakers", False)
    [fold] = own.folds
    places = {part: {row.speaker for row in rows if fold[row.id] == part} for part in ("train", "dev", "test")}
    assert sum(map(len, places.values())) == 200 == len(set.union(*places.values()))
    for name in lssed.CLASSES:
        keys = [row.id for row in rows if row.fields["emotion"] == name]
        for part, share in (("train", 0.7), ("dev", 0.1), ("test", 0.2)):
            assert sum(fold[key] == part for key in keys) / len(keys) == pytest.approx(share, abs=0.01)
    assert lssed.protocols(rows[::-1])[1].folds == own.folds


def test_without_speakers_only_the_published_protocol_stands(corpus):
    rows = [Row(row.id, fields={"emotion": row.fields["emotion"]}) for row in lssed.rows(corpus[0])]
    assert [protocol.name for protocol in lssed.protocols(rows)] == ["class_80_20"]


def test_the_whole_corpus_has_its_published_counts():
    rows = [Row(str(number), fields={"speaker": str(number % 820)}) for number in range(147025)]
    assert missing_of(rows, lssed.CORPUS) == []
    assert missing_of(rows[820:], lssed.CORPUS) == ["utterances: 146205 of 147025"]


@pytest.mark.parametrize("size", ["full", "tiny"])
def test_features_only_is_prepared_validated_and_extracted(corpus, tmp_path, capsys, size):
    assert prepared(corpus[0], tmp_path / "data", "--size", size) == 0, capsys.readouterr().err
    assert (", 20 unlabelled" in capsys.readouterr().out) == (size == "full")
    assert run_main(validate.main, [str(tmp_path / "data")]) == 0, capsys.readouterr().err
    assert "no audio" in capsys.readouterr().out
    assert given(tmp_path / "data") == 0
    data = Dataset.open(tmp_path / "data")
    for name in ("class_80_20", "speakers"):
        split = data.split(name)
        for part in ("train", "dev", "test"):
            assert {data.items[key].fields["emotion"] for key in split.ids(1, part)} == set(lssed.CLASSES)
    hashes = (tmp_path / "data/audio_hashes.tsv").read_text().splitlines()[1:]
    assert len({line.split("\t")[1] for line in hashes}) == len(hashes) == len(data.items)
    store = FeatureStore.open(tmp_path / "data/precomputed")
    assert (store.dim, store.frame_shift, len(store)) == (128, 0.032, len(data.items))
    key = store.ids[0]
    np.testing.assert_array_equal(store[key], np.load(corpus[0] / "spectrogram" / f"{key}.npy"))


def test_functionals_are_taken_from_their_own_directory(corpus, tmp_path):
    assert prepared(corpus[0], tmp_path / "data") == 0
    words = ["--features", "is13", "--from", str(corpus[0] / "is13"), str(tmp_path / "data")]
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert run_main(extract.main, [*words, *step]) == 0
    store = FeatureStore.open(tmp_path / "data/is13")
    assert (store.kind, store.dim) == ("utterance", 60)


def test_the_same_features_in_two_parts_are_named(tmp_path, capsys):
    build(tmp_path / "corpus")
    for key in ("001_00", "002_00", "003_00", "004_00", "005_00", "006_00", "007_00", "008_00", "009_00"):
        (tmp_path / f"corpus/spectrogram/{key}.npy").write_bytes(
            (tmp_path / "corpus/spectrogram/000_00.npy").read_bytes())
    assert prepared(tmp_path / "corpus", tmp_path / "data") == 0
    capsys.readouterr()
    assert run_main(validate.main, [str(tmp_path / "data")]) == 1
    assert "identical features in two parts of protocol class_80_20, fold 1: 000_00" in capsys.readouterr().err


def test_spectrograms_of_silence_are_told_and_not_taken_for_doubles(tmp_path, capsys):
    build(tmp_path / "corpus")
    for person in range(10):
        np.save(tmp_path / f"corpus/spectrogram/{person:03d}_00.npy", np.full((20, 128), -15.94, dtype=np.float32))
    assert prepared(tmp_path / "corpus", tmp_path / "data") == 0
    assert run_main(validate.main, [str(tmp_path / "data")]) == 0
    assert "features that are one number throughout in 10 of 140 utterances: 000_00, 001_00" in capsys.readouterr().err


def test_features_of_another_width_are_named_before_a_task_runs(tmp_path, capsys):
    build(tmp_path / "corpus", people=4)
    wrong = tmp_path / "corpus/spectrogram/002_03.npy"
    np.save(wrong, np.ones((31, 64), dtype=np.float32))
    assert prepared(tmp_path / "corpus", tmp_path / "data") == 0
    capsys.readouterr()
    assert run_main(extract.main, ["--features", "precomputed", str(tmp_path / "data"), "--prepare"]) == 1
    first = tmp_path / "corpus/spectrogram/000_00.npy"
    assert capsys.readouterr().err == (f"error: 002_03: {wrong} has shape (31, 64), but 000_00 ({first}) has (20, 128);"
                                       " all must have the same columns\n")


def test_a_directory_with_a_file_of_another_width_is_named_by_the_task(corpus, tmp_path, capsys):
    assert prepared(corpus[0], tmp_path / "data") == 0
    (tmp_path / "is13").mkdir()
    for path in (corpus[0] / "is13").iterdir():
        (tmp_path / "is13" / path.name).symlink_to(path)
    (tmp_path / "is13/001_01.npy").unlink()
    np.save(tmp_path / "is13/001_01.npy", np.ones(59, dtype=np.float32))
    (tmp_path / "is13/001_02.npy").unlink()
    words = ["--features", "is13", "--from", str(tmp_path / "is13"), str(tmp_path / "data")]
    assert run_main(extract.main, [*words, "--prepare"]) == 0
    capsys.readouterr()
    assert run_main(extract.main, [*words, "--task", "1"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: 001_01: {tmp_path}/is13/001_01.npy has shape (59,), but 000_00 (")
    assert "(60,)" in told
    np.save(tmp_path / "is13/001_01.npy", np.ones(60, dtype=np.float32))
    for step in (["--task", "1"], ["--finish"]):
        assert run_main(extract.main, [*words, *step]) == 0
    assert "001_02: " in (told := capsys.readouterr().out) and "001_02.npy is missing" in told


@pytest.mark.parametrize("there", [True, False])
def test_features_that_cannot_be_read_are_named_with_their_line(tmp_path, capsys, there):
    (tmp_path / "t.tsv").write_text("# classes: sad happy\nfeatures\temotion\tframe_shift\na.npy\tsad\t0.032\n")
    if there:
        (tmp_path / "a.npy").write_bytes(b"")
    words = ["--table", str(tmp_path / "t.tsv"), "--corpus", "other", str(tmp_path / "data")]
    assert run_main(prepare.main, words) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {tmp_path}/t.tsv, line 3: {tmp_path}/a.npy is no .npy array that can be read")
    assert told.count("\n") == 1


@pytest.mark.parametrize(("table", "told"), [
    ("file,faces\na,sad\n", "no column name; .* it has: file, faces"), ("", "it has: nothing")])
def test_a_table_that_is_none_is_refused(tmp_path, table, told):
    build(tmp_path, people=1)
    (tmp_path / "metadata_english_all.csv").write_text(table)
    with pytest.raises(UserError, match=told):
        lssed.rows(tmp_path)


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(UserError, match="--corpus-dir .* there; ") as error:
        lssed.rows(tmp_path)
    assert error.value.status == 2 and "\n" not in str(error.value)


def test_an_utterance_with_two_files_is_named(tmp_path):
    build(tmp_path, people=3)
    (tmp_path / "spectrogram/other").mkdir()
    (tmp_path / "spectrogram/000_03.npy").rename(tmp_path / "spectrogram/other/000_02.npy")
    with pytest.raises(UserError, match=r"english_all.csv, line 4: 000_02 may be .*/000_02.npy or .*/other/000_02.npy"):
        lssed.rows(tmp_path)


@pytest.mark.parametrize("head", ["name,faces,emotion", "name,mood,age", "name,subject,speaker"])
def test_a_table_with_the_wrong_columns_says_which_it_has(tmp_path, head):
    (tmp_path / "metadata_english_own.csv").write_text(f"{head}\na,sad,sad\n")
    has = head.replace(",", ", ")
    with pytest.raises(UserError, match=f"english_own.csv: .* faces .or emotion., each once; it has: {has}"):
        lssed.rows(tmp_path)


def test_two_speakers_are_too_few_for_the_protocol_of_speakers(tmp_path):
    build(tmp_path, people=2)
    assert [protocol.name for protocol in lssed.protocols(lssed.rows(tmp_path))] == ["class_80_20"]


def test_several_arrays_in_one_file_are_named(corpus, tmp_path, capsys):
    build(tmp_path / "c", people=3)
    with open(tmp_path / "c/spectrogram/000_00.npy", "wb") as stream:
        np.savez(stream, a=np.ones(3))
    assert prepared(tmp_path / "c", tmp_path / "data") == 1
    assert "000_00.npy is no .npy array that can be read (several arrays" in capsys.readouterr().err


def test_a_directory_without_any_of_the_files_is_named(corpus, tmp_path, capsys):
    assert prepared(corpus[0], tmp_path / "data") == 0
    assert given(tmp_path / "data", "--from", str(tmp_path)) == 2
    assert f"{tmp_path} has <id>.npy of none of the 140 utterances, such as 000_00.npy" in capsys.readouterr().err
