"""Any corpus from a TSV: a header line, then one utterance a line.

    # classes: angry happy sad        optional lines: target, classes, language, source
    path<TAB>emotion<TAB>speaker      path (or features, or images) and the targets are needed; further any
    a/b.wav<TAB>angry<TAB>spk1        field of conf/fields.yaml, and id, start, end (seconds),
                                      part (train, dev, test), fold, frame_shift

What is predicted is the class in `emotion`, unless lines say otherwise. The first is the default;
utils/corpus.py, Target, explains the attributes:

    # target: depression classes=control,depressed positive=depressed of=session
    # target: phq8 kind=number threshold=10 of=session
    # target: arousal kind=track step=0.1

An empty cell is unknown, and so is one that says nan, None, NA, null ... (utils/names.py); the value
- of a target is unlabelled. Paths, those in fields such as `video` too, are relative to --corpus-dir,
else to the table; a line break, tab or backslash in a file name may be written \\n, \\t, \\\\. Ids that
are not given come from the paths.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.corpus import PARTS, UNLABELLED, Corpus, Protocol, Row, Target, notice, safe_ids
from utils.errors import UserError
from utils.folds import table_protocols
from utils.names import is_missing, look_alikes, plain_name
from utils.problems import Problems
from utils.text_files import read_lines

HEAD = ("target", "classes", "language", "source")
# The earlier way to declare one target -> the attribute that it has become.
EARLIER = {"label": "field", "task": "kind", "unit": "of", "threshold": "threshold"}
EARLIER_KINDS = {"classification": "class", "regression": "number", "sequence-regression": "track"}
ATTRIBUTES = ("kind", "classes", "positive", "threshold", "step", "of")
INSTEAD = ("features", "images")  # what an utterance without a recording has
COLUMNS = ("id", "path", "features", "start", "end", "part", "fold", "frame_shift")
NUMBERS = ("start", "end", "frame_shift")
Protocols = Callable[[Sequence[Row]], list[Protocol]]


def load_table(table: Path, corpus_dir: Path | None, name: str, problems: Problems,
               paths: Collection[str] = ()) -> tuple[Corpus, list[Row], Protocols]:
    """
    Args:
        paths: the fields that are paths, such as video.
        problems: gets every line that cannot be taken, with its number.

    Raises:
        UserError: no such table at all: no text, no header line with the columns, no line below it.
    """
    lines = read_lines(table)
    head, declared, first = _head(table, lines)
    columns = _columns(table, lines, first, [target.field for target in declared])
    records = [record for number, line in enumerate(lines[first + 1:], start=first + 2) if line.strip()
               and (record := _record(line, columns, f"{table}, line {number}", problems))]
    if not records and not problems:
        raise UserError(f"{table}: there is no utterance below its header line")
    base = corpus_dir or table.parent
    names = [os.path.splitext(next((r[key] for key in ("path", *INSTEAD) if key in r), ""))[0] + "".join(
        f"-{r[key]}" for key in ("start", "end") if key in r) for r in records]
    rows = [_row(record, key, base, paths)
            for record, key in zip(records, safe_ids(names), strict=True)]
    targets = tuple(_with_classes(target, records) for target in declared)
    corpus = Corpus(name, targets, head.get("language"), source=head.get("source", str(table)))
    given = {column: {row.id: r[column] for row, r in zip(rows, records, strict=True) if column in r}
             for column in ("part", "fold")}
    if alike := look_alikes(given["fold"].values()):
        notice(f"{table}: the folds {' and '.join(map(repr, alike[0]))} count as different; spell them alike if they "
               "are one")
    return corpus, rows, lambda chosen: table_protocols(chosen, given["part"], given["fold"], corpus.learned)


def _head(table: Path, lines: list[str]) -> tuple[dict[str, str], list[Target], int]:
    """The settings before the header line, the targets, and that line's index."""
    head: dict[str, str] = {}
    targets: list[Target] = []
    first = 0
    while first < len(lines) and (lines[first].startswith("#") or not lines[first].strip()):
        key, colon, value = (text.strip() for text in lines[first].lstrip("# ").partition(":"))
        first, where = first + 1, f"{table}, line {first + 1}"
        if colon and key == "target":
            targets.append(_target(value, where))
        elif colon and key not in (known := (*HEAD, *EARLIER)) and (
                near := difflib.get_close_matches(key, known, n=1, cutoff=0.8)):
            raise UserError(f"{where}: unknown setting {key!r}; did you mean {near[0]}?")
        head[key] = value
    if earlier := [key for key in EARLIER if key in head]:
        words = {EARLIER[key]: EARLIER_KINDS.get(head[key], head[key]) for key in earlier}
        field = words.pop("field", "emotion")
        line = " ".join([field, *(f"{key}={value}" for key, value in words.items())])
        notice(f"{table}: the lines {', '.join(earlier)} have become one: # target: {line}")
        targets.append(_target(line, str(table)))
    targets = targets or [Target()]
    if "classes" in head and targets[0].kind == "class":
        classes = tuple(head["classes"].replace(",", " ").split())
        targets[0] = dataclasses.replace(targets[0], classes=classes)
    return head, targets, first


