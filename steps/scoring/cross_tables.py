"""Tables of cross-corpus tests as Markdown: matrices trained x tested, and a line a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from steps.scoring.cells import Cell, figure, p_cell
from steps.scoring.study_table import StudyTable

METRICS = ("UA", "WA")
Row = Mapping[str, Any]


def cross_tables(rows: Iterable[Row], brief: bool = False) -> list[str]:
    """One block a protocol, of rows of one part; [] where there are none of a cross-corpus test."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("train_corpus"):
            groups.setdefault(row["protocol"], []).append(row)
    return [text for name in sorted(groups) for text in blocks(groups[name], brief)]


def blocks(rows: Sequence[Row], brief: bool) -> list[str]:
    whole = [row for row in rows if not row.get("subset")]
    if whole[0]["part"] == "dev":
        return [] if brief else [pair_table(whole).markdown()]
    text = [about(whole)]
    for system in systems_of(whole):
        text += [matrix_table(system_rows(whole, system), system, metric).markdown() for metric in METRICS]
    return text if brief else [*text, FALLS, pair_table(whole).markdown()]


FALLS = ("Fall, against within: the tested corpus's own models minus this one, on the utterances that their own test "
         "parts have; p by sign-flip test over its speakers. Against own: this model on its own corpus's test part "
         "minus on this corpus.")


def about(rows: Sequence[Row]) -> str:
    """How to read the matrices."""
    classes = rows[0]["classes"]
    reasons = sorted({f"{row['corpus']}: {row['no_intervals']}" for row in rows if row.get("no_intervals")})
    return (f"{rows[0]['protocol']}: trained on the corpus of the row, tested on that of the column; in italics within "
            "one corpus, on the test parts of its own protocol. UA is the mean recall over those of the classes "
            f"{', '.join(classes)} that the tested corpus has, decided among all {len(classes)}: chance is "
            f"{100 / len(classes):.1f}." + (f" No intervals: {'; '.join(reasons)}." if reasons else ""))


def systems_of(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """(subsystem, variant), sorted."""
    return sorted({(row["subsystem"], row["variant"]) for row in rows})


def system_rows(rows: Iterable[Row], system: tuple[str, str]) -> list[Row]:
    return [row for row in rows if (row["subsystem"], row["variant"]) == system]


def corpora_of(rows: Iterable[Row]) -> list[str]:
    """The corpora that were trained on, sorted, then those that were tested only."""
    rows = list(rows)
    trained = {row["train_corpus"] for row in rows}
    return sorted(trained) + sorted({row["corpus"] for row in rows} - trained)


def matrix_table(rows: Sequence[Row], system: tuple[str, str], metric: str) -> StudyTable:
    """One system, one metric."""
    corpora, at = corpora_of(rows), {(row["train_corpus"], row["corpus"]): row for row in rows}
    body = []
    for train in corpora:
        if any(key[0] == train for key in at):
            body.append([Cell(train), *(
                figure(at[train, test], metric, style="italic" if test == train else "") if (train, test) in at
                else Cell("–", style="italic" if test == train else "") for test in corpora)])
    return StudyTable((f"{system[0]}, {system[1]}: {metric}", *corpora), body)


def pair_table(rows: Sequence[Row]) -> StudyTable:
    """A line a pair and system, best UA first within a pair."""
    test = rows[0]["part"] == "test"
    head = ["trained on", "tested on", "subsystem", "variant", *METRICS]
    head += ["sd of UA over folds", "fall of UA against within", "p", "against own"] if test else []
    body = []
    for row in sorted(rows, key=lambda row: (row["train_corpus"], row["corpus"], -(row["metrics"].get("UA") or 0),
                                             row["subsystem"], row["variant"])):
        cells = [Cell(row["train_corpus"]), Cell(row["corpus"]),
                 Cell(row["subsystem"], style="bold" if row.get("best_on_dev") else ""), Cell(row["variant"]),
                 *(figure(row, metric) for metric in METRICS)]
        if test:
            falls = row.get("falls", {})
            within, own = falls.get("within", {}), falls.get("own", {})
            cells += [percent(fold_deviation(row)), percent(within.get("UA")),
                      p_cell(within.get("p_holm", {}).get("UA")), percent(own.get("UA"))]
        body.append([*cells, Cell(" ".join(map(str, row["seeds"]))), Cell(", ".join(row["marks"])),
                     Cell(row["commit"])])
    return StudyTable([*head, "seeds", "marks", "commit"], body, texts=4)


def fold_deviation(row: Row, metric: str = "UA") -> float | None:
    """Standard deviation over the folds; None of one fold."""
    values = [value[metric] for value in row["fold_scores"].values() if value.get(metric) is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def percent(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(f"{100 * value:.1f}", value)
