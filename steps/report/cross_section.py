"""The section on cross-corpus tests: a heat map trained x tested of each system, and a line a pair. Content -> HTML.

Every text from outside goes through `E`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape as E  # noqa: N812
from typing import Any

from steps.report.cells import caption, table_html
from steps.report.content import Content
from steps.report.svg import line, number, opening, words
from steps.scoring import cross_tables

SIZE = 104.0  # of a cell
INK, RING = "#1c2330", "#111827"
LIGHT, DARK = (246, 248, 252), (20, 66, 148)  # one hue, so that lightness alone tells the value


def cross_section(content: Content) -> str:
    rows = [row for row in content.cross if row["metrics"]]
    whole = [row for row in rows if not row.get("subset")]
    if not whole:
        return ""
    classes = whole[0]["classes"]
    text = ("<h2>Across corpora</h2><p class=\"lead\">Trained on the corpus of the row, tested on that of the column; "
            "framed: within one corpus, on the test parts of its own protocol. UA is the mean recall over those of the "
            f"classes {E(', '.join(classes))} that the tested corpus has, decided among all {len(classes)}; guessing "
            f"gives {100 / len(classes):.1f}. Below it, where a model meets another corpus, what it has more (+) or "
            "less (−) than that corpus's own models on the utterances on which these were tested.</p>")
    figures = "".join(f"<figure><figcaption>{caption(mine[0])}</figcaption>{matrix(mine)}</figure>"
                      for system in cross_tables.systems_of(whole)
                      for mine in [cross_tables.system_rows(whole, system)])
    reasons = sorted({f"{row['corpus']}: {row['no_intervals']}" for row in whole if row.get("no_intervals")})
    note = f'<p class="note">No intervals: {E("; ".join(reasons))}.</p>' if reasons else ""
    pairs = table_html(replace(cross_tables.pair_table(whole), note=cross_tables.FALLS))
    return text + f'<div class="grid">{figures}</div><h3>All pairs</h3>{pairs}{note}'


def matrix(rows: Sequence[dict[str, Any]], metric: str = "UA") -> str:
    """Heat map of one system: value, interval and fall in each cell; white is chance and less, dark blue is 100 %."""
    corpora = cross_tables.corpora_of(rows)
    trained = [name for name in corpora if any(row["train_corpus"] == name for row in rows)]
    at = {(row["train_corpus"], row["corpus"]): row for row in rows}
    chance = 1.0 / len(rows[0]["classes"])
    left, top = 24 + 7.4 * min(max(map(len, trained)), 16), 46.0
    width, bottom = left + SIZE * len(corpora) + 8, top + SIZE * len(trained)
    parts = [opening(max(width, left + 300), bottom + 58, f"{metric} trained on rows, tested on columns"),
             words(left + SIZE * len(corpora) / 2, 14, "tested on", 12, "soft", "middle")]
    for column, name in enumerate(corpora):
        parts.append(words(left + SIZE * (column + 0.5), top - 9, name, 12.5, "", "middle", limit=14))
    for place, train in enumerate(trained):
        y = top + SIZE * place
        parts.append(words(left - 9, y + SIZE / 2 + 4, train, 12.5, "", "end", limit=16))
        for column, test in enumerate(corpora):
            if (train, test) in at:
                parts += cell(at[train, test], left + SIZE * column, y, metric, chance)
    # Frames last: a neighbor would cover half of them.
    parts += [f'<rect x="{number(left + SIZE * corpora.index(name) + 2)}" y="{number(top + SIZE * place + 2)}" '
              f'width="{number(SIZE - 4)}" height="{number(SIZE - 4)}" rx="4" fill="none" stroke="{RING}" '
              'stroke-width="3"/>' for place, name in enumerate(trained) if (name, name) in at]
    parts.append(words(12, top + SIZE * len(trained) / 2, "trained on", 12, "soft", "middle",
                       f"transform:rotate(-90deg);transform-origin:12px {number(top + SIZE * len(trained) / 2)}px"))
    return "".join([*parts, *legend(left, bottom + 18, chance, metric)]) + "</svg>"


def cell(row: dict[str, Any], x: float, y: float, metric: str, chance: float) -> list[str]:
    value = row["metrics"][metric]
    color = "fill:#fff" if share(value, chance) > 0.45 else f"fill:{INK}"
    middle = x + SIZE / 2
    interval = row["intervals"].get(metric)
    fall = row.get("falls", {}).get("within", {}).get(metric)
    about = f"trained on {row['train_corpus']}, tested on {row['corpus']}: {metric} {100 * value:.1f}"
    parts = [f'<rect x="{number(x + 1)}" y="{number(y + 1)}" width="{number(SIZE - 2)}" height="{number(SIZE - 2)}" '
             f'rx="4" fill="{shade(value, chance)}"><title>{E(about)}</title></rect>',
             words(middle, y + SIZE / 2 - 4, f"{100 * value:.1f}", 21, "", "middle", f"{color};font-weight:650")]
    if interval:
        parts.append(words(middle, y + SIZE / 2 + 14, f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}", 11.5, "",
                           "middle", color))
    if fall is not None:
        parts.append(words(middle, y + SIZE / 2 + 32, f"{-100 * fall:+.1f}".replace("-", "−"), 11.5, "", "middle",
                           color))
    return parts


def legend(left: float, y: float, chance: float, metric: str) -> list[str]:
    """A bar of the colors from 0 to 100 %, with the chance level marked."""
    width, steps = 220.0, 44
    parts = [f'<rect x="{number(left + width * k / steps)}" y="{number(y)}" width="{number(width / steps + 0.3)}" '
             f'height="10" fill="{shade((k + 0.5) / steps, chance)}"/>' for k in range(steps)]
    at = left + width * chance
    parts += [f'<rect x="{number(left)}" y="{number(y)}" width="{number(width)}" height="10" fill="none" '
              'stroke="#aab3c0" stroke-width="0.8"/>',
              line(at, y - 4, at, y + 14, style=f"stroke:{INK};stroke-width:1.5"),
              words(at, y + 27, f"chance {100 * chance:.1f}", 11, "soft", "middle"),
              words(left + width, y + 27, "100", 11, "soft", "middle"),
              words(left + width + 12, y + 9, f"{metric} (%)", 11, "soft")]
    return parts


def share(value: float, chance: float) -> float:
    """0 at chance and below, 1 at 100 %."""
    return min(max((value - chance) / (1 - chance), 0.0), 1.0)


def shade(value: float, chance: float) -> str:
    weight = share(value, chance) ** 0.9
    return "#" + "".join(f"{round(a + (b - a) * weight):02x}" for a, b in zip(LIGHT, DARK, strict=True))
