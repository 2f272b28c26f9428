"""The emotions of a long recording over time, as an SVG file that stands by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from steps.report.pictures import PALETTE

WIDTH, HEIGHT = 900, 220  # of the stack of posteriors, pixels
LEFT, TOP, ROW = 46, 40, 18


def timeline(record: Mapping[str, Any], classes: Sequence[str]) -> str:
    """Posteriors stacked over time, and below them which emotion is decided.

    Args:
        record: what EmotionModel.windows gives.
    """
    windows, seconds = drawn(record["windows"], classes), max(record["seconds"], 1e-3)
    right, bottom = LEFT + WIDTH, TOP + HEIGHT
    color = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(classes)}

    def x(time: float) -> float:
        return LEFT + WIDTH * time / seconds

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 130} {bottom + 62}" '
             'font-family="sans-serif" font-size="12" shape-rendering="crispEdges">',
             f"<title>{escape(record['file'])}</title>",
             f'<rect width="100%" height="100%" fill="#fff"/><text x="{LEFT}" y="20" font-size="14">'
             f"{escape(record['file'])}</text>"]
    # A window speaks for the time around its middle: up to half way to its neighbors.
    middles = [(window["start"] + window["end"]) / 2 for window in windows]
    edges = [0.0, *((one + other) / 2 for one, other in zip(middles, middles[1:], strict=False)), seconds]
    for number, window in enumerate(windows):
        begin, end, level = x(edges[number]), x(edges[number + 1]), float(bottom)
        for name in classes:
            height = HEIGHT * window["posteriors"][name]
            level -= height
            parts.append(f'<rect x="{begin:.1f}" y="{level:.1f}" width="{end - begin:.1f}" height="{height:.1f}" '
                         f'fill="{color[name]}" fill-opacity="0.75"/>')
        parts.append(f'<rect x="{begin:.1f}" y="{bottom + 6}" width="{end - begin:.1f}" height="{ROW}" '
                     f'fill="{color[window["emotion"]]}"><title>{window["start"]:g} to {window["end"]:g} s: '
                     f"{escape(window['emotion'])}</title></rect>")
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{LEFT - 6}" y="{bottom - HEIGHT * share + 4:.1f}" text-anchor="end">{share:g}</text>')
    for time in ticks(seconds):
        parts.append(f'<text x="{x(time):.1f}" y="{bottom + ROW + 22}" text-anchor="middle">{time:g}</text>')
    parts.append(f'<text x="{LEFT + WIDTH / 2:.0f}" y="{bottom + ROW + 40}" text-anchor="middle">seconds</text>')
    for number, name in enumerate(classes):
        y = TOP + 10 + 20 * number
        parts.append(f'<rect x="{right + 14}" y="{y}" width="12" height="12" fill="{color[name]}"/>'
                     f'<text x="{right + 32}" y="{y + 11}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def drawn(windows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """What there is room for: of more windows than pixels, neighbors are averaged."""
    many = -(-len(windows) // WIDTH)
    found = []
    for start in range(0, len(windows), many):
        group = [windows[number] for number in range(start, min(start + many, len(windows)))]
        mean = {name: sum(window["posteriors"][name] for window in group) / len(group) for name in classes}
        found.append({"start": group[0]["start"], "end": group[-1]["end"], "posteriors": mean,
                      "emotion": max(classes, key=mean.__getitem__) if many > 1 else group[0]["emotion"]})
    return found


def ticks(seconds: float) -> list[float]:
    """About eight round times from 0 on."""
    step = next((size for size in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800)
                 if seconds / size <= 10), 3600.0)
    return [round(number * step, 3) for number in range(int(seconds / step + 1e-9) + 1)]
