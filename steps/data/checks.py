"""A corpus's rows against what it declares: ids, fields, targets, published counts."""

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
from utils.corpus import KINDS, OF, UNLABELLED, Corpus, Row, Target
from utils.errors import UserError
from utils.names import is_missing, look_alikes, plain_name, spelling
from utils.problems import Problems

SHOWN = 3  # pairs of names that look alike


def check_corpus(corpus: Corpus, registry: Mapping[str, FieldSpec]) -> None:
    """
    Raises:
        UserError: a target that cannot be, or one that is declared twice.
    """
    for target in corpus.targets:
        if [other.field for other in corpus.targets].count(target.field) > 1:
            raise UserError(f"corpus {corpus.name}: the target {target.field} is declared twice")
        _check_target(target, registry, f"corpus {corpus.name}, target {target.field}")


def _check_target(target: Target, registry: Mapping[str, FieldSpec], where: str) -> None:
    for what, value, accepted in (("kind", target.kind, KINDS), ("of", target.of, OF)):
        if value not in accepted:
            raise UserError(f"{where}: {what} is {value!r}; accepted: {', '.join(accepted)}")
    check_name(registry, target.field, where)
    for what, kind in (("classes", "class"), ("positive", "class"), ("threshold", "number"),
                       ("step", "track")):
        value = getattr(target, what)
        if value not in (None, ()) and target.kind != kind:
            raise UserError(f"{where}: {what} belongs to a {kind}; the kind is {target.kind}")
    if target.kind == "class":
        _check_classes(target, where)
    if target.kind == "number" and registry[target.field].type not in ("int", "float"):
        raise UserError(f"{where}: {target.field} is no number, so it cannot be predicted as one")
    if target.kind == "track" and not registry[target.field].moves:
        raise UserError(f"{where}: {target.field} cannot be a track (`moves` in conf/fields.yaml)")
    if target.step is not None and not (math.isfinite(target.step) and target.step > 0):
        raise UserError(f"{where}: step is {target.step}; expected seconds, more than 0")


def _check_classes(target: Target, where: str) -> None:
    classes = target.classes
    if len(set(classes)) < 2:
        raise UserError(f"{where}: two classes or more are needed; it has: "
                        f"{', '.join(classes) or 'none'}")
    if len(set(classes)) != len(classes):
        raise UserError(f"{where}: a class is declared twice: {', '.join(classes)}")
    for name in classes:
        if name == UNLABELLED or name != name.strip() or not name.isprintable() or not name:
            raise UserError(f"{where}: {name!r} cannot be the name of a class")
    if target.positive is not None and (target.positive not in classes or len(classes) != 2):
        raise UserError(f"{where}: positive is {target.positive!r}; it must be one of two classes, there are "
                        f"{', '.join(classes)}")


def plain_classes(corpus: Corpus) -> Corpus:
    """The corpus with its classes as plain names (utils/names.py), as the rows will have them."""
    return dataclasses.replace(corpus, targets=tuple(
        dataclasses.replace(target, classes=tuple(map(plain_name, target.classes))) for target in corpus.targets))


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
    targets = {target.field: target for target in corpus.targets}
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
            if value is None or name in unknown or (value == UNLABELLED and name not in targets):
                continue
            names = targets[name].classes if name in targets else ()
            if (word := missing_word(registry[name], value, names)) is not None:
                missing[name, word] += 1
                continue
            with problems.catch("values"):
                fields[name] = check_value(registry[name], name, value, where)
        for target in corpus.targets:
            with problems.catch("labels"):
                _check_value(fields.get(target.field, UNLABELLED), target, where)
        if len(problems) == before:
            checked.append(dataclasses.replace(row, id=key, fields=fields))
    for target in corpus.targets:
        _check_groups(checked, target, problems)
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
    kinds = dict.fromkeys(("speaker", *(target.field for target in corpus.targets if target.classes), *OF[1:]))
    for kind in kinds:
        groups = look_alikes({str(row.fields[kind]) for row in rows if row.fields.get(kind) is not None} - {UNLABELLED})
        if groups:
            shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:SHOWN])
            more = f"; and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
            notes.append(f"{kind}: {shown}{more} differ only in case, leading zeros, spaces or a .0 at the end and "
                         "count as different; spell them alike if they are one")
    return notes


def _check_value(value: Any, target: Target, where: str) -> None:
    if value == UNLABELLED:
        return
    if target.kind == "class" and value not in target.classes:
        alike = [name for name in target.classes if spelling(name) == spelling(str(value))]
        near = alike or difflib.get_close_matches(str(value), target.classes, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{where}: {target.field} is {value!r}, which is no declared class; {hint}"
                        f"classes: {', '.join(target.classes)}")
    if target.kind == "number" and isinstance(value, (dict, str)):
        raise UserError(f"{where}: {target.field} is {value!r}; expected one number")
    if target.kind == "track" and not isinstance(value, dict):
        raise UserError(f'{where}: {target.field} is {value!r}; a track is {{"step": seconds, "values": [...]}}')


def _check_groups(rows: Sequence[Row], target: Target, problems: Problems) -> None:
    """A target of a dialogue or session: every utterance has one, and its utterances agree."""
    if target.of == "utterance":
        return
    first: dict[str, Row] = {}
    for row in rows:
        name = row.fields.get(target.of)
        if name is None:
            problems.add("groups", f"{row_where(row)}: no {target.of}, but {target.field} belongs to "
                                   f"the {target.of}")
            continue
        other = first.setdefault(name, row)
        mine, theirs = (r.fields.get(target.field, UNLABELLED) for r in (row, other))
        if mine != theirs:
            problems.add("groups", f"{row_where(row)}: {target.of} {name} has {target.field} {mine!r} here and "
                                   f"{theirs!r} at {row_where(other)}; a {target.of} has one")


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


def with_present_classes(corpus: Corpus, rows: Sequence[Row]) -> Corpus:
    """The corpus without the classes that no row has."""
    def present(target: Target) -> Target:
        there = {row.fields.get(target.field) for row in rows}
        classes = tuple(name for name in target.classes if name in there)
        return dataclasses.replace(target, classes=classes,
                                   positive=target.positive if target.positive in classes else None)

    return dataclasses.replace(corpus, targets=tuple(map(present, corpus.targets)))
