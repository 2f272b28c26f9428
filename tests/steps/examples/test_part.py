"""A part of a fold: dialogues in order of turn, context that is read and neither learned nor scored."""

from dataclasses import replace

import numpy as np
import pytest

from steps.data.dataset import Dataset, Item
from steps.examples.fold import fingerprint, load_examples, what_is_read
from steps.examples.part import Part, Vectors
from steps.experiments.outcome import Outcome
from steps.inputs.archive import ArchiveSource
from steps.scoring.scores import read_scores


def item(key, turn=None, **fields):
    return Item(key, turn=turn, fields=fields)


def part(items, **labels):
    rows = np.arange(len(items), dtype=np.float32)[:, None]
    return Part(tuple(items), {"a": Vectors(rows), "b": Vectors(-rows)},
                {name: np.array(values) for name, values in labels.items()})


def test_dialogues_are_in_order_of_turn_and_items_without_one_stand_alone():
    found = part([item("c", 2, dialogue="x"), item("a"), item("b", 1, dialogue="x"), item("d", 1, dialogue="w")],
                 emotion=[0, 1, 0, 1])
    assert [found.ids[position] for group in found.groups("dialogue") for position in group] == ["d", "b", "c", "a"]
    assert [group.tolist() for group in found.groups("dialogue")] == [[3], [2, 0], [1]]
    assert [len(group) for group in found.groups("session")] == [1, 1, 1, 1]


def test_inputs_and_labels_go_together():
    whole = part([item("a"), item("b"), item("c")], emotion=[0, -1, -1], valence=[np.nan, np.nan, 2.0])
    assert whole.labelled().ids == ["a", "c"] and whole.unlabelled().ids == ["b"]
    few = whole.labelled()
    assert few.inputs["b"].matrix().tolist() == [[0], [-2]] and few.labels["valence"][1] == 2.0
    both = few.join(whole.unlabelled())
    assert both.ids == ["a", "c", "b"] and both.inputs["a"].matrix()[:, 0].tolist() == [0, 2, 1]
    assert both.labels["emotion"].tolist() == [0, -1, -1]
    with pytest.raises(ValueError):
        both.x  # noqa: B018 - it has two


@pytest.fixture
def dialogues(make_dataset, tmp_path):
    """Six dialogues of four turns; the protocol has turns 1 to 3, but of dialogue d2 all turns in two parts."""
    ids = [f"d{number}-{turn}" for number in range(6) for turn in range(1, 5)]
    of = {0: "train", 1: "train", 3: "dev", 4: "test", 5: "test"}
    fold = {key: of[int(key[1])] for key in ids if int(key[1]) in of and not key.endswith("-4")}
    fold |= {"d2-1": "train", "d2-2": "dev"}
    labels = [("angry", "sad")[int(key[-1]) % 2] for key in ids]
    fields = {key: {"dialogue": key[:2], "turn": int(key[-1])} for key in ids}
    rows = np.random.default_rng(0).normal(size=(len(ids), 3))
    return make_dataset(tmp_path / "data" / "toy", ids, labels, [key[:2] for key in ids], ["female"] * len(ids), rows,
                        [fold], failed=["d5-4"], fields=fields)


def examples_of(data, reads):
    opened = Dataset.open(data)
    store = {"toy": ArchiveSource.open(data, "toy")}
    return opened, load_examples(opened, store, opened.split("plain"), 1, "global", reads=reads)


def test_the_context_of_a_dialogue_stays_within_its_part(dialogues):
    _, whole = examples_of(dialogues, "dialogue")
    context = {name: [each.id for each, aside in zip(part.items, part.context, strict=True) if aside]
               for name, part in (("train", whole.train), ("dev", whole.dev), ("test", whole.test))}
    # Of d2, which two parts share, the turns of no part are nobody's; d5-4 has no features.
    assert context == {"train": ["d0-4", "d1-4"], "dev": ["d3-4"], "test": ["d4-4"]}
    for mine in (whole.train, whole.dev, whole.test):
        for group in mine.groups("dialogue"):
            assert len({mine.items[position].dialogue for position in group}) == 1
    assert [whole.test.ids[n] for n in whole.test.groups("dialogue")[0]] == ["d4-1", "d4-2", "d4-3", "d4-4"]


def test_context_is_neither_learned_nor_scored_nor_normalized_on(dialogues, tmp_path):
    data, whole = examples_of(dialogues, "dialogue")
    _, plain = examples_of(dialogues, "utterance")
    assert whole.train.labelled().ids == plain.train.labelled().ids and not plain.train.context.any()
    np.testing.assert_array_equal(whole.normalization["toy"]["mean"], plain.normalization["toy"]["mean"])
    np.testing.assert_array_equal(whole.log_prior(whole.target), plain.log_prior(plain.target))
    logits = {name: np.zeros((len(part), 2)) for name, part in (("dev", whole.dev), ("test", whole.test))}
    about = Outcome(data, whole, whole.target, logits).write(tmp_path)
    assert read_scores(tmp_path / "scores/emotion/test.tsv").ids == plain.test.ids and about["test"]["n"] == 6
    assert about["prior_scored"] == []  # d5-4 is of no part


def test_context_belongs_to_the_fingerprint(dialogues):
    data, split = Dataset.open(dialogues), Dataset.open(dialogues).split("plain")
    read = what_is_read({"toy": ArchiveSource.open(dialogues, "toy")})
    found = fingerprint(data, split, 1, read, reads="dialogue")
    assert found != fingerprint(data, split, 1, read)
    data.items["d0-4"] = replace(data.items["d0-4"], fields={**data.items["d0-4"].fields, "turn": 9})
    assert found != fingerprint(data, split, 1, read, reads="dialogue")
