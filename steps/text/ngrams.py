"""N-grams of a text in normal form: of words, and of the characters of a word with its boundaries.

Words are the scoring tokens of normal_form.py, so that each Han character is a word of its own. Character n-grams
stay within a run of non-blank characters, which is padded with a blank on both sides (scikit-learn's `char_wb`); a
Chinese sentence is one such run, so they cross its words, whose boundaries nobody wrote.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from steps.text.normal_form import words

Ngrams = Callable[[str, int, int], Iterator[str]]


def word_ngrams(text: str, shortest: int, longest: int) -> Iterator[str]:
    """Every run of `shortest` to `longest` words, joined by blanks."""
    tokens = words(text)
    for size in range(shortest, longest + 1):
        for start in range(len(tokens) - size + 1):
            yield " ".join(tokens[start:start + size])


def character_ngrams(text: str, shortest: int, longest: int) -> Iterator[str]:
    """Every run of `shortest` to `longest` characters of each padded word; a shorter word counts once, whole."""
    for word in text.split():
        padded = f" {word} "
        for size in range(shortest, longest + 1):
            if size >= len(padded):
                yield padded
                break
            for start in range(len(padded) - size + 1):
                yield padded[start:start + size]


def expected_counts(weighted: Sequence[tuple[str, float]], ngrams: Ngrams, shortest: int,
                    longest: int) -> dict[str, float]:
    """{n-gram: sum over the texts of weight x occurrences}; of a single text of weight 1, its counts."""
    counts: dict[str, float] = defaultdict(float)
    for text, weight in weighted:
        for gram in ngrams(text, shortest, longest):
            counts[gram] += weight
    return dict(counts)
