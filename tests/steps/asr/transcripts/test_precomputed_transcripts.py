"""Transcripts of others: Kaldi's text, tables, hypotheses; every mistake names its line."""

import json
import math

import pytest

from steps.asr.transcripts.precomputed_transcripts import Transcript, match, merge, read_transcripts
from utils.errors import UserError


def write(tmp_path, text, **options):
    path = tmp_path / "text"
    path.write_text(text, encoding=options.get("encoding", "utf-8"), newline="")
    return path


def test_kaldi_text_is_normalized_and_an_id_alone_is_empty(tmp_path):
    found = read_transcripts(write(tmp_path, "a1 Hello,  WORLD\nb\t你好， 世界\n\nc\nd   don't 'go'\r\n"))
    assert {key: entry.text for key, entry in found.items()} == {
        "a1": "hello world", "b": "你好世界", "c": "", "d": "don't go"}
    assert all(entry.confidence is None and entry.nbest == () for entry in found.values())


def test_the_first_line_of_kaldi_text_may_have_any_id(tmp_path):
    found = read_transcripts(write(tmp_path, "id eins\nid2 zwei\n"))
    assert found == {"id": Transcript("eins"), "id2": Transcript("zwei")}


def test_the_language_decides_on_lower_case(tmp_path):
    found = read_transcripts(write(tmp_path, "a ISPARTA\nb ISPARTA\n"), {"a": "tr", "b": None})
    assert found["a"].text == "ısparta" and found["b"].text == "isparta"


def test_a_table_gives_confidence_and_nbest_in_any_order_of_columns(tmp_path):
    nbest = json.dumps([["Yes", math.log(0.5)], ["yes!", math.log(0.25)], ["no", math.log(0.2)]])
    path = write(tmp_path, f"id\tconfidence\twords\tnbest\ttext\na\t0.5\t[]\t{nbest}\tYes.\nb\t\t[]\t[]\t\n")
    found = read_transcripts(path)
    assert found["a"].text == "yes" and found["a"].confidence == 0.5
    assert [text for text, _ in found["a"].nbest] == ["yes", "no"]
    assert [value for _, value in found["a"].nbest] == pytest.approx([math.log(0.75), math.log(0.2)])
    assert found["b"] == Transcript("", None, ())


def test_merged_posteriors_are_sorted_and_never_above_one():
    found = merge([("a", math.log(0.2)), ("b", math.log(0.7)), ("a", math.log(0.1)), ("b", math.log(0.3000001))])
    assert [text for text, _ in found] == ["b", "a"] and found[0][1] == 0.0
    assert merge([("a", -2000.0), ("a", -2000.0)]) == (("a", pytest.approx(-2000 + math.log(2))),)


@pytest.mark.parametrize("text, message", [
    ("a x\na y\n", "line 2: a occurs twice"),
    ("id\twords\na\tx\n", "line 1: the header has no column text"),
    ("id\ttext\na\n", "line 2: 1 columns, and the header has 2"),
    ("id\ttext\tconfidence\na\tx\t1.5\n", "line 2: confidence is '1.5'; accepted: 0 to 1"),
    ("id\ttext\tconfidence\na\tx\tnan\n", "confidence is 'nan'"),
    ('id\ttext\tnbest\na\tx\t[["x"]]\n', "line 2: nbest is"),
    ('id\ttext\tnbest\na\tx\t[["x", 0.5]]\n', "log posterior of at most 0"),
    ("\n\n", "holds no transcript"),
])
def test_a_mistake_names_its_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_transcripts(write(tmp_path, text))


@pytest.mark.parametrize("text", ["\ufeffid\ttext\r\nzoe\u0308\tone two\r\n", "zoe\u0308\u200b  one two\r\n"])
def test_ids_are_the_same_in_every_spelling(tmp_path, text):
    assert list(read_transcripts(write(tmp_path, text))) == ["zo\u00eb"]


def test_a_file_that_is_not_utf_8_or_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="text, line 1: not UTF-8"):
        read_transcripts(write(tmp_path, "a schön\n", encoding="latin-1"))
    with pytest.raises(UserError, match="--text .*: no such file"):
        read_transcripts(tmp_path / "nowhere")


def test_missing_ids_are_an_error_unless_allowed_and_unknown_ones_are_told(tmp_path, capsys):
    found = {"a": Transcript("x"), "z": Transcript("y")}
    with pytest.raises(UserError, match="2 of 3 utterances have no transcript: b, c; add them, or say --allow-missing"):
        match(found, ["c", "b", "a"], tmp_path)
    assert match(found, ["c", "b", "a"], tmp_path, allow_missing=True) == ["b", "c"]
    assert "1 ids are not in the data set and are ignored: z" in capsys.readouterr().err
    with pytest.raises(UserError, match="none of its 2 ids is in the data set, e.g. a; the data set has e.g. q"):
        match(found, ["q", "r"], tmp_path, allow_missing=True)
