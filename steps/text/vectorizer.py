"""Texts as sparse tf-idf vectors: a block of word n-grams and a block of character n-grams, each of length 1.

tf is the (expected) count c of an n-gram, or with `sublinear` 1 + ln c from 1 on (c below 1, which only expected counts
are, stays). idf is ln((1 + N) / (1 + df)) + 1 over the N texts it was learned on (Salton and Buckley 1988, smoothed as
scikit-learn does it); df adds up min(1, c), for plain counts the number of texts that hold the n-gram.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from steps.text.ngrams import Ngrams, character_ngrams, expected_counts, word_ngrams
from utils.errors import UserError
from utils.shape import Number

BLOCKS: dict[str, Ngrams] = {"words": word_ngrams, "characters": character_ngrams}
LONGEST = 100  # of an n-gram, in words or characters
Documents = Sequence[Sequence[tuple[str, float]]]  # weighted texts an utterance, see steps/text/source.py


@dataclass(frozen=True)
class Block:
    """The tf-idf of one kind of n-grams.

    Attributes:
        kind: of BLOCKS. range: shortest and longest n-gram.
        vocabulary: n-grams in the order of columns. idf: float64 (V,).
    """

    kind: str
    range: tuple[int, int]
    sublinear: bool
    vocabulary: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def fit(cls, documents: Documents, kind: str, ranges: tuple[int, int], sublinear: bool, least: float) -> Block:
        """Learn vocabulary and idf; an n-gram with a document frequency below `least` is left out."""
        frequency: dict[str, float] = defaultdict(float)
        for document in documents:
            for gram, count in expected_counts(document, BLOCKS[kind], *ranges).items():
                frequency[gram] += min(1.0, count)
        # A hair below, since expected counts that add up to a whole number do so but for rounding.
        vocabulary = tuple(sorted(gram for gram, value in frequency.items() if value >= least - 1e-9))
        held = np.array([frequency[gram] for gram in vocabulary], dtype=np.float64)
        return cls(kind, ranges, sublinear, vocabulary, np.log((1 + len(documents)) / (1 + held)) + 1)

    def transform(self, documents: Documents) -> scipy.sparse.csr_matrix:
        """float64 (N, V), rows of length 1; all zero where a text holds no known n-gram."""
        column = {gram: number for number, gram in enumerate(self.vocabulary)}
        starts, columns, values = [0], [], []
        for document in documents:
            counts = expected_counts(document, BLOCKS[self.kind], *self.range)
            known = sorted((column[gram], count) for gram, count in counts.items() if gram in column)
            places = np.array([place for place, _ in known], dtype=np.int64)
            tf = np.array([count for _, count in known], dtype=np.float64)
            if self.sublinear:
                tf = np.where(tf > 1, 1 + np.log(np.maximum(tf, 1)), tf)
            row = tf * self.idf[places]
            length = np.linalg.norm(row)
            columns.append(places)
            values.append(row / length if length > 0 else row)
            starts.append(starts[-1] + len(known))
        return scipy.sparse.csr_matrix(
            (np.concatenate([np.zeros(0), *values]), np.concatenate([np.zeros(0, np.int64), *columns]),
             np.array(starts)), shape=(len(documents), len(self.vocabulary)))


@dataclass(frozen=True)
class Vectorizer:
    """The blocks side by side."""

    blocks: tuple[Block, ...]

    @classmethod
    def fit(cls, documents: Documents, ranges: dict[str, Sequence[int]], sublinear: bool, least: float) -> Vectorizer:
        """
        Args:
            ranges: {"words": [1, 2], "characters": [1, 5]}; an empty range leaves the block out.

        Raises:
            UserError: no n-gram is frequent enough.
        """
        blocks = tuple(Block.fit(documents, kind, (pair[0], pair[1]), sublinear, least)
                       for kind, pair in ranges.items() if pair)
        if not any(block.vocabulary for block in blocks):
            raise UserError(f"no n-gram occurs in {least:g} of the {len(documents)} texts of the training part; "
                            "--set min_documents=1 takes them all")
        return cls(blocks)

    @property
    def dim(self) -> int:
        return sum(len(block.vocabulary) for block in self.blocks)

    def transform(self, documents: Documents) -> scipy.sparse.csr_matrix:
        """float64 (N, dim)."""
        return scipy.sparse.hstack([block.transform(documents) for block in self.blocks], format="csr")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """idf of every block; `from_parts` takes them back."""
        return {f"idf_{block.kind}": block.idf for block in self.blocks}

    def to_json(self) -> dict[str, dict[str, object]]:
        """What is no array: ranges and vocabularies."""
        return {block.kind: {"range": list(block.range), "sublinear": block.sublinear,
                             "vocabulary": list(block.vocabulary)} for block in self.blocks}

    FORM: ClassVar[dict[str, Any]] = {  # of to_json, see utils/shape.py
        f"{kind}?": {"range": [Number(1, LONGEST, whole=True)], "sublinear": bool, "vocabulary": [str]}
        for kind in BLOCKS}

    @classmethod
    def from_parts(cls, content: dict[str, dict], arrays: dict[str, np.ndarray]) -> Vectorizer:
        """
        Raises:
            ValueError, LookupError: the parts do not belong together.
        """
        blocks = []
        for kind, part in content.items():
            low, high = part["range"]
            block = Block(kind, (low, high), part["sublinear"], tuple(part["vocabulary"]), arrays[f"idf_{kind}"])
            if kind not in BLOCKS or block.idf.shape != (len(set(block.vocabulary)),) or \
                    not np.isfinite(block.idf).all():
                raise ValueError(f"{kind}: the vocabulary and idf_{kind} do not belong together")
            blocks.append(block)
        return cls(tuple(blocks))
