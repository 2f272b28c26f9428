"""Any corpus from a TSV: a header line, then one utterance a line.

    # classes: angry happy sad        optional lines: classes, label, task, unit, threshold, language, source
    path<TAB>emotion<TAB>speaker      path (or features) and the label are needed; any field of conf/fields.yaml,
    a/b.wav<TAB>angry<TAB>spk1        and id, start, end (seconds), part (train, dev, test), fold, frame_shift

An empty cell is unknown, and so is one that says nan, None, NA, null ... (utils/names.py); the label - is unlabelled.
Paths are relative to --corpus-dir, else to the table; a line break, tab or backslash in a file name may be written
\\n, \\t, \\\\. Ids that are not given come from the paths.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from utils.corpus import PARTS, UNLABELLED, Corpus, Protocol, Row, notice, safe_ids
from utils.errors import UserError
from utils.folds import table_protocols
from utils.names import is_missing, look_alikes, plain_name
from utils.problems import Problems
from utils.text_files import read_lines

HEAD = ("classes", "label", "task", "unit", "threshold", "language", "source")
COLUMNS = ("id", "path", "features", "start", "end", "part", "fold", "frame_shift")
NUMBERS = ("start", "end", "frame_shift")
Protocols = Callable[[Sequence[Row]], list[Protocol]]


def load_table(table: Path, corpus_dir: Path | None, name: str,
               problems: Problems) -> tuple[Corpus, list[Row], Protocols]:
    """
    Args:
        problems: gets every line that cannot be taken, with its number.

    Raises:
        UserError: no such table at all: no text, no header line with the columns, no line below it.
    """
    lines = read_lines(table)
    head, first = _head(table, lines)
    label = head.get("label", "emotion")
    columns = _columns(table, lines, first, label)
    records = [record for number, line in enumerate(lines[first + 1:], start=first + 2) if line.strip()
               and (record := _record(line, columns, label, f"{table}, line {number}", problems))]
    if not records and not problems:
        raise UserError(f"{table}: there is no utterance below its header line")
    base = corpus_dir or table.parent
    names = [os.path.splitext(r.get("path") or r.get("features", ""))[0] + "".join(
        f"-{r[key]}" for key in ("start", "end") if key in r) for r in records]
    rows = [_row(record, key, base) for record, key in zip(records, safe_ids(names), strict=True)]
    task = head.get("task", "classification")
    classes = head.get("classes", "").replace(",", " ").split() or sorted(
        {plain_name(text) for r in records if not is_missing(text := r[label])} - {UNLABELLED})
    threshold = _number(head["threshold"], "threshold", str(table)) if "threshold" in head else None
    corpus = Corpus(name, tuple(classes) if task == "classification" else (), label, task,
                    head.get("unit", "utterance"), head.get("language"), source=head.get("source", str(table)),
                    threshold=threshold)
    given = {column: {row.id: r[column] for row, r in zip(rows, records, strict=True) if column in r}
             for column in ("part", "fold")}
    if alike := look_alikes(given["fold"].values()):
        notice(f"{table}: the folds {' and '.join(map(repr, alike[0]))} count as different; spell them alike if they "
               "are one")
    return corpus, rows, lambda chosen: table_protocols(chosen, given["part"], given["fold"], label)


def _head(table: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    """The settings before the header line, and that line's index."""
    head: dict[str, str] = {}
    first = 0
    while first < len(lines) and (lines[first].startswith("#") or not lines[first].strip()):
        key, colon, value = (text.strip() for text in lines[first].lstrip("# ").partition(":"))
        if colon and key not in HEAD and (near := difflib.get_close_matches(key, HEAD, n=1, cutoff=0.8)):
            raise UserError(f"{table}, line {first + 1}: unknown setting {key!r}; did you mean {near[0]}?")
        head[key], first = value, first + 1
    return head, first


def _columns(table: Path, lines: list[str], first: int, label: str) -> list[str]:
    """The names of the header line; those that are needed in any case of their letters."""
    header = lines[first] if first < len(lines) else ""
    columns = [plain_name(column) for column in header.split("\t")] if header else []
    for needed in (*COLUMNS, label, "speaker"):
        if needed not in columns:
            columns = [needed if column.lower() == needed.lower() else column for column in columns]
    for needed in ("path", label):
        if needed not in columns and not (needed == "path" and "features" in columns):
            other = next((f"; it has {mark!r} between them: save it with tabs" for mark in ",;" if mark in header), "")
            raise UserError(f"{table}, line {first + 1}: the column {needed!r} is missing; the columns are: "
                            f"{', '.join(columns) or 'none'} (separated by tabs){other}")
    if twice := {column for column in columns if columns.count(column) > 1}:
        raise UserError(f"{table}, line {first + 1}: the column {min(twice)!r} occurs twice")
    return columns


def _record(line: str, columns: list[str], label: str, where: str, problems: Problems) -> dict[str, Any] | None:
    """The cells of a line that say something; None for a line that cannot be taken."""
    cells = line.split("\t")
    if len(cells) != len(columns):
        problems.add("lines", f"{where}: {len(cells)} cells, the header has {len(columns)}")
        return None
    record: dict[str, Any] = {label: UNLABELLED, "where": where}
    record |= {column: text for column, text in zip(columns, cells, strict=True) if text.strip()}
    for column in ("id", "part", "fold", *NUMBERS):
        if column in record and is_missing(record[column]):
            del record[column]
        elif column in record:
            record[column] = plain_name(record[column])
    before = len(problems)
    for column in NUMBERS:
        if column in record:
            with problems.catch("numbers"):
                _number(record[column], column, where)
    if record.get("part", "train") not in PARTS:
        problems.add("parts", f"{where}: part is {record['part']!r}; accepted: {', '.join(PARTS)}")
    return record if len(problems) == before else None


def _number(text: str, name: str, where: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    raise UserError(f"{where}: {name} is {text!r}; accepted: a number")


def _row(record: dict[str, Any], derived: str, base: Path) -> Row:
    paths = {column: base / record[column] for column in ("path", "features") if column in record}
    for column, path in paths.items():
        if "\\" in record[column] and not path.exists():
            text = record[column].replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")
            paths[column] = base / text
    fields = {key: value for key, value in record.items() if key not in (*COLUMNS, "where")}
    start, end, shift = (float(record[column]) if column in record else None for column in NUMBERS)
    return Row(record.get("id", derived), paths.get("path"), start or 0.0, end, fields, paths.get("features"), shift,
               record["where"])
