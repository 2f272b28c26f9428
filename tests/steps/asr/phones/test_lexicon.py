"""Spellings of words by units, phones and letters."""

import pytest

from steps.asr.phones.lexicon import Lexicon
from steps.asr.train.learn_units import learn_units
from steps.asr.units import UnitsConfig
from utils.errors import UserError

UNITS = learn_units(["the cat sat on the mat"], UnitsConfig(vocabulary=20))


def test_words_are_spelled_as_the_recognizer_was_trained_on_them():
    lexicon = Lexicon.of_words(["Cat", "the", "cat", "taco", "zoo", "?"], UNITS)
    assert list(lexicon) == ["cat", "taco", "the"]
    assert lexicon["the"] == [tuple(UNITS.encode("the"))]
    assert UNITS.decode(lexicon["taco"][0]) == "taco"
    assert lexicon.left_out == ["?", "zoo"]
    assert lexicon.missing(["zoo", "the", "dog", "dog"]) == ["dog", "zoo"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("!SIL SIL\n<UNK> SPN\nREAD R EH1 D\nREAD R IY1 D\nREAD R EH1 D\nIT'S\tIH1 T S\nREAD(2) R EH2 D\n"
                    "WELL-KNOWN W EH1 L\n我 uu uo3\n\n", encoding="utf-8")
    return path


def test_a_kaldi_lexicon_has_several_pronunciations_a_word(path):
    lexicon = Lexicon.read(path)
    assert dict(lexicon) == {"read": [("R", "EH1", "D"), ("R", "IY1", "D"), ("R", "EH2", "D")],
                             "it's": [("IH1", "T", "S")], "我": [("uu", "uo3")]}
    assert lexicon.left_out == ["!SIL", "<UNK>", "WELL-KNOWN"]
    assert lexicon.symbols == ["D", "EH1", "EH2", "IH1", "IY1", "R", "S", "T", "uo3", "uu"]


def test_stress_can_be_removed_which_makes_pronunciations_one(path):
    lexicon = Lexicon.read(path, stress=False)
    assert lexicon["read"] == [("R", "EH", "D"), ("R", "IY", "D")] and lexicon["我"] == [("uu", "uo")]


def test_probabilities_of_lexiconp_are_no_phones(tmp_path):
    (tmp_path / "lexiconp.txt").write_text("a 0.7 AH0\na 0.3 EY1\n")
    assert Lexicon.read(tmp_path / "lexiconp.txt")["a"] == [("AH0",), ("EY1",)]


def test_words_outside_the_lexicon_are_spelled_by_their_letters(path):
    lexicon = Lexicon.read(path).with_letters(["read", "Don't", "他", "..."])
    assert lexicon["read"][0] == ("R", "EH1", "D")
    assert lexicon["don't"] == [("d", "o", "n", "t")] and lexicon["他"] == [("他",)]
    assert "..." in lexicon.left_out
    assert dict(Lexicon.of_letters(["Ab", "ab"])) == {"ab": [("a", "b")]}


@pytest.mark.parametrize("content, message", [("A AH0\nB\n", "line 2: expected a word and its phones; found 'B'"),
                                              ("", "has no word"), ("<UNK> SPN\n", "has no word")])
def test_a_damaged_lexicon_is_named(tmp_path, content, message):
    (tmp_path / "lexicon.txt").write_text(content)
    with pytest.raises(UserError, match=message):
        Lexicon.read(tmp_path / "lexicon.txt")
    with pytest.raises(UserError, match="does not exist"):
        Lexicon.read(tmp_path / "nothing.txt")
