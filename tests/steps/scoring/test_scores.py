"""Score files of every task kind."""

import numpy as np
import pytest

from steps.scoring.scores import read_predictions, read_scores, write_regression, write_scores, write_sequences
from utils.errors import UserError

CLASSES = ["angry", "sad"]


def test_scores_are_sorted_and_the_same_bytes_whatever_the_order(tmp_path):
    logp = np.log([[0.25, 0.75], [1.0, 1e-6], [0.5, 0.5]])
    write_scores(tmp_path / "a.tsv", ["b", "a", "c"], ["sad", None, "angry"], CLASSES, logp)
    write_scores(tmp_path / "b.tsv", ["c", "b", "a"], ["angry", "sad", "-"], CLASSES, logp[[2, 0, 1]])
    text = (tmp_path / "a.tsv").read_text()
    assert text == (tmp_path / "b.tsv").read_text()
    assert text == ("id\tlabel\tangry\tsad\na\t-\t0.000000\t-13.815511\nb\tsad\t-1.386294\t-0.287682\n"
                    "c\tangry\t-0.693147\t-0.693147\n")
    scores = read_scores(tmp_path / "a.tsv")
    assert scores.ids == ["a", "b", "c"] and scores.labels == [None, "sad", "angry"]
    assert scores.decisions.tolist() == [0, 1, 0] and scores.references.tolist() == [-1, 1, 0]


def test_more_rows_than_a_block_survive(tmp_path):
    ids = [f"{i:06d}" for i in range(20000)]
    logp = np.random.default_rng(0).normal(size=(20000, 2))
    write_scores(tmp_path / "a.tsv", ids, ["sad"] * 20000, CLASSES, logp)
    scores = read_scores(tmp_path / "a.tsv")
    assert scores.ids == ids
    assert np.abs(scores.logp - logp).max() <= 5.1e-7


@pytest.mark.parametrize("ids, labels, value, word", [
    (["a", "a"], ["sad", "sad"], 0.0, "two scores"), (["a", "b"], ["sad", "happy"], 0.0, "happy"),
    (["a", "b"], ["sad", "sad"], np.nan, "finite"), (["a", "b\tc"], ["sad", "sad"], 0.0, "tab")])
def test_a_wrong_row_is_refused_and_nothing_is_written(tmp_path, ids, labels, value, word):
    with pytest.raises(UserError, match=word):
        write_scores(tmp_path / "a.tsv", ids, labels, CLASSES, np.full((2, 2), value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text, word", [
    ("id\tlabel\tx\nb\tx\t0\na\tx\t0\n", "line 3.*sorted"), ("id\tlabel\tx\na\tx\t0\na\tx\t0\n", "line 3.*two scores"),
    ("id\tlabel\tx\na\ty\t0\n", "line 2.*'y'"), ("id\tlabel\tx\na\tx\n", "line 2.*2 columns"),
    ("id\tlabel\tx\na\tx\t0", "whole"), ("id\tlabel\tx\na\tx\tq\n", "no number"), ("", "whole")])
def test_a_damaged_file_names_file_and_line(tmp_path, text, word):
    path = tmp_path / "scores.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"(?s)scores.tsv.*{word}|scores.tsv.*{word}"):
        read_scores(path)


def test_regression_keeps_every_digit_of_the_label(tmp_path):
    write_regression(tmp_path / "r.tsv", ["s2", "s1"], [None, 1 / 3], [2.0, 0.25])
    assert (tmp_path / "r.tsv").read_text() == (
        "id\tlabel\tprediction\ns1\t0.3333333333333333\t0.250000\ns2\t-\t2.000000\n")
    read = read_predictions(tmp_path / "r.tsv")
    assert read.labels[0] == 1 / 3 and np.isnan(read.labels[1]) and read.predictions.tolist() == [0.25, 2.0]


def test_sequences_have_one_row_a_frame(tmp_path):
    write_sequences(tmp_path / "s.tsv", ["b", "a"], [None, np.array([0.5, -0.5])],
                    [np.array([0.1]), np.array([0.0, 1.0])])
    assert (tmp_path / "s.tsv").read_text() == (
        "id\tframe\tlabel\tprediction\na\t0\t0.5\t0.000000\na\t1\t-0.5\t1.000000\nb\t0\t-\t0.100000\n")
    read = read_predictions(tmp_path / "s.tsv")
    assert read.ids == ["a", "a", "b"] and read.frames.tolist() == [0, 1, 0]
    with pytest.raises(UserError, match="2 labels and 3 predictions"):
        write_sequences(tmp_path / "t.tsv", ["a"], [np.zeros(2)], [np.zeros(3)])
    (tmp_path / "u.tsv").write_text("id\tframe\tlabel\tprediction\na\t0\t1\t1\na\t2\t1\t1\n")
    with pytest.raises(UserError, match="line 3: expected frame 1 of a"):
        read_predictions(tmp_path / "u.tsv")