def _target(text: str, where: str) -> Target:
    """A target from `FIELD [KEY=VALUE ...]`."""
    field, *words = text.split() or [""]
    if not field:
        raise UserError(f"{where}: a target reads # target: FIELD [KEY=VALUE ...]")
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in ATTRIBUTES:
            known = "=, ".join(ATTRIBUTES)
            raise UserError(f"{where}: target {field}: {word!r} is none of {known}=")
        given[key] = tuple(value.split(",")) if key == "classes" else \
            _number(value, key, where) if key in ("threshold", "step") else value
    return Target(field, **given)


def _with_classes(target: Target, records: Sequence[Mapping[str, Any]]) -> Target:
    """The target; if it has classes and they are not declared, those that its column has."""
    if target.kind != "class" or target.classes:
        return target
    texts = [record[target.field] for record in records if target.field in record]
    classes = {plain_name(text) for text in texts if not is_missing(text)} - {UNLABELLED}
    return dataclasses.replace(target, classes=tuple(sorted(classes)))


def _columns(table: Path, lines: list[str], first: int, targets: Sequence[str]) -> list[str]:
    """The names of the header line; those that are needed in any case of their letters."""
    header = lines[first] if first < len(lines) else ""
    columns = [plain_name(column) for column in header.split("\t")] if header else []
    for needed in (*COLUMNS, *targets, "speaker"):
        if needed not in columns:
            columns = [needed if column.lower() == needed.lower() else column for column in columns]
    for needed in ("path", *targets):
        if needed not in columns and not (needed == "path" and {*INSTEAD} & {*columns}):
            other = next((f"; it has {mark!r} between them: save it with tabs" for mark in ",;" if mark in header), "")
            raise UserError(f"{table}, line {first + 1}: the column {needed!r} is missing; the columns are: "
                            f"{', '.join(columns) or 'none'} (separated by tabs){other}")
    if twice := {column for column in columns if columns.count(column) > 1}:
        raise UserError(f"{table}, line {first + 1}: the column {min(twice)!r} occurs twice")
    return columns


def _record(line: str, columns: list[str], where: str, problems: Problems) -> dict[str, Any] | None:
    """The cells of a line that say something; None for a line that cannot be taken."""
    cells = line.split("\t")
    if len(cells) != len(columns):
        problems.add("lines", f"{where}: {len(cells)} cells, the header has {len(columns)}")
        return None
    record: dict[str, Any] = {"where": where}
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


def _row(record: dict[str, Any], derived: str, base: Path, path_fields: Collection[str]) -> Row:
    paths = {column: _path(record[column], base) for column in ("path", "features") if column in record}
    fields = {key: value for key, value in record.items() if key not in (*COLUMNS, "where")}
    fields |= {key: _path(value, base) for key, value in fields.items()
               if key in path_fields and value != UNLABELLED and not is_missing(value)}
    start, end, shift = (float(record[column]) if column in record else None for column in NUMBERS)
    return Row(record.get("id", derived), paths.get("path"), start or 0.0, end, fields, paths.get("features"), shift,
               record["where"])


def _path(text: str, base: Path) -> Path:
    path = base / text
    if "\\" in text and not path.exists():
        text = text.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t")
        return base / text.replace("\0", "\\")
    return path
