"""The normal form of text and its scoring tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.text.normal_form import is_han, join, normalize, words


@pytest.mark.parametrize("text, wanted", [
    ("MARK IS GOING TO SEE ELEPHANT", "mark is going to see elephant"),
    ("  Well-known: it's 3.5\tmiles,\nisn’t it?! ", "well known it's 3 5 miles isn't it"),
    ("rock 'n' roll, the dogs' 'quoted' word", "rock n roll the dogs quoted word"),
    ("你好，世界！ 我 们", "你好世界我们"),
    ("我用iPhone14，手机", "我用 iphone14 手机"),
    ("ＡＢＣ１２３", "abc123"),
    ("Straße CAFE\u0301", "straße café"),
    ("soft\u00adhyphen, a\u200bb", "softhyphen ab"),
    ("snake_case ▁piece", "snake case piece"),
    ("?!…，。", ""),
    ("", ""),
])
def test_text_in_normal_form(text, wanted):
    assert normalize(text) == wanted


def test_turkish_has_a_lower_case_of_its_own():
    assert normalize("IĞDIR İZMİR", "tr-TR") == "ığdır izmir"
    assert normalize("IGLOO", "en") == normalize("IGLOO") == "igloo"


def test_a_word_is_one_token_and_so_is_a_han_character():
    assert words("我用 iphone 14 手机 it's") == ["我", "用", "iphone", "14", "手", "机", "it's"]
    assert words("") == []


@given(st.text())
def test_normalizing_twice_changes_nothing_and_words_join_to_the_text(text):
    once = normalize(text)
    assert normalize(once) == once
    assert join(words(once)) == once
    assert normalize(" ".join(words(once))) == once


@given(st.text())
def test_nothing_but_letters_digits_marks_and_inner_apostrophes_stays(text):
    for word in words(normalize(text)):
        assert word and not word.startswith("'") and not word.endswith("'")
        assert is_han(word) or not any(is_han(character) for character in word)
        assert not any(character.isspace() or character in ".,;:!?-_\"，。" for character in word)
