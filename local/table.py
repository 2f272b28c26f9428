"""Any corpus from a TSV: a header line, then one utterance a line.

    # classes: angry happy sad        optional lines: classes, label, task, unit, threshold, language, source
    path<TAB>emotion<TAB>speaker      path (or features) and the label are needed; any field of conf/fields.yaml,
    a/b.wav<TAB>angry<TAB>spk1        and id, start, end (seconds), part (train, dev, test), fold, frame_shift

An empty cell is unknown, the label - is unlabelled. Paths are relative to --corpus-dir, else to the table; a line
break, tab or backslash in a file name may be written \\n, \\t, \\\\. Ids that are not given come from the paths.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from utils.corpus import PARTS, UNLABELLED, Corpus, Protocol, Row, safe_ids
from utils.errors import UserError
from utils.folds import table_protocols

HEAD = ("classes", "label", "task", "unit", "threshold", "language", "source")
COLUMNS = ("id", "path", "features", "start", "end", "part", "fold", "frame_shift")
Protocols = Callable[[Sequence[Row]], list[Protocol]]


def load_table(table: Path, corpus_dir: Path | None, name: str) -> tuple[Corpus, list[Row], Protocols]:
    """
    Raises:
        UserError: naming file and line.
    """
    lines = _lines(table)
    head, first = _head(table, lines)
    label, columns = head.get("label", "emotion"), lines[first].split("\t") if first < len(lines) else []
    for needed in ("path", label):
        if needed not in columns and not (needed == "path" and "features" in columns):
            raise UserError(f"{table}, line {first + 1}: the column {needed!r} is missing; the columns are: "
                            f"{', '.join(columns) or 'none'} (separated by tabs)")
    if twice := {column for column in columns if columns.count(column) > 1}:
        raise UserError(f"{table}, line {first + 1}: the column {min(twice)!r} occurs twice")
    records = []
    for number, line in enumerate(lines[first + 1:], start=first + 2):
        cells = line.split("\t")
        if line and len(cells) != len(columns):
            raise UserError(f"{table}, line {number}: {len(cells)} cells, the header has {len(columns)}")
        if line:
            cell = {column: text for column, text in zip(columns, cells, strict=True) if text.strip()}
            records.append({**cell, label: cell.get(label, UNLABELLED), "where": f"{table}, line {number}"})
    if not records:
        raise UserError(f"{table}: there is no utterance below its header line")
    base = corpus_dir or table.parent
    names = [os.path.splitext(r.get("path") or r.get("features", ""))[0] + "".join(
        f"-{r[key]}" for key in ("start", "end") if key in r) for r in records]
    rows = [_row(record, key, base) for record, key in zip(records, safe_ids(names), strict=True)]
    labels = sorted({row.fields[label] for row in rows} - {UNLABELLED})
    task = head.get("task", "classification")
    classes = (head.get("classes", "").replace(",", " ").split() or labels) if task == "classification" else ()
    corpus = Corpus(name, tuple(classes), label, task, head.get("unit", "utterance"), head.get("language"),
                    source=head.get("source", str(table)), threshold=_number({**head, "where": table}, "threshold"))
    given = {column: {row.id: r[column] for row, r in zip(rows, records, strict=True) if column in r}
             for column in ("part", "fold")}
    if wrong := next((r for r in records if r.get("part", "train") not in PARTS), None):
        raise UserError(f"{wrong['where']}: part is {wrong['part']!r}; accepted: {', '.join(PARTS)}")
    return corpus, rows, lambda chosen: table_protocols(chosen, given["part"], given["fold"], label)


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


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


def _number(record: dict[str, Any], column: str) -> float | None:
    if column not in record:
        return None
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(record[column])):
            return number
    raise UserError(f"{record['where']}: {column} is {record[column]!r}; accepted: a number")


def _row(record: dict[str, Any], derived: str, base: Path) -> Row:
    paths = {column: base / record[column] for column in ("path", "features") if column in record}
    for column, path in paths.items():
        if "\\" in record[column] and not path.exists():
            text = record[column].replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")
            paths[column] = base / text
    fields = {key: value for key, value in record.items() if key not in (*COLUMNS, "where")}
    return Row(record.get("id", derived), paths.get("path"), _number(record, "start") or 0.0, _number(record, "end"),
               fields, paths.get("features"), _number(record, "frame_shift"), record["where"])
