"""A corpus's rows against what it declares: ids, fields, labels, units, published counts."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from steps.data.cuts import row_where
from steps.data.fields import FieldSpec, check_id, check_name, check_value
from utils.corpus import TASKS, UNITS, UNLABELLED, Corpus, Row
from utils.errors import UserError


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


def check_rows(rows: Sequence[Row], corpus: Corpus, registry: Mapping[str, FieldSpec]) -> list[Row]:
    """The rows with their fields in their own types.

    Raises:
        UserError: the first mistake, with its place.
    """
    seen: dict[str, Row] = {}
    checked = []
    for row in rows:
        where = row_where(row)
        check_id(row.id, where)
        if row.id in seen:
            raise UserError(f"{where}: the id {row.id} is taken already by {row_where(seen[row.id])}; make ids unique")
        seen[row.id] = row
        fields = {}
        for name, value in row.fields.items():
            check_name(registry, name, where)
            if value is not None:
                fields[name] = check_value(registry[name], name, value, where)
        _check_label(fields.get(corpus.label, UNLABELLED), corpus, where)
        checked.append(dataclasses.replace(row, fields=fields))
    if not checked:
        raise UserError(f"corpus {corpus.name}: no utterances were found")
    _check_units(checked, corpus)
    return checked


def _check_label(label: Any, corpus: Corpus, where: str) -> None:
    if label == UNLABELLED:
        return
    if corpus.task == "classification" and label not in corpus.classes:
        near = difflib.get_close_matches(str(label), corpus.classes, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{where}: {corpus.label} is {label!r}, which is no declared class; {hint}"
                        f"classes: {', '.join(corpus.classes)}")
    if corpus.task == "regression" and isinstance(label, (dict, str)):
        raise UserError(f"{where}: {corpus.label} is {label!r}; a regression needs one number")
    if corpus.task == "sequence-regression" and not isinstance(label, dict):
        raise UserError(f'{where}: {corpus.label} is {label!r}; a sequence is {{"step": seconds, "values": [...]}}')


def _check_units(rows: Sequence[Row], corpus: Corpus) -> None:
    """Where a dialogue or session carries the label, every utterance has one, and they agree."""
    if corpus.unit == "utterance":
        return
    first: dict[str, Row] = {}
    for row in rows:
        unit = row.fields.get(corpus.unit)
        if unit is None:
            raise UserError(f"{row_where(row)}: no {corpus.unit}, but the label belongs to the {corpus.unit}")
        other = first.setdefault(unit, row)
        mine, theirs = (r.fields.get(corpus.label, UNLABELLED) for r in (row, other))
        if mine != theirs:
            raise UserError(f"{row_where(row)}: {corpus.unit} {unit} has {corpus.label} {mine!r} here and {theirs!r} "
                            f"at {row_where(other)}; a {corpus.unit} carries one label")


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
