"""What the modules of this package share: missing files, tables, Praat's TextGrid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.corpus import Row
from utils.errors import UsageError, UserError
from utils.files import check_regular
from utils.names import is_missing, plain_name
from utils.text_files import read_keyed


def require(corpus_dir: Path, name: str, *needed: str) -> None:
    """
    Raises:
        UsageError: one of `needed` is not below `corpus_dir`.
    """
    from local.mandarin_speech import CORPORA

    for path in needed:
        if not (corpus_dir / path).exists():
            raise UsageError(f"{corpus_dir}: no {path} there; {CORPORA[name].title} is at {CORPORA[name].source}")


def row(corpus: str, key: str, path: Path, text: str, part: str, speaker: str | None, where: str = "",
        start: float = 0.0, end: float | None = None, **fields: Any) -> Row:
    """A row; fields that are None are left out. Speakers are named with their corpus, too."""
    name = f"{corpus}-{plain_name(speaker)}" if speaker and not is_missing(speaker) else None
    known = {"speaker": name, "text": text, "part": part, "language": "zh", **fields}
    return Row(f"{corpus}-{key}", path, start, end, {name: value for name, value in known.items() if value is not None},
               where=where or str(path))


def table(path: Path) -> Iterator[tuple[str, str, str]]:
    """(key, rest of the line, where) of the lines of a text file; a byte order mark and empty lines are passed over."""
    for number, key, rest in read_keyed(path):
        yield key, rest.replace("\t", " "), f"{path}, line {number}"


_ITEM = re.compile(r'^\s*(name|xmin|xmax|text|class)\s*=\s*(.*?)\s*$', re.MULTILINE)
Interval = tuple[float, float, str]


def text_grid(path: Path) -> dict[str, list[Interval]]:
    """The interval tiers of a TextGrid in Praat's long form: {tier: [(start, end, text)]}; empty intervals left out.

    Raises:
        UserError: not such a file, or an interval ends before it starts.
    """
    check_regular(path)
    raw = path.read_bytes()
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    if "ooTextFile" not in text[:200]:
        raise UserError(f"{path}: not a TextGrid in Praat's long text form")
    tiers: dict[str, list[Interval]] = {}
    current: list[Interval] = []
    times = {"xmin": 0.0, "xmax": 0.0}
    for name, value in _ITEM.findall(text):
        if name == "name":
            current = tiers.setdefault(value.strip('"'), [])
        elif name in times:
            times[name] = float(value)
        elif name == "text" and value.strip('" '):
            if times["xmax"] <= times["xmin"]:
                raise UserError(f"{path}: an interval ends at {times['xmax']} s and starts at {times['xmin']} s")
            current.append((times["xmin"], times["xmax"], value[1:-1].replace('""', '"')))
    return tiers


def overlaps(tiers: Sequence[Sequence[Interval]]) -> list[list[float]]:
    """For each interval of each tier, the share of it in which another tier's interval runs, at most 1."""
    shares = []
    for place, tier in enumerate(tiers):
        others = sorted((start, end) for other, intervals in enumerate(tiers) if other != place
                        for start, end, _ in intervals)
        shares.append([_covered(start, end, others) / (end - start) for start, end, _ in tier])
    return shares


def _covered(start: float, end: float, others: Sequence[tuple[float, float]]) -> float:
    covered, reached = 0.0, start
    for first, last in others:
        if first >= end:
            break
        first, last = max(first, reached), min(last, end)
        if last > first:
            covered, reached = covered + last - first, last
    return covered


def without_tags(text: str) -> str:
    """Text without annotators' marks: <sil>, <SPOKEN_NOISE>, [FIL], [SPK] ..."""
    return re.sub(r"<[^<>]*>|\[[A-Za-z]+\]", " ", text)
