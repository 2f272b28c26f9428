"""A speaker, sentence, ... that determines the label is told; balanced corpora and chance are not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from local import emodb, ravdess
from steps.data import confounds
from steps.data.confounds import confound_marks, few_utterances, measure
from steps.data.dataset import Dataset
from steps.scoring import score
from tests.steps.scored_recipe import CLASSES, folds_by_speaker, utterances, write_data, write_system
from utils.corpus import Target

REAL = os.environ.get("EMOTION_CORPORA")
needs_corpora = pytest.mark.skipif(not REAL, reason="EMOTION_CORPORA does not say where the real corpora lie")


def test_speakers_of_one_emotion_each_are_told():
    """As in URDU: 26 of 29 speakers have one emotion."""
    pairs = [(f"s{s}", str(s % 4)) for s in range(26) for _ in range(14)]
    pairs += [(f"s{s}", str(n % 4)) for s in range(26, 29) for n in range(12)]
    found = measure("speaker", pairs)
    assert (found.values, found.pure) == (29, 26) and found.tells and found.strength > 0.85
    assert found.describe("emotion").startswith(
        "speaker nearly determines emotion: 26 of 29 speakers have one emotion only; the speaker alone gives 93 % of")


def test_sentences_of_one_emotion_each_are_told():
    """As in ASED: five of seven sentences have one of the five emotions each."""
    pairs = [(f"t{t}", str(t)) for t in range(5) for _ in range(300)]
    pairs += [(f"t{t}", str(n % 5)) for t in (5, 6) for n in range(300)]
    found = measure("sentence", pairs)
    assert (found.values, found.pure) == (7, 5) and found.tells and 0.6 < found.strength < 0.9


def test_one_sentence_for_one_emotion_determines_it():
    found = measure("sentence", [(f"t{t}", str(t)) for t in range(4) for _ in range(10)])
    assert found.strength == pytest.approx(1) and found.mark("emotion") == "sentence determines emotion"


@pytest.mark.parametrize("values, units, classes", [(24, 1440, 8), (10, 340, 4), (200, 600, 4), (30, 60, 8),
                                                    (2, 20, 2)])
def test_chance_is_not_told(values, units, classes):
    rng = np.random.default_rng(0)
    for _ in range(10):
        pairs = [(str(v), str(label)) for v, label in zip(rng.integers(0, values, units),
                                                          rng.integers(0, classes, units), strict=True)]
        found = measure("speaker", pairs)
        assert found is None or (not found.tells and found.strength < 0.35)


def test_values_of_one_utterance_say_nothing():
    assert measure("sentence", [(str(n), str(n % 4)) for n in range(100)]) is None
    assert measure("speaker", [(None, "a"), (None, "b")] * 50) is None
    assert measure("speaker", [("one", str(n % 4)) for n in range(100)]) is None


def made(path, change=lambda row: None, folds=3):
    rows = utterances(12, per_class=4)
    split = folds_by_speaker(rows, folds)
    for row in rows:
        change(row)
    return rows, split, write_data(path / "data", rows, {"folds": split})


def one_emotion_each(row):
    row["emotion"] = CLASSES[int(row["speaker"][1:]) % 4]


def marks(tmp_path, rows, split, data):
    exp = tmp_path / "exp"
    for norm in ("global", "speaker"):
        write_system(exp, f"svm_{norm}", "folds", f"norm-{norm}", rows, split)
    score.main(["--protocol", "folds", "--results", str(tmp_path / "RESULTS"), str(data), str(exp)])
    return {row["variant"]: row["marks"] for row in json.loads((exp / "scored/folds.json").read_text())["rows"]}


def test_speakers_apart_only_normalization_per_speaker_is_marked(tmp_path):
    found = marks(tmp_path, *made(tmp_path, one_emotion_each))
    assert "speaker determines emotion" in found["norm-speaker"]
    assert not any("determines" in mark for mark in found["norm-global"])


def test_a_sentence_that_determines_the_label_is_marked_everywhere(tmp_path):
    found = marks(tmp_path, *made(tmp_path, lambda row: row.update(text=f"this is {row['emotion']}")))
    assert all("sentence determines emotion" in line for line in found.values())


def test_speakers_in_train_and_test_are_marked_where_they_determine_the_label(tmp_path):
    rows, split, data = made(tmp_path, one_emotion_each)
    ids = [row["id"] for row in rows]
    (data / "splits/mixed.tsv").write_text("id\tfold\tpart\n" + "".join(
        f"{key}\t1\t{('train', 'dev', 'test')[n % 3]}\n" for n, key in enumerate(ids)))
    data = Dataset.open(data)
    assert confound_marks(data, data.split("mixed"), data.target()) == ["speaker determines emotion"]
    assert confound_marks(data, data.split("folds"), data.target()) == []


def test_speakers_with_one_utterance_are_counted_and_marked(tmp_path):
    def change(row):
        if row["speaker"] < "s09":
            row["speaker"] = row["id"]
    rows, split, data = made(tmp_path, change)
    assert few_utterances(Dataset.open(data), Target()) == ["144 of 147 speakers have one utterance"]
    [line] = confounds.warnings_of(Dataset.open(data))
    assert line == "144 of 147 speakers have one utterance: normalized per speaker they are all alike"
    found = marks(tmp_path, rows, split, data)
    assert "144 of 147 speakers have one utterance" in found["norm-speaker"]
    assert not any("one utterance" in mark for mark in found["norm-global"])


@needs_corpora
@pytest.mark.slow
@pytest.mark.parametrize("corpus", [ravdess, emodb])
def test_balanced_corpora_raise_no_alarm(corpus):
    rows = list(corpus.rows(Path(REAL, corpus.CORPUS.name)))
    for field in ("speaker", "sentence", "text", "gender"):
        found = measure(field, [(row.fields.get(field), row.fields["emotion"]) for row in rows])
        assert found is None or found.strength < 0.1, field
