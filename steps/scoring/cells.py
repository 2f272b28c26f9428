"""Cells of the Markdown tables: a figure with its interval, a p, text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steps.scoring.metrics import VERIFICATION


def cell(row: Mapping[str, Any], metric: str) -> str:
    """`57.1 ± 0.4 [54.2, 60.1]`."""
    value = row["metrics"].get(metric)
    if value is None:
        return "–"
    show = shown(metric)
    text = show(value)
    if row["sd"].get(metric) is not None:
        text += f" ± {show(row['sd'][metric])}"
    if row["intervals"].get(metric):
        text += f" [{show(row['intervals'][metric][0])}, {show(row['intervals'][metric][1])}]"
    return text


def shown(metric: str) -> Any:
    """How a value of a metric is written: percent with one digit (EER, which may be small, two), or three digits."""
    if metric in ("CCC", "MAE", "RMSE", "AUC"):
        return lambda value: f"{value:.3f}"
    digits = 2 if metric in VERIFICATION else 1
    return lambda value: f"{100 * value:.{digits}f}"


def p_value(row: Mapping[str, Any], metric: str) -> str:
    """Of the paired test of a row of results."""
    return shown_p(row.get("paired", {}).get(metric, {}).get("p"))


def shown_p(p: float | None) -> str:
    """Nothing where there is no test."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def escape(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
