"""The table of a study (noise, windows, cross-corpus): made once, shown as Markdown and on the report's page.

A study makes a `StudyTable` of `Cell`s; steps/report/cells.py shows it as HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steps.scoring.cells import Cell, escape


@dataclass(frozen=True)
class StudyTable:
    """
    Attributes:
        title: what is shown; "" where a heading says it. note: how to read it, below.
        head: names of the columns; the first `texts` of them hold text, the others numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    note: str = ""
    texts: int = 1

    def markdown(self) -> str:
        lines = ["| " + " | ".join(map(escape, self.head)) + " |", "|" + "---|" * len(self.head)]
        lines += ["| " + " | ".join(cell.markdown() for cell in row) + " |" for row in self.rows]
        about = " ".join(text for text in (self.title, self.note) if text)
        return "\n".join([about, "", *lines] if about else lines)
