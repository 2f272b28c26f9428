"""Cells of tables: text, a figure with its spread and interval, a p; as Markdown here, as HTML in steps/report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steps.scoring.metrics import TRACK, VERIFICATION


@dataclass(frozen=True)
class Cell:
    """
    Attributes:
        text: what it says. value: by which a page sorts; None for text.
        spread: over seeds, as text. interval: its two ends, as text.
        style: "", "bold" or "italic".
    """

    text: str
    value: float | None = None
    spread: str = ""
    interval: tuple[str, str] | None = None
    style: str = ""

    def markdown(self) -> str:
        """`57.1 ± 0.4 [54.2, 60.1]`."""
        text = escape(self.text) if self.value is None else self.text
        text += f" ± {self.spread}" if self.spread else ""
        text += f" [{', '.join(self.interval)}]" if self.interval else ""
        mark = {"bold": "**", "italic": "*"}.get(self.style, "")
        return f"{mark}{text}{mark}"


def figure(row: Mapping[str, Any] | None, metric: str, missing: str = "–", style: str = "") -> Cell:
    """A metric of a row of results, with its spread over seeds and its interval.

    Args:
        row: None: there is none, an empty cell. missing: text where the row lacks the metric.
    """
    value = None if row is None else row["metrics"].get(metric)
    if row is None or value is None:
        return Cell("" if row is None else missing, style=style)
    show, spread, ends = shown(metric), row["sd"].get(metric), row["intervals"].get(metric)
    return Cell(show(value), value, "" if spread is None else show(spread),
                (show(ends[0]), show(ends[1])) if ends else None, style)


def p_cell(p: float | None) -> Cell:
    """Of a paired test; empty where there is none."""
    return Cell(shown_p(p), p)


def cell(row: Mapping[str, Any], metric: str) -> str:
    """`57.1 ± 0.4 [54.2, 60.1]`."""
    return figure(row, metric).markdown()


def shown(metric: str) -> Any:
    """How a value of a metric is written: percent with one digit (EER, which may be small, two), or three digits."""
    if metric in (*TRACK, "AUC"):
        return lambda value: f"{value:.3f}"
    digits = 2 if metric in VERIFICATION else 1
    return lambda value: f"{100 * value:.{digits}f}"


def p_value(row: Mapping[str, Any], metric: str) -> str:
    """Of the paired test of a row of results, adjusted for the rows of its table."""
    return shown_p(row.get("paired", {}).get(metric, {}).get("p_holm"))


def about_tests(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """What a reader must know of the tests of a table: how they were adjusted, what they could find."""
    tests = [test for row in rows if (test := row.get("paired", {}).get(metric))]
    if not tests:
        return ""
    against = " or ".join(sorted({row["paired"]["reference"] for row in rows if row.get("paired")}))
    found = sorted(test["detectable"] for test in tests if test.get("detectable"))
    power = f" A single test finds differences from {shown(metric)(found[len(found) // 2])} on with a power of 80 %." \
        if found else ""
    smallest = [test["smallest_p"] for test in tests if test["p"] is None]
    if len(smallest) == len(tests):
        return f"No p: with {tests[0]['speakers']} speakers none is below {shown_p(min(smallest))}.{power}"
    return (f"p: {metric} against {against}, sign-flip test over speakers, adjusted by Holm for the "
            f"{len(tests)} tests of the table.{power}")


def shown_p(p: float | None) -> str:
    """Nothing where there is no test."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def escape(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
