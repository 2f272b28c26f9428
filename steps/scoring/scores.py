"""Score files: what a subsystem says about every item of one part. Tab-separated, sorted by id, the same bytes always.

    classification        id  label  <class> <class> ...      natural-log posteriors, calibrated on dev
    regression            id  label  prediction
    sequence-regression   id  frame  label  prediction         one row a frame; frame k holds from k * step seconds on

An unlabelled item has the label `-`. A name that begins with = + - or @ has a ' before it, so that no spreadsheet takes
it for a formula; the readers here take it off. The id is the unit's: an utterance, a dialogue or a session. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.corpus import UNLABELLED
from utils.errors import UserError
from utils.files import atomic_open, read_exact_text
from utils.printable import FORMULA

BLOCK = 8192  # rows that are formatted at once


@dataclass(frozen=True)
class Scores:
    """Classification: ids and labels (None = unlabelled) of N items, C classes, logp (N, C) float64."""

    ids: list[str]
    labels: list[str | None]
    classes: list[str]
    logp: np.ndarray

    @property
    def decisions(self) -> np.ndarray:
        """Index of the most probable class (N,); the first one on a tie."""
        return self.logp.argmax(axis=1) if len(self.ids) else np.zeros(0, dtype=np.int64)

    def decide(self, positive: str | None = None, threshold: float = 0.5) -> np.ndarray:
        """As `decisions`; of two classes `positive` from the posterior `threshold` on."""
        if positive is None:
            return self.decisions
        column = self.classes.index(positive)
        return np.where(np.exp(self.logp[:, column]) >= threshold, column, 1 - column)

    @property
    def references(self) -> np.ndarray:
        """Index of the label (N,); -1 where unlabelled."""
        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([-1 if label is None else index[label] for label in self.labels], dtype=np.int64)


@dataclass(frozen=True)
class Predictions:
    """Regression: ids, labels and predictions (N,) float64, NaN = unlabelled; frames (N,) of a sequence task."""

    ids: list[str]
    labels: np.ndarray
    predictions: np.ndarray
    frames: np.ndarray | None = None

    def by_item(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """(id, labels (T,), predictions (T,)) of each item."""
        names = np.array(self.ids, dtype=str)
        edges = np.flatnonzero(names[1:] != names[:-1]) + 1
        first = [0, *edges.tolist()] if len(names) else []
        return list(zip(names[first].tolist(), np.split(self.labels, edges),
                        np.split(self.predictions, edges), strict=True)) if first else []


def write_scores(path: str | Path, ids: Sequence[str], labels: Sequence[str | None], classes: Sequence[str],
                 logp: np.ndarray) -> None:
    """Write posteriors, sorted by id.

    Args:
        labels: None or "-" for an unlabelled item.
        logp: (N, C) natural-log posteriors.

    Raises:
        UserError: an id twice, a value that is no number, a label outside the classes, a tab or newline in a name.
    """
    logp = np.asarray(logp, dtype=np.float64)
    if logp.shape != (len(ids), len(classes)) or len(labels) != len(ids):
        raise ValueError(f"{path}: {len(ids)} ids, {len(labels)} labels, {len(classes)} classes, scores {logp.shape}")
    written = [UNLABELLED if label is None else str(label) for label in labels]
    unknown = sorted(set(written) - set(classes) - {UNLABELLED})
    if unknown:
        raise UserError(f"{path}: label {unknown[0]!r} is outside the classes {', '.join(classes)}")
    order = _sorted_unique(path, ids)
    _write(path, ["id", "label", *map(quoted, classes)],
           [[quoted(ids[i]) for i in order], [quoted(written[i]) for i in order]], _finite(path, logp)[order])


def write_regression(path: str | Path, ids: Sequence[str], labels: Sequence[float | None],
                     predictions: Sequence[float]) -> None:
    """Write one prediction an item, sorted by id. Raises UserError as `write_scores`."""
    order = _sorted_unique(path, ids)
    values = _finite(path, np.asarray(predictions, dtype=np.float64).reshape(len(ids), 1))
    _write(path, ["id", "label", "prediction"], [[quoted(ids[i]) for i in order], [_label(labels[i]) for i in order]],
           values[order])


def write_sequences(path: str | Path, ids: Sequence[str], labels: Sequence[np.ndarray | None],
                    predictions: Sequence[np.ndarray]) -> None:
    """Write one prediction a frame, sorted by id and frame.

    Args:
        labels: per item (T,) or None. predictions: per item (T,).

    Raises:
        UserError: as `write_scores`; or an item whose label and prediction differ in length.
    """
    names: list[str] = []
    frames: list[str] = []
    references: list[str] = []
    values: list[np.ndarray] = []
    for i in _sorted_unique(path, ids):
        prediction = np.asarray(predictions[i], dtype=np.float64)
        label = labels[i]
        if label is not None and len(label) != len(prediction):
            raise UserError(f"{path}: {ids[i]} has {len(label)} labels and {len(prediction)} predictions")
        names += [quoted(ids[i])] * len(prediction)
        frames += map(str, range(len(prediction)))
        references += [UNLABELLED] * len(prediction) if label is None else map(_label, np.asarray(label).tolist())
        values.append(prediction)
    flat = np.concatenate(values)[:, None] if values else np.zeros((0, 1))
    _write(path, ["id", "frame", "label", "prediction"], [names, frames, references], _finite(path, flat))


def read_scores(path: str | Path) -> Scores:
    """Read a classification score file.

    Raises:
        UserError: naming file and line: wrong header, order, number of columns, a label outside the classes.
    """
    header, columns, values = _read(path, 2)
    if header[:2] != ["id", "label"] or len(header) < 3:
        raise UserError(f"{path}, line 1: expected id, label and one column a class, found {header}")
    classes, ids = header[2:], columns[0]
    allowed = {*classes, UNLABELLED}
    for number, label in enumerate(columns[1], start=2):
        if label not in allowed:
            raise UserError(f"{path}, line {number}: label {label!r} is none of the classes {', '.join(classes)}")
    _check_order(path, ids)
    return Scores(ids, [None if label == UNLABELLED else label for label in columns[1]], classes, values)


def read_predictions(path: str | Path) -> Predictions:
    """Read a regression or sequence score file.

    Raises:
        UserError: naming file and line: wrong header, order, or a value that is no number.
    """
    header = read_exact_text(path).partition("\n")[0].split("\t")
    if header == ["id", "label", "prediction"]:
        _, (ids, labels), values = _read(path, 2)
        _check_order(path, ids)
        return Predictions(ids, _floats(path, labels), values[:, 0])
    if header == ["id", "frame", "label", "prediction"]:
        _, (ids, frames, labels), values = _read(path, 3)
        index = _floats(path, frames).astype(np.int64)
        _check_frames(path, ids, index)
        return Predictions(ids, _floats(path, labels), values[:, 0], index)
    raise UserError(f"{path}, line 1: expected id, [frame,] label, prediction; found {header}")


def _write(path: str | Path, header: Sequence[str], texts: Sequence[Sequence[str]], values: np.ndarray) -> None:
    """Rows of `texts` columns, then `values` (N, K) with six digits; a block of rows is one formatting operation."""
    for name in header:
        _check_name(path, name)
    # + 0.0 after rounding: no "-0.000000", which would differ from "0.000000" between machines
    values = np.round(values, 6) + 0.0
    row = "\t".join(["%s"] * len(texts) + ["%.6f"] * values.shape[1]) + "\n"
    with atomic_open(path) as stream:
        stream.write("\t".join(header) + "\n")
        for start in range(0, len(values), BLOCK):
            block = values[start:start + BLOCK]
            cells: list[Any] = []
            for *words, numbers in zip(*(text[start:start + BLOCK] for text in texts), block.tolist(), strict=True):
                cells += words
                cells += numbers
            stream.write(row * len(block) % tuple(cells))


def _read(path: str | Path, words: int) -> tuple[list[str], list[list[str]], np.ndarray]:
    """Header, the first `words` columns as texts, the others as numbers (N, K)."""
    try:
        lines = read_exact_text(path).split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; the training stage that writes it is not finished") from error
    header = lines[0].split("\t")
    if lines[-1] != "" or len(header) <= words:
        raise UserError(f"{path} is not a whole score file; run the stage that writes it again")
    rows = [line.split("\t") for line in lines[1:-1]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(f"{path}, line {number}: {len(row)} columns, the header has {len(header)}")
    try:
        values = np.array([row[words:] for row in rows], dtype=np.float64).reshape(len(rows), len(header) - words)
    except ValueError as error:
        raise UserError(f"{path}: a score is no number ({error})") from error
    return list(map(unquoted, header)), [[unquoted(row[column]) for row in rows] for column in range(words)], \
        _finite(path, values)


def quoted(name: str) -> str:
    """A name as it stands in a table: with a ' before it where a spreadsheet would take it for a formula.

    `unquoted` takes that away again; a name that itself begins so gets one more.
    """
    return f"'{name}" if name.lstrip("'").startswith(FORMULA) and name != UNLABELLED else name


def unquoted(cell: str) -> str:
    """The name of a cell that `quoted` made."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA) else cell


