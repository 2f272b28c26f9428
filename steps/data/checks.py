"""A corpus's rows against what it declares: ids, fields, labels, units, published counts."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.data.cuts import row_where
from steps.data.fields import FieldSpec, check_name, check_value, checked_id, missing_word
from utils.corpus import TASKS, UNITS, UNLABELLED, Corpus, Row
from utils.errors import UserError
from utils.names import is_missing, look_alikes, plain_name, spelling
from utils.problems import Problems

SHOWN = 3  # pairs of names that look alike


def check_corpus(corpus: Corpus, registry: Mapping[str, FieldSpec]) -> None:
    """
    Raises:
        UserError: a declaration that cannot be: unknown task, unit or label field, classes missing or written twice.
    """
    for what, value, accepted in (("task", corpus.task, TASKS), ("unit", corpus.unit, UNITS)):
        if value not in accepted:
            raise UserError(f"corpus {corpus.name}: {what} is {value!r}; accepted: {', '.join(accepted)}")
    check_name(registry, corpus.label, f"corpus {corpus.name}, the label")
    if corpus.task == "classification" and len(set(corpus.classes)) < 2:
        raise UserError(f"corpus {corpus.name}: a classification needs two classes or more; "
                        f"it has: {', '.join(corpus.classes) or 'none'}")
    if len(set(corpus.classes)) != len(corpus.classes):
        raise UserError(f"corpus {corpus.name}: a class is declared twice: {', '.join(corpus.classes)}")
    for name in corpus.classes:
        if name == UNLABELLED or name != name.strip() or not name.isprintable() or not name:
            raise UserError(f"corpus {corpus.name}: {name!r} cannot be the name of a class")
    if corpus.threshold is not None and corpus.task != "regression":
        raise UserError(f"corpus {corpus.name}: a threshold belongs to a regression, the task is {corpus.task}")
    if corpus.positive is not None and (corpus.positive not in corpus.classes or len(corpus.classes) != 2):
        raise UserError(f"corpus {corpus.name}: positive is {corpus.positive!r}; it must be one of two classes, there "
                        f"are {', '.join(corpus.classes) or 'none'}")
    for name in corpus.numbers:
        check_name(registry, name, f"corpus {corpus.name}, numbers")
        if registry[name].type not in ("int", "float"):
            raise UserError(f"corpus {corpus.name}: {name} is no number, so it cannot be predicted as one")
    if corpus.task == "sequence-regression" and not registry[corpus.label].moves:
        raise UserError(f"corpus {corpus.name}: {corpus.label} cannot be a sequence (`moves` in conf/fields.yaml)")


def plain_classes(corpus: Corpus) -> Corpus:
    """The corpus with its classes as plain names (utils/names.py), as the rows will have them."""
    return dataclasses.replace(corpus, classes=tuple(map(plain_name, corpus.classes)))


def typed_rows(rows: Sequence[Row], problems: Problems) -> list[Row]:
    """The rows with paths as Path and times as numbers, where text stands for them; others are mistakes."""
    kept = []
    for row in rows:
        try:
            if not isinstance(row.fields, Mapping):
                raise UserError(f"{row_where(row)}: fields is {row.fields!r:.60}; expected a mapping")
            kept.append(dataclasses.replace(
                row, path=_path(row, "path"), features=_path(row, "features"), start=_seconds(row, "start") or 0.0,
                end=_seconds(row, "end"), frame_shift=_seconds(row, "frame_shift")))
        except UserError as error:
            problems.add("rows", str(error))
    return kept


def _path(row: Row, name: str) -> Path | None:
    value = getattr(row, name)
    if value is not None and not isinstance(value, (str, Path)):
        raise UserError(f"{row_where(row)}: {name} is {value!r:.60}; expected a path")
    return None if value is None else Path(value)


def _seconds(row: Row, name: str) -> float | None:
    value = getattr(row, name)
    if value is None or (isinstance(value, str) and is_missing(value)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{row_where(row)}: {name} is {value!r:.60}; expected seconds")
    return number


def check_rows(rows: Sequence[Row], corpus: Corpus, registry: Mapping[str, FieldSpec], problems: Problems,
               may_pass: bool = False) -> tuple[list[Row], list[str]]:
    """The rows without a mistake, their fields in their own types and their names plain; and notes for the user.

    Args:
        rows: of `typed_rows`.
        problems: gets every mistake, with its place.
        may_pass: fields that are not registered are passed over and noted (columns of a table), unless their name
            is nearly that of a field.

    """
    unknown, notes = _unknown_fields(rows, registry, problems, may_pass)
    seen: dict[str, Row] = {}
    missing: Counter[tuple[str, str]] = Counter()
    checked = []
    for row in rows:
        where, before, fields, key = row_where(row), len(problems), {}, ""
        with problems.catch("ids"):
            key = checked_id(row.id, where)
            if seen.setdefault(key, row) is not row:
                raise UserError(f"{where}: the id {key} is taken already by {row_where(seen[key])}; make ids unique")
        for name, value in row.fields.items():
            if value is None or name in unknown or (value == UNLABELLED and name != corpus.label):
                continue
            names = corpus.classes if name == corpus.label else ()
            if (word := missing_word(registry[name], value, names)) is not None:
                missing[name, word] += 1
                continue
            with problems.catch("values"):
                fields[name] = check_value(registry[name], name, value, where)
        with problems.catch("labels"):
            _check_label(fields.get(corpus.label, UNLABELLED), corpus, where)
        if len(problems) == before:
            checked.append(dataclasses.replace(row, id=key, fields=fields))
    _check_units(checked, corpus, problems)
    return checked, [*notes, *_notes_on_missing(missing), *notes_on_spelling(checked, corpus)]


def _unknown_fields(rows: Sequence[Row], registry: Mapping[str, FieldSpec], problems: Problems,
                    may_pass: bool) -> tuple[set[str], list[str]]:
    """Names of fields that are not registered; those that may be passed over with a note for each."""
    first: dict[str, Row] = {}
    for row in rows:
        for name in row.fields:
            first.setdefault(name, row)
    notes = []
    for name, row in first.items():
        try:
            check_name(registry, name, row_where(row))
        except UserError as error:
            near = difflib.get_close_matches(name.lower(), registry, n=1, cutoff=0.75)
            way = f"--fields \"{name}:str\" takes it as one"
            if may_pass and not near:
                notes.append(f"the column {name!r} is no registered field (conf/fields.yaml) and is passed over; {way}")
            else:
                problems.add("fields", f"{error}; {way}" if may_pass else str(error))
    return first.keys() - registry.keys(), notes


def _notes_on_missing(missing: Mapping[tuple[str, str], int]) -> list[str]:
    told = ", ".join(f"{count} {name} {word!r}" for (name, word), count in sorted(missing.items()) if word)
    return [f"taken as missing, not as a name: {told}"] if told else []


def notes_on_spelling(rows: Sequence[Row], corpus: Corpus) -> list[str]:
    """A line for each kind of name with look-alikes: they count as different."""
    notes = []
    kinds = dict.fromkeys(("speaker", *([corpus.label] if corpus.task == "classification" else []), *UNITS[1:]))
    for kind in kinds:
        groups = look_alikes({str(row.fields[kind]) for row in rows if row.fields.get(kind) is not None} - {UNLABELLED})
        if groups:
            shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:SHOWN])
            more = f"; and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
            notes.append(f"{kind}: {shown}{more} differ only in case, leading zeros, spaces or a .0 at the end and "
                         "count as different; spell them alike if they are one")
    return notes


def _check_label(label: Any, corpus: Corpus, where: str) -> None:
    if label == UNLABELLED:
        return
    if corpus.task == "classification" and label not in corpus.classes:
        alike = [name for name in corpus.classes if spelling(name) == spelling(str(label))]
        near = alike or difflib.get_close_matches(str(label), corpus.classes, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{where}: {corpus.label} is {label!r}, which is no declared class; {hint}"
                        f"classes: {', '.join(corpus.classes)}")
    if corpus.task == "regression" and isinstance(label, (dict, str)):
        raise UserError(f"{where}: {corpus.label} is {label!r}; a regression needs one number")
    if corpus.task == "sequence-regression" and not isinstance(label, dict):
        raise UserError(f'{where}: {corpus.label} is {label!r}; a sequence is {{"step": seconds, "values": [...]}}')


def _check_units(rows: Sequence[Row], corpus: Corpus, problems: Problems) -> None:
    """Where a dialogue or session carries the label, every utterance has one, and they agree."""
    if corpus.unit == "utterance":
        return
    first: dict[str, Row] = {}
    for row in rows:
        unit = row.fields.get(corpus.unit)
        if unit is None:
            problems.add("units", f"{row_where(row)}: no {corpus.unit}, but the label belongs to the {corpus.unit}")
            continue
        other = first.setdefault(unit, row)
        mine, theirs = (r.fields.get(corpus.label, UNLABELLED) for r in (row, other))
        if mine != theirs:
            problems.add("units", f"{row_where(row)}: {corpus.unit} {unit} has {corpus.label} {mine!r} here and "
                                  f"{theirs!r} at {row_where(other)}; a {corpus.unit} carries one label")


def missing_of(rows: Sequence[Row], corpus: Corpus) -> list[str]:
    """A line for each way in which the rows differ from the published counts; empty where the corpus is whole."""
    lines = []
    for name, wanted in corpus.published.items():
        if isinstance(wanted, Mapping):
            counts = Counter(str(row.fields.get(name)) for row in rows)
            found = {key: counts[key] for key in wanted}
            lines += [f"{name} {key}: {found[key]} of {n}" for key, n in wanted.items() if found[key] != n]
        else:
            number = len(rows) if name == "utterances" else len({row.speaker for row in rows} - {None}) \
                if name == "speakers" else len({row.fields.get(name) for row in rows} - {None})
            if number != wanted:
                lines.append(f"{name}: {number} of {wanted}")
    return lines


def present_classes(rows: Sequence[Row], corpus: Corpus) -> tuple[str, ...]:
    """The declared classes that some row has."""
    there = {row.fields.get(corpus.label) for row in rows}
    return tuple(name for name in corpus.classes if name in there)
