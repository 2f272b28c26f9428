"""Names: the same in every spelling, alike in some, missing in others; files in either Unicode form."""

import unicodedata
from pathlib import Path

import pytest

from utils.names import Finder, is_missing, look_alikes, plain_name, spelling

ZOE = "Zo\u00eb"


@pytest.mark.parametrize("written", [
    unicodedata.normalize("NFD", ZOE), f"\u200b{ZOE}", f"{ZOE}\u00a0", f"\ufeff{ZOE} ", "Z\u00ado\u00eb",
    f"\u202a{ZOE}\u202c", "Zoe\u200d\u0308", f"\t{ZOE}\u2003", f"{ZOE}\ufe0f"])
def test_a_name_is_the_same_however_it_is_written(written):
    assert plain_name(written) == ZOE and plain_name(plain_name(written)) == ZOE


def test_what_can_be_seen_stays():
    for name in ("a b", "S3", "李 明", "a\u0301".upper(), "\udcff.wav", "it's"):
        assert plain_name(name) == unicodedata.normalize("NFC", name)
    assert plain_name("Anna\u00a0Maria") == "Anna Maria"


@pytest.mark.parametrize("text", ["", " ", "nan", "NaN", "None", "NULL", "N/A", "NA", "<NA>", "\u00a0nan\u200b", "?"])
def test_a_word_for_nothing_is_missing(text):
    assert is_missing(text)


@pytest.mark.parametrize("text", ["Nan", "Na", "Nina", "0", "-", "no", "neutral", "nanna"])
def test_a_name_is_not_missing(text):
    assert not is_missing(text)


@pytest.mark.parametrize(("one", "other"), [
    ("s3", "S3"), ("3", "3.0"), ("3", "003"), ("spk03", "SPK3"), ("3", "03.00"), ("a  b", "A b"),
    ("stra\u00dfe", "STRASSE")])
def test_spellings_of_one_name(one, other):
    assert spelling(one) == spelling(other) and look_alikes([one, other, one, "x"]) == [sorted([one, other])]


@pytest.mark.parametrize(("one", "other"), [("s3", "s30"), ("10", "1"), ("1.05", "1.5"), ("100", "10"), ("0", "00a"),
                                            ("a.0", "a"), ("v1.0.1", "v1.1")])
def test_other_names_do_not_look_alike(one, other):
    assert look_alikes([one, other]) == []


def test_a_file_is_found_in_either_unicode_form(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "gr\u00f6\u00dfe/\u00e9.wav") for form in ("NFC", "NFD"))
    (tmp_path / decomposed).parent.mkdir()
    (tmp_path / decomposed).touch()
    finder = Finder()
    assert finder.find(tmp_path / composed) == finder.find(tmp_path / decomposed) == tmp_path / decomposed
    assert finder.find(tmp_path / "nothing.wav") == tmp_path / "nothing.wav"
    assert finder.find(Path("nowhere/at/all")) == Path("nowhere/at/all")


def test_of_two_files_that_would_fit_none_is_taken_and_both_are_told(tmp_path):
    for name in ("a\u200b.wav", "a\u200d.wav", "B.WAV"):
        (tmp_path / name).touch()
    assert Finder().find(tmp_path / "a.wav") == tmp_path / "a.wav"
    assert Finder().hint(tmp_path / "b.wav") == "there is B.WAV, spelled otherwise"
    assert Finder().hint(tmp_path / "c.wav") == ""
