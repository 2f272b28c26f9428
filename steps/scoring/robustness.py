"""The table of robustness: a line a system, a column a condition, clean speech first.

Rows of results that have a `condition` (see steps/scoring/results.py) are figures of one noisy test set; the clean
column is the system's row of the whole test part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steps.scoring import results
from steps.scoring.cells import Cell, figure
from steps.scoring.study_table import StudyTable

Row = Mapping[str, Any]
METRICS = ("MAF", "UA", "WA")
CLEAN = "clean"


@dataclass(frozen=True)
class Grid:
    """Attributes:
        columns: (label, SNR in dB; None of clean speech), loudest speech first.
        lines: (subsystem, variant), best first by the mean over the noisy columns.
        rows: {(subsystem, variant, label): row}.
    """

    columns: list[tuple[str, float | None]]
    lines: list[tuple[str, str]]
    rows: dict[tuple[str, str, str], Row]


def grid(rows: Sequence[Row]) -> Grid:
    """Args: rows: of one corpus, protocol, target and part, noisy and clean."""
    noisy = [row for row in rows if row.get("condition")]
    systems = {(row["subsystem"], row["variant"]) for row in noisy}
    found: dict[tuple[str, str, str], Row] = {
        (row["subsystem"], row["variant"], CLEAN): row for row in rows
        if not row.get("subset") and (row["subsystem"], row["variant"]) in systems}
    found |= {(row["subsystem"], row["variant"], row["subset"]): row for row in noisy}
    labels = {row["subset"]: row["condition"]["snr"] for row in noisy}
    columns = [(CLEAN, None), *sorted(labels.items(), key=lambda entry: (-entry[1], entry[0]))]

    def order(system: tuple[str, str]) -> tuple[float, tuple[str, str]]:
        values = [results.quality(row) for key, row in found.items() if key[:2] == system and key[2] != CLEAN]
        return -sum(values) / len(values), system

    return Grid(columns, sorted(systems, key=order), found)


def noise_tables(rows: Sequence[Row], names: Sequence[str] = METRICS) -> str:
    """One Markdown table a metric, for each corpus, protocol and target that has noisy rows."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["corpus"], row["protocol"], row["target"]), []).append(row)
    return "\n\n".join(table(group, name).markdown() for _, group in sorted(groups.items()) for name in names
                       if any(row.get("condition") for row in group))


def table(rows: Sequence[Row], metric: str) -> StudyTable:
    """Args: rows: of one corpus, protocol, target and part, noisy and clean."""
    found, first = grid(rows), next(row for row in rows if row.get("condition"))
    noises = sorted({row["condition"]["noises"] for row in found.rows.values() if row.get("condition")})
    body = [[Cell(subsystem), Cell(variant), *(figure(found.rows.get((subsystem, variant, label)), metric)
                                               for label, _ in found.columns)]
            for subsystem, variant in found.lines]
    return StudyTable(("subsystem", "variant", *(label for label, _ in found.columns)), body,
                      f"{first['corpus']}, {first['protocol']}, {first['target']}, noise ({', '.join(noises)}): "
                      f"{metric} on clean speech and by signal-to-noise ratio.", texts=2)
