"""Errors of transcripts, against a plain dynamic programme."""

import random

import numpy as np
import pytest

from steps.asr.error_rate import Errors, align, count_errors, score
from steps.scoring import metrics


def distance(a, b):
    """Levenshtein's distance by the textbook's table."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (x != y))
    return table[-1, -1]


def test_alignments_are_whole_and_as_cheap_as_the_textbook_says():
    rng = random.Random(0)
    for _ in range(200):
        a, b = ([rng.choice("abcd") for _ in range(rng.randrange(8))] for _ in range(2))
        pairs = align(a, b)
        assert [mine for mine, _ in pairs if mine is not None] == a
        assert [its for _, its in pairs if its is not None] == b
        errors = count_errors(pairs)
        assert errors.total == distance(a, b) and errors.length == len(a)
        assert errors.length - errors.deletions + errors.insertions == len(b)


def test_kinds_of_errors_by_hand():
    transcript = score("u", "s", "The CAT sat, down!", ["the", "cap", "sat", "on", "it", "down"])
    assert transcript.errors == Errors(4, 1, 0, 2)
    assert transcript.errors.rate == 0.75
    assert transcript.right == [True, False, True, False, False, True]
    # thecatsatdown against thecapsatonitdown: t -> p, then onit
    assert transcript.counts.tolist() == [4, 1, 0, 2, 13, 5]


def test_mandarin_is_scored_by_character():
    transcript = score("u", None, "我们 去，北京", ["我", "们", "北", "京"], "zh")
    assert transcript.counts.tolist() == [5, 0, 1, 0, 5, 1]


def test_an_empty_reference_counts_insertions_and_has_no_rate_of_its_own():
    assert score("u", "s", "?", ["a", "bc"]).counts.tolist() == [0, 0, 0, 2, 0, 3]
    assert score("u", "s", "", []).counts.tolist() == [0] * 6
    assert np.isnan(count_errors([]).rate)
    both = score("u", "s", "", ["a"]).counts + score("v", "s", "b c", ["b", "c"]).counts
    assert metrics.transcription(both)["WER"] == pytest.approx(0.5)


def test_rates_of_counts():
    counts = np.array([[10, 1, 2, 3, 40, 8], [0, 0, 0, 1, 0, 1]])
    found = metrics.transcription(counts)
    assert found["WER"][0] == pytest.approx(0.6) and found["CER"][0] == pytest.approx(0.2)
    assert [found[name][0] for name in ("substitutions", "deletions", "insertions")] == pytest.approx([0.1, 0.2, 0.3])
    assert np.isnan(found["WER"][1]) and np.isnan(found["CER"][1])
