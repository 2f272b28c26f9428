"""The section on tracks: curves of label and prediction for the best, the median and the worst item
of each target.

Content -> HTML, "" where nothing is predicted over time.
"""

from __future__ import annotations

from html import escape as E  # noqa: N812
from typing import TYPE_CHECKING

import numpy as np

from steps.report import svg
from steps.report.track_curves import Curve

if TYPE_CHECKING:
    from steps.report.content import Content

WIDTH, HEIGHT, LEFT, TOP = 640, 150, 44, 12
MOST = 600  # points of a curve; of more, neighbors are averaged
LABEL, PREDICTION = svg.PALETTE[7], svg.PALETTE[0]


def track_section(content: Content) -> str:
    figures = [f"<figure><figcaption>{E(curve.target)}, {curve.which}: {E(curve.item)} "
               f"<span>CCC {curve.ccc:.3f}</span></figcaption>{picture(curve)}</figure>"
               for curve in content.tracks]
    if not figures:
        return ""
    systems = dict.fromkeys(f"{curve.system} ({curve.target})" for curve in content.tracks)
    return ('<h2>Tracks</h2><p class="lead">Label and prediction over time: the items with the '
            "best, the median and the worst CCC of test, of the first seed. Systems: "
            f"{E(', '.join(systems))}.</p>"
            f'<div class="grid wide">{"".join(figures)}</div>')


def picture(curve: Curve) -> str:
    """Label and prediction against seconds."""
    every = -(-len(curve.label) // MOST)
    label, prediction = thinned(curve.label, every), thinned(curve.prediction, every)
    both = np.concatenate([label, prediction])
    low, high, ticks = svg.axis(float(np.nanmin(both)), float(np.nanmax(both)), 4)
    seconds = max(len(curve.label) * curve.step, 1e-9)

    def x(time: float) -> float:
        return LEFT + time / seconds * (WIDTH - LEFT - 8)

    def y(value: float) -> float:
        return TOP + HEIGHT - (value - low) / (high - low) * HEIGHT

    parts = [svg.opening(WIDTH, TOP + HEIGHT + 36, f"{curve.target} of {curve.item}")]
    for tick in ticks:
        parts += [svg.line(LEFT, y(tick), WIDTH - 8, y(tick), "axis"),
                  svg.words(LEFT - 6, y(tick) + 4, f"{tick:g}", 10.5, "soft", "end")]
    for tick in svg.axis(0.0, seconds, 8)[2]:
        if tick <= seconds:
            parts.append(svg.words(x(tick), TOP + HEIGHT + 15, f"{tick:g}", 10.5, "soft", "middle"))
    middle = (np.arange(len(label)) + 0.5) * every * curve.step
    lines = (("label", label, LABEL), ("prediction", prediction, PREDICTION))
    place, below = float(LEFT), TOP + HEIGHT + 28
    for name, values, color in lines:
        points = [(x(min(time, seconds)), y(value)) for time, value
                  in zip(middle.tolist(), values.tolist(), strict=True) if value == value]
        parts += [svg.polyline(points, color, 1.6, 0.9),
                  svg.line(place, below, place + 16, below, style=f"stroke:{color};stroke-width:3"),
                  svg.words(place + 21, below + 4, name, 11, "soft")]
        place += 110
    parts.append(svg.words(WIDTH - 8, TOP + HEIGHT + 32, "seconds", 11, "soft", "end"))
    return "".join(parts) + "</svg>"


def thinned(values: np.ndarray, every: int) -> np.ndarray:
    """Means of so many neighbors each; a mean over a value without label is NaN."""
    if every == 1:
        return values
    rest = -len(values) % every
    return np.concatenate([values, np.full(rest, values[-1])]).reshape(-1, every).mean(axis=1)
