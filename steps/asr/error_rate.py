"""Errors of transcripts: reference and hypothesis aligned by edit distance, on words and on characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steps.text.normal_form import normalize, words

NOTHING = "\0"  # no word: normalized text has no control character

Pair = tuple[str | None, str | None]


@dataclass(frozen=True)
class Errors:
    """Errors against a reference of `length` tokens."""

    length: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def total(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors a token of the reference; more than 1 is possible. NaN without a reference."""
        return self.total / self.length if self.length else float("nan")


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """Pairs (reference, hypothesis) of the cheapest alignment, every error costing 1; None where a side has nothing."""
    import kaldialign

    pairs = kaldialign.align(list(reference), list(hypothesis), NOTHING)
    return [(None if mine == NOTHING else mine, None if its == NOTHING else its) for mine, its in pairs]


def count_errors(pairs: Sequence[Pair]) -> Errors:
    """The errors of an alignment."""
    return Errors(sum(mine is not None for mine, _ in pairs),
                  sum(mine is not None and its is not None and mine != its for mine, its in pairs),
                  sum(its is None for _, its in pairs), sum(mine is None for mine, _ in pairs))


@dataclass(frozen=True)
class Transcript:
    """One utterance scored.

    Attributes:
        pairs: the alignment of words. right: for each word of the hypothesis, whether it is right.
        counts: (6,) see steps.scoring.metrics.ERRORS.
    """

    id: str
    speaker: str | None
    pairs: tuple[Pair, ...]

    @property
    def errors(self) -> Errors:
        return count_errors(self.pairs)

    @property
    def right(self) -> list[bool]:
        return [mine == its for mine, its in self.pairs if its is not None]

    @property
    def counts(self) -> np.ndarray:
        errors = self.errors
        reference, hypothesis = ("".join(pair[side] or "" for pair in self.pairs) for side in (0, 1))
        characters = count_errors(align(reference, hypothesis))
        return np.array([errors.length, errors.substitutions, errors.deletions, errors.insertions, characters.length,
                         characters.total], dtype=np.int64)


def score(key: str, speaker: str | None, reference: str, hypothesis: Sequence[str],
          language: str | None = None) -> Transcript:
    """Score one utterance.

    Args:
        reference: text as the corpus has it; it is normalized here. hypothesis: scoring tokens.
    """
    return Transcript(key, speaker, tuple(align(words(normalize(reference, language)), hypothesis)))
