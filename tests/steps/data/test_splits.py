"""Splits: what is wrong with one is told in a line."""

import pytest

from steps.data.dataset import Item
from steps.data.split_checks import check_split, shares_test_speakers
from steps.data.splits import Split, read_split
from utils.errors import UserError

LABEL = {"emotion": "a"}
ITEMS = {key: Item(key, speaker=key, fields={"session": "s", **(LABEL if key < "g" else {})}) for key in "abcdefgh"}
GOOD = {"train": ["a", "b"], "dev": ["c"], "test": ["d"]}


def split(overlap: bool = False, **parts) -> Split:
    return Split("p", {1: {**GOOD, **parts}}, speaker_overlap=overlap)


def test_a_good_split_passes():
    check_split(split(), ITEMS)
    assert split().ids(1, "train") == ["a", "b"]


@pytest.mark.parametrize(("wrong", "message"), [
    (split(eval=["e"]), "'eval' is no part"), (split(dev=["z"]), "'z' is no utterance"),
    (split(dev=["a"]), "a is in train and in dev"), (split(test=[]), "the part test has no utterance"),
    (split(dev=["h"]), "the part dev has no labelled utterance"), (Split("p", {}), "has no folds")])
def test_a_wrong_split_is_one_line(wrong, message):
    with pytest.raises(UserError, match=message):
        check_split(wrong, ITEMS)


def test_a_shared_speaker_needs_the_mark():
    items = ITEMS | {"e": Item("e", fields=LABEL, speaker="a")}
    with pytest.raises(UserError, match=r"speaker a is in train \(a\) and in dev \(e\)"):
        check_split(split(dev=["e"]), items)
    check_split(split(overlap=True, dev=["e"]), items)


def test_an_overlap_of_dev_is_told_from_one_of_test():
    items = ITEMS | {"e": Item("e", fields=LABEL, speaker="a"), "f": Item("f", fields=LABEL)}
    assert not shares_test_speakers(split(overlap=True, dev=["e"]), items)  # a is in train and dev
    assert shares_test_speakers(split(overlap=True, test=["e"]), items)
    assert shares_test_speakers(split(overlap=True, dev=["f"]), items)  # nobody knows whose f is


def test_a_session_in_two_parts_is_an_error_where_it_carries_the_label():
    with pytest.raises(UserError, match="session s is in train"):
        check_split(split(), ITEMS, ["session"])


def test_no_such_fold_or_part():
    with pytest.raises(UserError, match="has no fold 2; it has 1"):
        split().ids(2, "train")
    with pytest.raises(UserError, match="'eval' is no part"):
        split().ids(1, "eval")


def test_a_table_without_utterances_is_refused(tmp_path):
    (tmp_path / "p.tsv").write_text("id\tfold\tpart\n")
    with pytest.raises(UserError, match="p.tsv: it has no utterance"):
        read_split(tmp_path / "p.tsv")
