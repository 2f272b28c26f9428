"""Pieces of HTML that the sections share: cells of tables, captions of figures.

Every text from outside goes through `E`.
"""

from __future__ import annotations

import json
from html import escape as E  # noqa: N812
from typing import Any

from steps.data.variant import Variant
from steps.scoring.cells import Cell
from steps.scoring.study_table import StudyTable


def th(name: str, kind: str, sortable: bool = True) -> str:
    classes = " ".join(word for word in (kind, "sortable" if sortable else "") if word)
    return f'<th class="{classes}">{E(name)}</th>'


def td_num(text: str, value: float | None, below: str = "") -> str:
    """A cell that sorts by `value`. `below` is HTML."""
    number = json.dumps(value) if value is not None else "NaN"
    return f'<td class="num" data-value="{number}">{E(text)}' + (f"<small>{below}</small>" if below else "") + "</td>"


def cell_html(cell: Cell, number: bool) -> str:
    """A cell of a table of a study."""
    if not number:
        return f"<td>{E(cell.text)}</td>"
    below = [f"± {E(cell.spread)}"] if cell.spread else []
    below += [E("–".join(cell.interval))] if cell.interval else []
    return td_num(cell.text, cell.value, "<br>".join(below))


def table_html(table: StudyTable) -> str:
    """A study (steps/scoring/study_table.py) as a table that can be sorted, with its note."""
    head = "".join(th(name, "" if place < table.texts else "num")
                   for place, name in enumerate(table.head))
    body = "".join("<tr>" + "".join(cell_html(cell, place >= table.texts) for place, cell in enumerate(row)) + "</tr>"
                   for row in table.rows)
    note = f'<p class="note">{E(table.note)}</p>' if table.note else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def figure(title: str, picture: str, remark: str = "") -> str:
    return f"<figure><figcaption>{E(title)} <span>{E(remark)}</span></figcaption>{picture}</figure>"


def caption(row: dict[str, Any]) -> str:
    return f"{E(row['subsystem'])} <span>{E(norm_of(row))}</span>"


def norm_of(row: dict[str, Any]) -> str:
    return Variant.parse(row["variant"]).short()


def remark(row: dict[str, Any]) -> str:
    seeds = f", {len(row['seeds'])} seeds" if len(row["seeds"]) > 1 else ""
    return norm_of(row) + seeds
