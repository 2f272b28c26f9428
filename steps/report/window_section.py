"""The section on the window study: a table a subsystem. Content -> HTML.

Every text from outside goes through `E`.
"""

from __future__ import annotations

from html import escape as E  # noqa: N812

from steps.report.cells import td_num, th
from steps.report.content import Content
from steps.scoring.cells import shown, shown_p
from steps.scoring.window_tables import METRICS, differences, studies


def window_section(content: Content) -> str:
    text = ""
    for (_, _, subsystem, variant), lines in studies(content.test).items():
        body = ""
        for (length, row), test in zip(lines, differences(lines), strict=True):
            cells = td_num(f"{length} ms", length)
            for metric in METRICS:
                show, ends = shown(metric), row["intervals"].get(metric)
                cells += td_num(show(row["metrics"][metric]), row["metrics"][metric],
                                "–".join(show(end) for end in ends) if ends else "")
            p = test.get("UA", {}).get("p")
            body += f"<tr>{cells}{td_num(shown_p(p), p)}</tr>"
        head = th("Window", "num") + "".join(th(metric, "num") for metric in METRICS) + th("p", "num")
        text += (f'<h3>{E(subsystem)} <small>{E(variant)}</small></h3><div class="scroll"><table><thead><tr>{head}'
                 f'</tr></thead><tbody>{body}</tbody></table></div><p class="note">p: UA against {lines[0][0]} ms, '
                 "sign-flip test over speakers.</p>")
    lead = '<p class="lead">The same network on spectrograms of windows of several lengths.</p>'
    return f"<h2>Windows</h2>{lead}{text}" if text else ""
