"""The section on the window study: a table a subsystem. Content -> HTML."""

from __future__ import annotations

from html import escape as E  # noqa: N812

from steps.report.cells import table_html
from steps.report.content import Content
from steps.scoring.window_tables import window_tables


def window_section(content: Content) -> str:
    tables = window_tables(content.test)
    lead = '<p class="lead">The same network on spectrograms of windows of several lengths.</p>'
    text = "".join(f"<h3>{E(table.title)}</h3>{table_html(table)}" for table in tables)
    return f"<h2>Windows</h2>{lead}{text}" if text else ""
