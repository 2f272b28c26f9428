"""What a decoder says about one utterance, how sure it is of each word, and the table that holds it.

The table has a line an utterance, sorted by id: id, text, confidence, words as JSON [[word, start, end, confidence],
...] in seconds, n-best list as JSON [[text, log-posterior], ...].
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steps.text.normal_form import join
from steps.text.normal_form import words as words_of
from utils.errors import UserError
from utils.files import atomic_open, read_exact_text

COLUMNS = ("id", "text", "confidence", "words", "nbest")
EDGE = 1e-6  # confidences stay this far from 0 and 1 when they are calibrated


@dataclass(frozen=True)
class Hypothesis:
    """One word sequence.

    Attributes:
        words: scoring tokens. log_posterior: of the sequence, all its alignments summed; over a list they sum to 1 at
            most. times: start and end of each word in seconds. confidences: in [0, 1], one a word.
    """

    words: tuple[str, ...] = ()
    log_posterior: float = 0.0
    times: tuple[tuple[float, float], ...] = ()
    confidences: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        return join(self.words)

    @property
    def confidence(self) -> float:
        """Mean over the words; 0 of nothing."""
        return sum(self.confidences) / len(self.confidences) if self.confidences else 0.0


def with_confidences(hypotheses: Sequence[Hypothesis], calibration: Sequence[float] = ()) -> list[Hypothesis]:
    """An n-best list with the confidence of each word: the share of the list's mass that has it at the same place.

    Args:
        hypotheses: words and log-posteriors; times stay.
        calibration: (a, b): a confidence c becomes 1 / (1 + exp(-(a logit(c) + b))) (Platt 1999); none: it stays.
    """
    masses = [math.exp(hypothesis.log_posterior) for hypothesis in hypotheses]
    whole = sum(masses)
    found = []
    for hypothesis in hypotheses:
        agreeing = [0.0] * len(hypothesis.words)
        for other, mass in zip(hypotheses, masses, strict=True):
            for place in matches(hypothesis.words, other.words):
                agreeing[place] += mass
        confidences = (calibrated(min(1.0, value / whole) if whole > 0 else 0.0, calibration) for value in agreeing)
        found.append(replace(hypothesis, confidences=tuple(confidences)))
    return found


def calibrated(confidence: float, calibration: Sequence[float]) -> float:
    """See `with_confidences`."""
    if not calibration:
        return confidence
    scale, offset = calibration
    inside = min(max(confidence, EDGE), 1 - EDGE)
    return 1 / (1 + math.exp(-(scale * math.log(inside / (1 - inside)) + offset)))


def matches(words: Sequence[str], other: Sequence[str]) -> list[int]:
    """The places of `words` that have the same word in `other`, after aligning the two by edit distance."""
    if tuple(words) == tuple(other):
        return list(range(len(words)))
    from kaldialign import align

    nothing = "\0"  # no word
    found, place = [], 0
    for mine, its in align(list(words), list(other), nothing):
        if mine != nothing:
            if mine == its:
                found.append(place)
            place += 1
    return found


def write_hypotheses(path: str | Path, hypotheses: Mapping[str, Sequence[Hypothesis]]) -> None:
    """Write the table, atomically; an utterance whose list is empty gets an empty text."""
    with atomic_open(path) as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for key in sorted(hypotheses):
            stream.write(_line(key, hypotheses[key]) + "\n")


def _line(key: str, found: Sequence[Hypothesis]) -> str:
    best = found[0] if found else Hypothesis()
    words = [[word, round(start, 3), round(end, 3), round(confidence, 6)] for word, (start, end), confidence
             in zip(best.words, best.times, best.confidences, strict=True)]
    nbest = [[hypothesis.text, round(hypothesis.log_posterior, 6)] for hypothesis in found]
    cells = [key, best.text, f"{best.confidence:.6f}", *(json.dumps(value, ensure_ascii=False) for value in
                                                         (words, nbest))]
    return "\t".join(cells)


def read_hypotheses(path: str | Path) -> dict[str, list[Hypothesis]]:
    """{id: n-best list} of a table; times and confidences are known of the first of a list only.

    Raises:
        UserError: no such file, or a damaged line; names file and line.
    """
    return dict(_read(Path(path)))


def _read(path: Path) -> Iterator[tuple[str, list[Hypothesis]]]:
    try:
        lines = read_exact_text(path).split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run steps/decode_transcripts.sh") from error
    if lines[0] != "\t".join(COLUMNS) or lines[-1]:
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)} and whole lines; decode again")
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            key, _, _, words, nbest = line.split("\t")
            yield key, _of_cells(json.loads(words), json.loads(nbest))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}, line {number}: damaged ({error}); decode again") from error


def _of_cells(words: Iterable[Sequence], nbest: Iterable[Sequence]) -> list[Hypothesis]:
    found = [Hypothesis(tuple(words_of(text)), float(posterior)) for text, posterior in nbest]
    if found:
        rows = list(words)
        found[0] = replace(found[0], words=tuple(row[0] for row in rows),
                           times=tuple((float(row[1]), float(row[2])) for row in rows),
                           confidences=tuple(float(row[3]) for row in rows))
    return found
