"""Registered fields: what conf/fields.yaml accepts, and what it says otherwise."""

import pytest

from steps.data.fields import FieldSpec, check_id, check_name, check_value, load_fields, missing_word
from utils.errors import UserError

WANTED = {"speaker", "gender", "age", "language", "text", "emotion", "emotion_votes", "intensity", "arousal", "valence",
          "dominance", "liking", "session", "dialogue", "turn", "asr_text", "asr_confidence", "phq8", "video"}


def test_every_field_of_the_contract_is_registered_and_explained():
    registry = load_fields()
    assert set(registry) >= WANTED
    assert all(spec.help for spec in registry.values())


@pytest.mark.parametrize(("name", "given", "kept"), [
    ("gender", "f", "female"), ("gender", "male", "male"), ("age", "23", 23.0), ("turn", "4", 4), ("turn", 4.0, 4),
    ("speaker", " 03 ", "03"), ("speaker", 3, "3"), ("speaker", 3.0, "3"),
    ("speaker", "Zoe\u0308\u200b", "Zo\u00eb"),
    ("text", " Zoe\u0308 ", "Zoe\u0308"), ("emotion_votes", {"a\u00a0": 2}, {"a": 2}),
    ("emotion_votes", "angry:3 sad", {"angry": 3.0, "sad": 1}),
    ("emotion_votes", {"angry": 2}, {"angry": 2}), ("valence", "0.5", 0.5), ("phq8", "-", "-"),
    ("asr_nbest", '[["yes", -1], ["", -2.5]]', [["yes", -1.0], ["", -2.5]]), ("asr_nbest", [], []),
    ("valence", '{"step": 0.1, "values": [1, -1]}', {"step": 0.1, "values": [1.0, -1.0]})])
def test_values_get_their_type(name, given, kept):
    result = check_value(load_fields()[name], name, given, "here")
    assert result == kept and type(result) is type(kept)


@pytest.mark.parametrize(("name", "given", "message"), [
    ("age", 130, "here: age is 130; accepted: float, 0 to 120"), ("age", "nan", "accepted"), ("age", True, "accepted"),
    ("turn", "1.5", "accepted: int, at least 0"), ("gender", "x", "accepted: female, male, other"),
    ("speaker", 3.5, "accepted: a value of type str"),
    ("speaker", True, "accepted: a value of type str"),
    ("speaker", float("inf"), "accepted: a value of type str"), ("text", 3, "accepted: a value of type text"),
    ("phq8", 25, "0 to 24"), ("emotion_votes", "sad:x", "counts"),
    ("asr_nbest", [["yes", 0.5]], "accepted: a value of type nbest"), ("asr_nbest", "yes", "nbest"),
    ("asr_nbest", [["yes", float("-inf")]], "nbest"), ("asr_nbest", [[1, -1.0]], "nbest"),
    ("valence", {"step": 0.1, "values": []}, "the sequence is empty"), ("valence", "{step", "not valid JSON"),
    ("valence", {"step": 0, "values": [1]}, "the step is 0 s"), ("valence", {"values": [1]}, '"step": seconds'),
    ("valence", {"step": 0.1, "values": [1, float("nan")]}, "value 1 is nan"),
    ("phq8", {"step": 1, "values": [1]}, "phq8")])
def test_a_wrong_value_is_one_line(name, given, message):
    with pytest.raises(UserError) as error:
        check_value(load_fields()[name], name, given, "here")
    assert message in str(error.value) and str(error.value).startswith("here: ")


def test_an_unknown_field_suggests_the_nearest():
    with pytest.raises(UserError, match="unknown field 'speakr'; did you mean speaker"):
        check_name(load_fields(), "speakr", "here")


def test_a_corpus_registers_its_own():
    registry = load_fields({"tremor": {"type": "float", "min": 0}})
    assert check_value(registry["tremor"], "tremor", "2", "here") == 2.0
    with pytest.raises(UserError, match="tremor: unknown key typ; did you mean type|unknown key typ"):
        load_fields({"tremor": {"typ": "float"}})


@pytest.mark.parametrize("key", ["a b", "a/b", "a\tb", "", ".hidden", "a\n", "x" * 201, "$(x)", "a'b", None])
def test_ids_that_cannot_stand_in_a_table(key):
    with pytest.raises(UserError, match="cannot be used"):
        check_id(key, "here")
    check_id("03-01_größe.1@x+你", "here")


def test_a_word_for_nothing_is_a_value_only_where_it_is_declared():
    registry = load_fields()
    assert missing_word(registry["speaker"], "NaN") == "NaN" and missing_word(registry["age"], float("nan")) == "nan"
    assert missing_word(registry["emotion"], "None") == "None"
    assert missing_word(registry["emotion"], "none", ("none", "glad")) is None
    assert missing_word(registry["text"], "None") is None
    assert missing_word(FieldSpec(choices=["voice", "none"]), "none") is None
    assert missing_word(registry["speaker"], "Nan") is None and missing_word(registry["turn"], 0) is None
