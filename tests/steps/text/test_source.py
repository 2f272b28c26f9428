"""Which texts of an utterance count, and how much."""

import math

import pytest

from steps.text.source import weighted_texts


def test_texts_are_read_in_normal_form():
    fields = {"text": "It\u2019s OVER!", "asr_text": "its over", "language": "en"}
    assert weighted_texts(fields, "reference") == [("it's over", 1.0)]
    assert weighted_texts(fields, "asr") == [("its over", 1.0)]
    assert weighted_texts({"text": "ISIK", "language": "tr"}, "reference") == [("ısık", 1.0)]


@pytest.mark.parametrize("source", ["asr", "nbest", "reference"])
@pytest.mark.parametrize("fields", [{}, {"text": "", "asr_text": "", "asr_nbest": [["", -0.1]]}, {
    "text": "...", "asr_text": " ", "asr_nbest": [["!", -1.0], ["", -2.0]]}])
def test_what_holds_no_word_is_empty(fields, source):
    assert weighted_texts(fields, source) == []


def test_an_nbest_list_weighs_by_its_posteriors():
    fields = {"asr_text": "no way", "asr_nbest": [["no way", -800.0], ["nowhere", -801.0], ["", -801.0]]}
    whole = 1 + 2 * math.exp(-1)
    found = weighted_texts(fields, "nbest")
    assert [text for text, _ in found] == ["no way", "nowhere"]
    assert [weight for _, weight in found] == pytest.approx([1 / whole, math.exp(-1) / whole])
    assert weighted_texts({"asr_text": "no way"}, "nbest") == [("no way", 1.0)]
