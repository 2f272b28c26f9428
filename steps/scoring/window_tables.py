"""The window study as a table: one subsystem on features of windows of several lengths.

Such systems are called <subsystem>_<n>ms (steps/stages_pyresnet.sh).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steps.scoring import results
from steps.scoring.cells import Cell, figure, p_cell
from steps.scoring.statistics import holm
from steps.scoring.study_table import StudyTable
from steps.scoring.summary import compare

METRICS = ("UA", "WA")
NAME = re.compile(r"(.+)_([0-9]+)ms")
Row = Mapping[str, Any]


def studies(rows: Iterable[Row]) -> dict[tuple[str, ...], list[tuple[int, Row]]]:
    """{(corpus, protocol, target, subsystem, variant): [(ms, row), ...] from the shortest window}, of
    two windows or more."""
    found: dict[tuple[str, ...], list[tuple[int, Row]]] = {}
    for row in rows:
        match = NAME.fullmatch(row["subsystem"])
        if match and "UA" in row["metrics"] and not (row.get("subset") or row.get("train_corpus")):
            key = (row["corpus"], row["protocol"], row["target"], match[1], row["variant"])
            found.setdefault(key, []).append((int(match[2]), row))
    return {key: sorted(lines, key=lambda line: line[0]) for key, lines in sorted(found.items()) if len(lines) > 1}


def differences(lines: list[tuple[int, Row]]) -> list[dict[str, Any]]:
    """The paired test of each window against the shortest: {metric: {difference, p}}; {} of that itself, and where
    speakers are unknown."""
    first, *others = [results.summary_of(row) for _, row in lines]
    return [{}, *(compare(summary, first) or {} for summary in others)]


def adjusted(tests: Sequence[dict[str, Any]]) -> list[float | None]:
    """p of UA of each test, adjusted for all of them; None where there is none."""
    known = [number for number, test in enumerate(tests) if test.get("UA", {}).get("p") is not None]
    found: list[float | None] = [None] * len(tests)
    for number, p in zip(known, holm([tests[number]["UA"]["p"] for number in known]), strict=True):
        found[number] = p
    return found


def window_tables(rows: Iterable[Row]) -> list[StudyTable]:
    """A table a study; [] where there is none."""
    tables = []
    for (corpus, protocol, target, subsystem, variant), lines in studies(rows).items():
        body = [[Cell(f"{length} ms", length), *(figure(row, metric) for metric in METRICS), p_cell(p)]
                for (length, row), p in zip(lines, adjusted(differences(lines)), strict=True)]
        tables.append(StudyTable(
            ("window", *METRICS, "p"), body,
            f"{corpus}, {protocol}, {target}, {subsystem} ({variant}) by the length of the window.",
            f"p: UA against {lines[0][0]} ms, sign-flip test over speakers, adjusted by Holm.", texts=0))
    return tables
