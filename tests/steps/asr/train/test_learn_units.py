"""Units learned from text: they depend on the counts of its words alone."""

import random

import pytest

from tests.steps.asr.test_units import CHINESE, ENGLISH, train
from utils.errors import UsageError, UserError


def test_training_is_deterministic_and_blind_to_the_order(tmp_path, capsys):
    texts = ENGLISH * 3 + CHINESE
    for kind in ("bpe", "char", "mixed"):
        first = train(texts, kind=kind, vocabulary=60)
        shuffled = texts.copy()
        random.Random(3).shuffle(shuffled)
        train(shuffled, kind=kind, vocabulary=60).save(tmp_path / kind)
        first.save(tmp_path / "first")
        for name in ("units.json", "tokens.txt") + (("bpe.model",) if kind != "char" else ()):
            assert (tmp_path / kind / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


def test_a_vocabulary_that_the_text_cannot_fill_is_lowered_with_a_note(capsys):
    units = train(["hello"], vocabulary=500)
    assert 5 < len(units) < 20
    assert f"the text has {len(units)} pieces, not 500" in capsys.readouterr().out
    assert units.decode(units.encode("hello hole")) == "hello hole"


def test_a_vocabulary_below_the_characters_is_refused():
    with pytest.raises(UsageError, match="vocabulary is 5, its characters alone need 7"):
        train(["hello"], vocabulary=5)


def test_no_text_is_one_clear_line():
    for texts in ([], ["", "?!", "…"]):
        with pytest.raises(UserError, match="no text to learn them from"):
            train(texts)


def test_single_characters_can_be_limited_to_the_most_frequent():
    units = train(["天天天气气好"], kind="char", characters=2, fallback="unknown")
    assert units.tokens == ["<blk>", "<unk>", "天", "气"]
