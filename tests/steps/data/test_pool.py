"""Pooling prepared corpora: common classes, names, the folds of `cross`, and every mistake in one line."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from steps.data import pool, validate
from steps.data.class_map import map_votes, read_class_map
from steps.data.dataset import Dataset
from steps.data.derived import read_cuts
from steps.features.precomputed import Precomputed, PrecomputedConfig
from tests.steps.scored_recipe import emotion, write_data
from utils.errors import UserError, run_main
from utils.files import ROOT

MAP = """classes: [angry, happy, sad]
corpora:
  one: {anger: angry, joy: happy, sorrow: sad, calm: null}
  two: {wut: angry, freude: happy}
  one_calm: {anger: angry, joy: happy, sorrow: sad, calm: sad}
"""
ONE, TWO = ("anger", "joy", "sorrow", "calm"), ("wut", "freude")


def rows_of(speakers: str, labels: tuple[str, ...], **more) -> list[dict]:
    return [{"id": f"{speaker}-{label}", "speaker": speaker, "emotion": label, "sentence": "a01", **more}
            for speaker in speakers for label in labels]


def folds_of(rows: list[dict], folds: list[tuple[str, str]]) -> list[tuple[str, int, str]]:
    """folds: (test speaker, dev speaker) of each; the others train."""
    return [(row["id"], number, "test" if row["speaker"] == test else "dev" if row["speaker"] == dev else "train")
            for number, (test, dev) in enumerate(folds, start=1) for row in rows]


@pytest.fixture
def sets(tmp_path) -> Path:
    """Two corpora whose ids, speakers and codes of sentences are the same, and a map."""
    one, two = rows_of("abc", ONE), rows_of("abc", TWO)
    write_data(tmp_path / "one", one, {"apart": folds_of(one, [("a", "b"), ("b", "c")]),
                                       "other": folds_of(one, [("c", "a")])}, name="one", targets=emotion(list(ONE)),
               protocols=["apart", "other"], synthetic=False)
    write_data(tmp_path / "two", two, {"held_out": folds_of(two, [("b", "a")])}, name="two", targets=emotion(list(TWO)),
               protocols=["held_out"])
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def run(sets: Path, *options: str, data=("one", "two")) -> int:
    words = [f"{name}={sets / path}" if name else str(sets / path)
             for name, _, path in (word.rpartition("=") for word in data)]
    return run_main(pool.main, ["--map", str(sets / "map.yaml"), *options, str(sets / "out"), *words])


def made(sets: Path, *options: str, **more) -> Dataset:
    assert run(sets, *options, **more) == 0
    return Dataset.open(sets / "out")


def fails(capsys, sets: Path, *options: str, status: int = 1, **more) -> str:
    """The one line on standard error."""
    assert run(sets, *options, **more) == status
    lines = capsys.readouterr().err.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    assert not (sets / "out" / "cuts.jsonl.gz").exists()
    return lines[0]


def change_info(directory: Path, **info) -> None:
    path = directory / "corpus.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **info}))


# --- what comes out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "classes: [tra\u0308ge, froh\u00a0]\ncorpora:\n  a: {tr\u00e4ge: tra\u0308ge, 'froh\u200b': froh}\n",
    "\ufeffclasses: [tr\u00e4ge, froh]\r\ncorpora:\r\n  a: {tra\u0308ge: tra\u0308ge, froh: froh}\r\n"])
def test_a_class_map_means_the_same_in_every_spelling(tmp_path, text):
    (tmp_path / "map.yaml").write_bytes(text.encode())
    maps = read_class_map(tmp_path / "map.yaml")
    assert maps.classes == ("tr\u00e4ge", "froh") and maps.maps["a"] == {name: name for name in maps.classes}


def test_a_label_that_a_class_map_has_twice_is_told(tmp_path):
    (tmp_path / "map.yaml").write_text("classes: [a, b]\ncorpora:\n  x: {'c': a, 'c\u00a0': b}\n")
    with pytest.raises(UserError, match="corpora.x: the label c.* comes in two spellings, as a and as b"):
        read_class_map(tmp_path / "map.yaml")


def test_labels_become_common_classes_and_names_get_their_corpus(sets):
    data = made(sets)
    wanted = {**{f"one.{s}-{own}": common for s in "abc"
                 for own, common in (("anger", "angry"), ("joy", "happy"), ("sorrow", "sad"))},
              **{f"two.{s}-{own}": common for s in "abc" for own, common in (("wut", "angry"), ("freude", "happy"))}}
    assert {key: item.fields["emotion"] for key, item in data.items.items()} == wanted
    for key, item in data.items.items():
        corpus = key.split(".")[0]
        assert item.fields["corpus"] == corpus and item.speaker == f"{corpus}.{key.split('.')[1][0]}"
        assert item.fields["sentence"] == f"{corpus}.a01"  # a01 of one is not a01 of the other
    assert data.target().classes == ("angry", "happy", "sad")
    assert data.info["counts"] == {"angry": 6, "happy": 6, "sad": 3}
    about = data.info["pooled"]["one"]
    assert (about["left_out"], about["utterances"], about["folds"], about["speakers"]) == (3, 9, 2, 3)
    assert not data.info["synthetic"] and data.info["pooled"]["two"]["synthetic"]


def test_every_id_of_a_cut_has_its_corpus(sets):
    made(sets)
    for cut in read_cuts(Dataset.open(sets / "out")):
        ids = {cut["id"], cut["supervisions"][0]["id"], cut["supervisions"][0]["recording_id"]}
        assert len(ids) == 1 and cut["id"].split(".")[0] in ("one", "two")


def sets_by_hand(fold: str) -> dict[str, set[str]]:
    """Train, dev and test of each fold, written down from the two protocols."""
    one = {s: {f"one.{s}-{label}" for label in ("anger", "joy", "sorrow")} for s in "abc"}
    two = {s: {f"two.{s}-{label}" for label in TWO} for s in "abc"}
    all_one, all_two = set().union(*one.values()), set().union(*two.values())
    return {"one 1": {"train": one["c"], "dev": one["b"], "test": one["a"] | all_two},
            "one 2": {"train": one["a"], "dev": one["c"], "test": one["b"] | all_two},
            "one other": {"train": one["b"], "dev": one["a"], "test": one["c"] | all_two},
            "two": {"train": two["c"], "dev": two["a"], "test": two["b"] | all_one}}[fold]


@pytest.mark.parametrize(("options", "folds"), [
    ((), ["one 1", "two"]), (("--folds", "all"), ["one 1", "one 2", "two"]),
    (("--protocols", "one=other"), ["one other", "two"])])
def test_a_fold_is_a_training_corpus(sets, options, folds):
    split = made(sets, *options).split("cross")
    assert split.folds == list(range(1, len(folds) + 1))
    for number, fold in enumerate(folds, start=1):
        assert {part: set(split.ids(number, part)) for part in ("train", "dev", "test")} == sets_by_hand(fold)
        about = split.info["cross"][str(number)]
        assert about["corpus"] == fold.split()[0]
    assert not split.speaker_overlap


def test_a_corpus_is_mapped_in_another_way_by_name(sets):
    data = made(sets, data=("one_calm=one", "two"))
    assert data.items["one_calm.a-calm"].fields["emotion"] == "sad"
    assert data.info["pooled"]["one_calm"]["map"] == "one_calm"
    assert made(sets, data=("mine=one", "two")).info["pooled"]["mine"]["map"] == "one"


def test_a_class_that_a_corpus_lacks_is_told(sets, capsys):
    made(sets)
    assert "two has no sad: UA on it runs over the classes that it has" in capsys.readouterr().err


def test_the_declared_overlap_of_one_corpus_marks_the_protocol(sets):
    (sets / "two/splits/held_out.json").write_text(json.dumps({"name": "held_out", "speaker_overlap": True}))
    split = made(sets).split("cross")
    assert split.speaker_overlap and not split.info["cross"]["1"]["speaker_overlap"]


def test_unlabelled_utterances_stay_out_and_votes_follow_the_map(sets):
    rows = rows_of("abc", ONE, emotion_votes={"anger": 2, "calm": 1}) + [{"id": "x", "speaker": "a", "emotion": "-"}]
    write_data(sets / "votes", rows, {"apart": folds_of(rows, [("a", "b")])}, name="one", targets=emotion(list(ONE)))
    data = made(sets, data=("votes", "two"))
    assert "one.x" not in data.items and data.items["one.a-joy"].fields["emotion_votes"] == {"angry": 2}
    assert map_votes({"a": 1, "b": 2, "c": 4}, {"a": "x", "b": "x", "c": None}) == {"x": 3}


def test_the_maps_of_the_repository_have_every_class_of_every_corpus():
    import importlib

    maps = read_class_map(ROOT / "conf/common_classes.yaml")
    for path in sorted((ROOT / "local").glob("[a-z]*.py")):
        corpus = getattr(importlib.import_module(f"local.{path.stem}"), "CORPUS", None)
        target = corpus.targets[0] if corpus is not None and corpus.targets else None
        if target is not None and target.kind == "class" and target.of == "utterance":
            labels = maps.labels_of(maps.name_of(corpus.name, corpus.name), target.classes)
            assert set(labels) == set(target.classes), corpus.name
            assert {*labels.values()} - {None} == {"angry", "happy", "neutral", "sad"}, corpus.name


def given_features(directory: Path, columns: int) -> None:
    """Every utterance has features (3, columns) of its own instead of a recording."""
    cuts = []
    for number, cut in enumerate(read_cuts(Dataset.open(directory))):
        frames = np.arange(3 * columns, dtype=np.float32).reshape(3, columns) + number + len(directory.name)
        np.save(directory / f"{cut['id']}.npy", frames)
        cuts.append({**cut, "features": {"num_features": columns, "num_frames": 3, "frame_shift": 0.01,
                                         "recording_id": cut["id"], "storage_path": str(directory),
                                         "storage_key": f"{cut['id']}.npy"}})
    with gzip.open(directory / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)


def test_corpora_of_features_only_validate_and_give_their_features(sets):
    given_features(sets / "one", 4)
    given_features(sets / "two", 4)
    for number, path in enumerate(sorted((sets / "two").glob("*.npy"))):
        np.save(path, np.full((3, 4), 100 + number, np.float32))  # else as in the other corpus
    data = made(sets)
    assert run_main(validate.main, [str(data.path)]) == 0
    assert json.loads((data.path / "validation.json").read_text())["features_only"] == 15
    given = Precomputed("precomputed", PrecomputedConfig())
    given.bind(data.items)
    features, _ = given.extract_item(data.items["two.b-wut"])
    np.testing.assert_array_equal(features, np.load(sets / "two" / "b-wut.npy"))


def test_the_same_features_in_two_corpora_do_not_validate(sets, capsys):
    given_features(sets / "one", 4)
    given_features(sets / "two", 4)
    data = made(sets)
    assert run_main(validate.main, [str(data.path)]) == 1
    assert "identical features in two parts of protocol cross" in capsys.readouterr().err


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "says"), [
    ("  two: {", "  zwei: {", "corpora has no map for two"),
    ("sorrow: sad, calm: null}\n  two", "sorow: sad, calm: null}\n  two",
     "the map of one misses the label 'sorrow' of the corpus (the nearest is sorow)"),
    ("joy: happy, sorrow", "joy: hapy, sorrow", "corpora.one.joy is 'hapy', which is no common class (the nearest is"),
    ("{wut: angry, ", "{no: angry, wut: angry, ", "corpora.two: the label False is no text for YAML"),
    ("classes: [angry, happy, sad]", "classes: [angry]", "classes is ['angry']; expected a list of two names or more"),
    ("classes: [angry, happy, sad]", "classes: [angry, happy, sad, sad]", "names one class twice"),
    ("joy: happy, sorrow: sad, calm: null}", "joy: happy, sorrow: sad, calm: null, joy: sad}",
     "map.yaml:3: not valid YAML: the key joy comes twice"),
    ("  two: {", "  one: {", "map.yaml:4: not valid YAML: the key one comes twice"),
    ("classes:", "# caf\udce9\nclasses:", "map.yaml, line 1: not UTF-8"),
    ("classes:", "clases:", "unknown key clases (the nearest is classes)"),
    ("  two: {wut: angry, freude: happy}", "  two:", "corpora.two is None; expected a mapping"),
])
def test_a_map_that_is_wrong(sets, capsys, old, new, says):
    text = (sets / "map.yaml").read_text()
    assert old in text
    (sets / "map.yaml").write_text(text.replace(old, new), encoding="utf-8", errors="surrogateescape")
    told = fails(capsys, sets, status=2)
    assert says in told and "map.yaml" in told


def test_a_class_that_no_corpus_has(sets, capsys):
    (sets / "map.yaml").write_text(MAP.replace("happy, sad]", "happy, sad, bored]"))
    assert "none of one, two has the class bored; take it out of classes" in fails(capsys, sets)


def test_a_map_that_leaves_nothing_of_a_corpus(sets, capsys):
    (sets / "map.yaml").write_text(MAP.replace("{wut: angry, freude: happy}", "{wut: null, freude: null}"))
    assert "leaves no utterance" in fails(capsys, sets)


def test_no_such_map_and_one_corpus_alone(sets, capsys):
    assert "no such file" in fails(capsys, sets, "--map", str(sets / "none.yaml"), status=2)
    assert "is no pool; name two or more" in fails(capsys, sets, data=("one",), status=2)


@pytest.mark.parametrize(("info", "says"), [
    ({"kind": "number", "classes": []}, "the target emotion is a number"),
    ({"of": "session"}, "the target is emotion (one value by session), in"),
    ({"field": "intensity"}, "the target is intensity (one value by utterance), in")])
def test_corpora_that_are_not_alike(sets, capsys, info, says):
    about = Dataset.open(sets / "two").target().to_json()
    change_info(sets / "two", targets=[about | info])
    assert says in fails(capsys, sets)


def test_two_corpora_of_one_name(sets, capsys):
    change_info(sets / "two", name="one")
    assert "are both called one; name one NAME=" in fails(capsys, sets, status=2)


def test_one_data_set_under_two_names(sets, capsys):
    assert "is in the pool twice, as one and as one_calm" in fails(capsys, sets, data=("one", "one_calm=one"), status=2)


@pytest.mark.parametrize(("options", "says"), [
    (("--protocols", "one=none"), "has no protocol 'none'; it has apart, other"),
    (("--protocols", "three=other"), "expected CORPUS=PROTOCOL; the corpora are one, two"),
    (("--protocols", "other"), "expected CORPUS=PROTOCOL")])
def test_protocols_that_are_not_there(sets, capsys, options, says):
    assert says in fails(capsys, sets, *options, status=2)


def test_a_fold_that_has_no_common_class_to_learn_from(sets, capsys):
    rows = rows_of("a", ("anger", "joy", "sorrow")) + rows_of("bc", ("calm",))
    write_data(sets / "calm", rows, {"apart": folds_of(rows, [("a", "b")])}, name="one", targets=emotion(list(ONE)))
    told = fails(capsys, sets, data=("calm", "two"))
    assert "one, protocol apart, fold 1: the part train has no utterance of the common classes" in told


def hashes(directory: Path, **same: str) -> None:
    keys = Dataset.open(directory).items
    (directory / "audio_hashes.tsv").write_text("id\tsha256\n" + "".join(
        f"{key}\t{same.get(key.replace('-', '_'), directory.name + key)}\n" for key in keys))


def test_audio_of_one_corpus_among_the_training_of_another(sets, capsys):
    hashes(sets / "one", c_joy="same")
    hashes(sets / "two", b_wut="same")
    told = fails(capsys, sets)
    assert "identical audio in two parts of protocol cross, fold 1: one.c-joy (train), two.b-wut (test)" in told


def test_audio_that_no_fold_has_in_two_parts_is_told_only(sets, capsys):
    hashes(sets / "one", a_joy="same")  # a is tested in fold 1, and so is b of the other; neither ever trains
    hashes(sets / "two", b_wut="same")
    made(sets)
    assert "identical audio under 2 ids: one.a-joy, two.b-wut" in capsys.readouterr().err


def test_features_of_two_widths(sets, capsys):
    given_features(sets / "one", 128)
    given_features(sets / "two", 64)
    assert "two has features of 64 columns, one of 128" in fails(capsys, sets)


@pytest.mark.parametrize("out", ["one", "two", "third"])
def test_out_is_never_an_input_nor_another_data_set(sets, capsys, out):
    write_data(sets / "third", rows_of("abc", TWO), {}, name="third", targets=emotion(list(TWO)))
    before = (sets / out / "cuts.jsonl.gz").read_bytes()
    words = ["--map", str(sets / "map.yaml"), str(sets / out), str(sets / "one"), str(sets / "two")]
    assert run_main(pool.main, words) == 2 and "name another directory" in capsys.readouterr().err
    assert (sets / out / "cuts.jsonl.gz").read_bytes() == before
