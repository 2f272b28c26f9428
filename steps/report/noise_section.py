"""The section on noise: a picture of UA by signal-to-noise ratio, and the table of robustness.

Every text from outside goes through `E`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape as E  # noqa: N812
from typing import Any

from steps.data.variant import Variant
from steps.report.cells import norm_of, table_html
from steps.report.content import Content
from steps.report.svg import PALETTE, axis, line, number, opening, polyline, words
from steps.scoring.robustness import METRICS, Grid, grid, table

MOST_LINES = 16


def noise_section(content: Content) -> str:
    return robustness_html(content.robustness)


def robustness_html(scored: Mapping[str, Any]) -> str:
    """Args: scored: EXP/robustness/<protocol>.json; {} where nothing was tested."""
    rows = [*scored.get("clean", ()), *scored.get("rows", ())]
    if not any(row.get("condition") for row in rows):
        return ""
    found = grid(rows)
    about = next(row["condition"] for row in rows if row.get("condition"))
    text = ('<h2>Noise</h2><p class="lead">Test parts with noise behind them: ' + E(", ".join(about["kinds"]))
            + f" ({E(about['noises'])}). The ratio is the power of active speech over that of the noise. Nothing is "
            "learned again; training noises and these have nothing in common. Solid: trained on clean speech; dashed: "
            "trained with noise as well.</p>")
    picture = noise_plot(found, "UA")
    return text + (f"<figure>{picture}</figure>" if picture else "") + "".join(
        f"<h3>{name}</h3>{table_html(table(rows, name))}" for name in METRICS)


def noise_plot(found: Grid, metric: str) -> str:
    """Lines over the ratios, clean speech at the left end; one color a subsystem, dashed where trained with noise."""
    labels = [label for label, _ in found.columns]
    series = [(system, [found.rows.get((*system, label), {}).get("metrics", {}).get(metric) for label in labels])
              for system in found.lines[:MOST_LINES]]
    values = [100 * value for _, line_ in series for value in line_ if value is not None]
    if len(labels) < 2 or not values:
        return ""
    low, high, ticks = axis(min(values), max(values))
    left, width, top, height = 44, 480, 12, 260
    names = list(dict.fromkeys(plain_name(*system) for system, _ in series))

    def x(place: int) -> float:
        return left + 14 + place * (width - left - 28) / (len(labels) - 1)

    def y(value: float) -> float:
        return top + height - (value - low) / (high - low) * height

    parts = [opening(width + 220, max(top + height + 36, top + 16 * len(series) + 10), f"{metric} by noise")]
    for tick in ticks:
        parts += [line(left, y(tick), width, y(tick), "axis"),
                  words(left - 6, y(tick) + 4, f"{tick:g}", 11, "soft", "end")]
    for place, label in enumerate(labels):
        parts.append(words(x(place), top + height + 16, label, 11, "soft", "middle"))
    parts.append(words((left + width) / 2, top + height + 32, f"{metric} (%) by signal-to-noise ratio", 11, "soft",
                       "middle"))
    for position, (system, points) in enumerate(series):
        color = PALETTE[names.index(plain_name(*system)) % len(PALETTE)]
        dash = "6 4" if Variant.parse(system[1]).augmented else ""
        places = [(x(place), y(100 * value)) for place, value in enumerate(points) if value is not None]
        parts.append(polyline(places, color, 2.0, 0.95, dash))
        parts += [f'<circle cx="{number(a)}" cy="{number(b)}" r="3" fill="{color}"/>' for a, b in places]
        level = top + 6 + 16 * position
        parts += [polyline([(width + 14, level), (width + 40, level)], color, 2.0, 0.95, dash),
                  words(width + 46, level + 4, f"{system[0]} {norm_of({'variant': system[1]})}", 11, "soft", limit=30)]
    return "".join(parts) + "</svg>"


def plain_name(subsystem: str, variant: str) -> str:
    """The system without how it was trained: the two ways share a color."""
    return f"{subsystem}/{replace(Variant.parse(variant), augmented=False)}"
