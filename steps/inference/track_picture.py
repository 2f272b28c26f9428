"""Predicted tracks of a recording over time, as an SVG file that stands by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from steps.inference.picture import LEFT, WIDTH, ticks
from steps.report import svg

HEIGHT, GAP, TOP = 110, 34, 48  # of the curve of one target, pixels
MOST = 2 * WIDTH  # points of a curve; of more, neighbors are averaged


def track_timeline(record: Mapping[str, Any]) -> str:
    """A curve of each target, one below the other, on a common axis of seconds.

    Args:
        record: {"file", "seconds", "tracks": {target: {"step": seconds, "values": [numbers]}}}.
    """
    seconds, tracks = max(record["seconds"], 1e-3), record["tracks"]
    bottom = TOP + len(tracks) * (HEIGHT + GAP)

    def x(time: float) -> float:
        return LEFT + WIDTH * min(time, seconds) / seconds

    size = f"0 0 {LEFT + WIDTH + 20} {bottom + 40}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" '
             'font-size="12">',
             f"<title>{escape(record['file'])}</title>",
             '<rect width="100%" height="100%" fill="#fff"/>',
             svg.words(LEFT, 20, record["file"], 14)]
    for number, (name, track) in enumerate(tracks.items()):
        color = svg.PALETTE[number % len(svg.PALETTE)]
        parts += curve(name, track, TOP + number * (HEIGHT + GAP), color, x)
    for time in ticks(seconds):
        parts.append(svg.words(x(time), bottom + 4, f"{time:g}", 12, anchor="middle"))
    parts.append(svg.words(LEFT + WIDTH / 2, bottom + 24, "seconds", 12, anchor="middle"))
    return "\n".join([*parts, "</svg>", ""])


def curve(name: str, track: Mapping[str, Any], top: float, color: str, x: Any) -> list[str]:
    """The elements of one target; x: seconds -> pixels."""
    values, step = thinned(track["values"], track["step"])
    low, high, marks = svg.axis(min(values), max(values), 4)

    def y(value: float) -> float:
        return top + HEIGHT - HEIGHT * (value - low) / (high - low)

    parts = [svg.words(LEFT, top - 6, name, 12, style="font-weight:600")]
    for mark in marks:
        parts += [svg.line(LEFT, y(mark), LEFT + WIDTH, y(mark), style="stroke:#d9dee7"),
                  svg.words(LEFT - 6, y(mark) + 4, f"{mark:g}", 11, anchor="end")]
    points = [(x((place + 0.5) * step), y(value)) for place, value in enumerate(values)]
    return [*parts, svg.polyline(points, color, 1.6, 1.0)]


def thinned(values: Sequence[float], step: float) -> tuple[list[float], float]:
    """At most MOST values and their step: the means of so many neighbors each."""
    every = -(-len(values) // MOST)
    groups = [values[first:first + every] for first in range(0, len(values), every)]
    return [sum(group) / len(group) for group in groups], step * every