def _sorted_unique(path: str | Path, ids: Sequence[str]) -> list[int]:
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    for one, other in zip(order, order[1:], strict=False):
        if ids[one] == ids[other]:
            raise UserError(f"{path}: {ids[one]} has two scores")
    for name in ids:
        _check_name(path, name)
    return order


def _check_name(path: str | Path, name: str) -> None:
    if not name or "\t" in name or "\n" in name or "\r" in name:
        raise UserError(f"{path}: {name!r} cannot stand in a table: it is empty or holds a tab or a newline")


def _check_order(path: str | Path, ids: Sequence[str]) -> None:
    for number, (one, other) in enumerate(zip(ids, ids[1:], strict=False), start=3):
        if one >= other:
            why = "has two scores" if one == other else f"stands after {one}; rows must be sorted by id"
            raise UserError(f"{path}, line {number}: {other} {why}")


def _check_frames(path: str | Path, ids: Sequence[str], frames: np.ndarray) -> None:
    expected = 0
    for number, (name, frame) in enumerate(zip(ids, frames.tolist(), strict=True), start=2):
        before = ids[number - 3] if number > 2 else ""
        expected = expected + 1 if name == before else 0
        if frame != expected or name < before:
            raise UserError(f"{path}, line {number}: expected frame {expected} of {name}, found {frame}, or the rows "
                            "are not sorted by id")


def _finite(path: str | Path, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise UserError(f"{path}: row {row + 1} holds a score that is not a finite number")
    return values


def _label(value: float | None) -> str:
    return UNLABELLED if value is None or value != value else repr(float(value))


def _floats(path: str | Path, texts: Sequence[str]) -> np.ndarray:
    try:
        return np.array([np.nan if text == UNLABELLED else float(text) for text in texts], dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
