"""Transcripts that another recognizer has made already, read from a file.

Three forms, told apart by the first line:

    Kaldi `text`    id word word ...; an id alone is an empty transcript
    TSV             a header with id and text, and any of confidence (0 to 1), nbest (JSON, [[text, log posterior],
                    ...]) and words (JSON, [[word, start, end, confidence], ...], seconds)
    hypotheses      what steps/decode_transcripts.sh writes, a TSV of the same columns and more
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steps.text.normal_form import normalize
from utils.errors import UserError
from utils.names import plain_name
from utils.text_files import read_lines

if TYPE_CHECKING:
    from steps.asr.decode.hypothesis import Hypothesis

SHOWN = 5


@dataclass(frozen=True)
class Transcript:
    """What was recognized in one utterance.

    Attributes:
        text: in normal form (steps/text/normal_form.py). confidence: 0 to 1; None where the file does not say.
        nbest: distinct texts with their log-posteriors, best first; may be empty.
        words: (word, start, end, confidence) in seconds; may be empty.
    """

    text: str
    confidence: float | None = None
    nbest: tuple[tuple[str, float], ...] = ()
    words: tuple[tuple[str, float, float, float], ...] = ()


def read_transcripts(path: Path, languages: Mapping[str, str | None] | None = None) -> dict[str, Transcript]:
    """
    Args:
        languages: of the utterances, which decide on lower case.

    Raises:
        UserError: naming file and line: an id twice, a column missing, a value that is none.
    """
    if not path.is_file():
        raise UserError(f"--text {path}: no such file", 2)
    lines = read_lines(path)
    header = [plain_name(name) for name in lines[0].split("\t")] if lines else []
    is_table = len(header) > 1 and header[0] == "id"
    if is_table and "text" not in header:
        raise UserError(f"{path}, line 1: the header has no column text; it has {', '.join(header)}")
    found: dict[str, Transcript] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (is_table and number == 1):
            continue
        where = f"{path}, line {number}"
        key, transcript = _row(line, header, where) if is_table else _kaldi(line)
        key = plain_name(key)
        if key in found:
            raise UserError(f"{where}: {key} occurs twice")
        language = (languages or {}).get(key)
        found[key] = replace(transcript, text=normalize(transcript.text, language),
                             nbest=merge((normalize(text, language), value) for text, value in transcript.nbest))
    if not found:
        raise UserError(f"{path} holds no transcript; expected lines `id word ...`, or a TSV with a header id, text")
    return found


def of_hypotheses(found: Sequence[Hypothesis]) -> Transcript | None:
    """An n-best list as it is written to a table and read back; None for an empty one."""
    if not found:
        return None
    return Transcript(normalize(found[0].text), round(found[0].confidence, 6),
                      merge((normalize(entry.text), round(entry.log_posterior, 6)) for entry in found))


def _kaldi(line: str) -> tuple[str, Transcript]:
    key, *rest = line.split(maxsplit=1)
    return key, Transcript(rest[0] if rest else "")


def _row(line: str, header: Sequence[str], where: str) -> tuple[str, Transcript]:
    cells = line.split("\t")
    if len(cells) != len(header):
        raise UserError(f"{where}: {len(cells)} columns, and the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    confidence = None
    if row.get("confidence"):
        confidence = _number(row["confidence"])
        if confidence is None or not 0 <= confidence <= 1:
            raise UserError(f"{where}: confidence is {row['confidence']!r}; accepted: 0 to 1")
    return row["id"], Transcript(row["text"], confidence, _nbest(row.get("nbest") or "[]", where),
                                 _words(row.get("words") or "[]", where))


def _nbest(text: str, where: str) -> tuple[tuple[str, float], ...]:
    try:
        pairs = [(words, value) for words, value in json.loads(text)]
    except (ValueError, TypeError):
        pairs = [(None, None)]
    if not all(isinstance(words, str) and isinstance(value, (int, float)) and -math.inf < value <= 1e-6
               for words, value in pairs):
        raise UserError(f"{where}: nbest is {text[:60]!r}; expected JSON [[text, log posterior of at most 0], ...]")
    return tuple((words, float(value)) for words, value in pairs)


def _words(text: str, where: str) -> tuple[tuple[str, float, float, float], ...]:
    try:
        words = [(str(word), float(start), float(end), float(sure)) for word, start, end, sure in json.loads(text)]
    except (ValueError, TypeError):
        words = [("", 1.0, 0.0, 0.0)]
    if not all(0 <= start <= end < math.inf and 0 <= sure <= 1 for _, start, end, sure in words):
        raise UserError(f"{where}: words is {text[:60]!r}; expected JSON [[word, start, end, confidence], ...] in "
                        "seconds")
    return tuple(words)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def merge(nbest: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Texts that have become the same in normal form are one, with the sum of their posteriors; best first."""
    total: dict[str, float] = {}
    for text, value in nbest:
        high, low = max(value, total.get(text, value)), min(value, total.get(text, value))
        total[text] = min(0.0, high + math.log1p(math.exp(low - high))) if text in total else min(0.0, value)
    return tuple(sorted(total.items(), key=lambda entry: (-entry[1], entry[0])))


def match(found: Mapping[str, Transcript], ids: Iterable[str], path: Path, allow_missing: bool = False) -> list[str]:
    """The ids that have no transcript, sorted.

    Returns:
        with `allow_missing`, the missing ids; ids of the file that the data set lacks are told on standard error.

    Raises:
        UserError: transcripts are missing.
    """
    wanted = set(ids)
    missing, unknown = sorted(wanted - set(found)), sorted(set(found) - wanted)
    if missing and len(missing) == len(wanted):
        raise UserError(f"{path}: none of its {len(found)} ids is in the data set, e.g. {unknown[0]}; the data set has "
                        f"e.g. {missing[0]}")
    if missing and not allow_missing:
        raise UserError(f"{path}: {len(missing)} of {len(wanted)} utterances have no transcript: {listed(missing)}; "
                        "add them, or say --allow-missing, which leaves their text empty")
    if unknown:
        print(f"warning: {path}: {len(unknown)} ids are not in the data set and are ignored: {listed(unknown)}",
              file=sys.stderr)
    return missing


def listed(ids: Sequence[str]) -> str:
    """The first few, for a message."""
    return ", ".join(ids[:SHOWN]) + (" ..." if len(ids) > SHOWN else "")
