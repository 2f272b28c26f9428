"""Pictures as inline SVG text: sharp at any size, small, the same bytes every time, styled by the page's CSS.

All texts are escaped here; coordinates are rounded to a tenth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from steps.report.svg import PALETTE
from steps.report.svg import axis as _axis
from steps.report.svg import line as _line
from steps.report.svg import number as _n
from steps.report.svg import opening as _svg
from steps.report.svg import polyline as _path
from steps.report.svg import shortened as _short
from steps.report.svg import words as _text


def forest_plot(rows: Sequence[tuple[str, str, float, tuple[float, float] | None, bool]], label: str,
                percent: bool = True) -> str:
    """One line a system: a dot and its 95 % interval.

    Args:
        rows: (name, remark, value, interval or None, emphasized), best first.
    """
    scale = 100.0 if percent else 1.0
    ends = [end for _, _, value, interval, _ in rows for end in (interval or (value, value))]
    low, high, ticks = _axis(min(ends) * scale, max(ends) * scale)
    if percent:
        low, high = max(low, 0.0), min(high, 100.0)
        ticks = [tick for tick in ticks if low <= tick <= high]
    left, width, step, top = 170, 530, 34, 12
    bottom = top + step * len(rows)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 20)

    parts = [_svg(width, bottom + 34, label)]
    for tick in ticks:
        parts += [_line(x(tick), top - 8, x(tick), bottom, "axis"),
                  _text(x(tick), bottom + 16, f"{tick:g}", 11, "soft", "middle")]
    for number, (name, remark, value, interval, best) in enumerate(rows):
        y, color = top + step * number + step / 2, PALETTE[0] if best else "#7b8798"
        parts += [_text(left - 14, y - 1, name, 12.5, "", "end", "font-weight:650" if best else "", 23),
                  _text(left - 14, y + 12, remark, 10.5, "faint", "end", "", 30)]
        if interval:
            a, b = x(interval[0] * scale), x(interval[1] * scale)
            parts += [_line(a, y, b, y, style=f"stroke:{color};stroke-width:{3 if best else 2};stroke-linecap:round")]
            parts += [_line(end, y - 4, end, y + 4, style=f"stroke:{color};stroke-width:1.5") for end in (a, b)]
        shown = f"{value * scale:.1f}" if percent else f"{value:.3f}"
        parts += [f'<circle cx="{_n(x(value * scale))}" cy="{_n(y)}" r="{5.5 if best else 4.5}" fill="{color}" '
                  'stroke="#fff" stroke-width="1.5"/>',
                  _text(x(value * scale), y - 9, shown, 11, "", "middle", "font-weight:600")]
    parts.append(_text((left + width - 20) / 2, bottom + 31, label, 11, "soft", "middle"))
    return "".join(parts) + "</svg>"


def confusion_matrix(counts: np.ndarray, classes: Sequence[str], compact: bool = False) -> str:
    """Rows = label, columns = decision; color and percent by row, counts below (not when compact).

    Args:
        counts: (C, C); means over seeds may be fractional.
    """
    size, n = (26, len(classes)) if compact else (62, len(classes))
    longest = max(len(name) for name in classes)
    left, top = (8 + 5.6 * min(longest, 12), 20) if compact else (26 + 7.2 * min(longest, 16), 44)
    short = [_short(name, 12 if compact else 16) for name in classes]
    parts = [_svg(left + size * n + 4, top + size * n + (4 if compact else 8), "confusion matrix")]
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    if not compact:
        parts += [_text(left + size * n / 2, 13, "decision", 12, "soft", "middle")]
    for j, name in enumerate(short):
        parts.append(_text(left + size * (j + 0.5), top - 7, _short(name, 4) if compact else _short(name, 9),
                           9 if compact else 12, "soft", "middle"))
    for i, name in enumerate(short):
        parts.append(_text(left - 7, top + size * (i + 0.5) + 4, name, 9.5 if compact else 12.5, "", "end"))
        for j in range(n):
            value = float(share[i, j])
            x, y = left + size * j, top + size * i
            dark = "fill:#fff" if value > 0.47 else ""
            about = f"{classes[i]} decided as {classes[j]}: {counts[i, j]:g} of {total[i, 0]:g}"
            parts.append(f'<rect x="{_n(x + 1)}" y="{_n(y + 1)}" width="{size - 2}" height="{size - 2}" rx="3" '
                         f'fill="{_shade(value, i == j)}"><title>{escape(about)}</title></rect>')
            if compact:
                if value >= 0.005:
                    parts.append(_text(x + size / 2, y + size / 2 + 3, f"{100 * value:.0f}", 9, "", "middle", dark))
            elif counts[i, j] > 0:
                parts += [_text(x + size / 2, y + size / 2 + 1, f"{100 * value:.0f} %", 13, "", "middle",
                                dark + (";font-weight:650" if i == j else "")),
                          _text(x + size / 2, y + size / 2 + 16, _count(counts[i, j]), 10, "" if dark else "soft",
                                "middle", dark)]
    return "".join(parts) + "</svg>"


def curves(lines: Sequence[tuple[str, str, np.ndarray, np.ndarray]], label: str, low: float | None = None) -> str:
    """Learning curves; every run thin, the mean over runs bold.

    Args:
        lines: (name, color, epochs (E,), values (runs, E) with NaN where a run has ended).
    """
    finite = np.concatenate([values[np.isfinite(values)] for _, _, _, values in lines] or [np.zeros(1)])
    if not len(finite):
        return ""
    # a first epoch that is far off must not flatten the rest
    ceiling = float(np.percentile(finite, 99)) if len(finite) > 20 else float(finite.max())
    bottom, top_value, ticks = _axis(float(finite.min()) if low is None else low, ceiling, 4)
    first, last = (float(end) for end in (min(e.min() for _, _, e, _ in lines), max(e.max() for _, _, e, _ in lines)))
    left, right, top, height, width = 40, 8, 12, 140, 300

    def x(epoch: float) -> float:
        return left + (epoch - first) / max(last - first, 1) * (width - left - right)

    def y(value: float) -> float:
        inside = min(max(value, bottom), top_value)
        return top + height - (inside - bottom) / (top_value - bottom) * height

    def points(epochs: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
        return [(x(e), y(v)) for e, v in zip(epochs, values, strict=True) if math.isfinite(v)]

    parts = [_svg(width, top + height + 34, label)]
    for tick in ticks:
        parts += [_line(left, y(tick), width - right, y(tick), "axis"),
                  _text(left - 6, y(tick) + 4, f"{tick:g}", 10.5, "soft", "end")]
    for tick in _axis(first, last, 5)[2]:
        if first <= tick <= last and tick == int(tick):
            parts.append(_text(x(tick), top + height + 15, f"{tick:g}", 10.5, "soft", "middle"))
    for _, color, epochs, values in lines:
        for run in values if len(values) > 1 else ():
            parts.append(_path(points(epochs, run), color, 0.8, 0.25))
        mean = np.array([column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan
                         for column in values.T])
        parts.append(_path(points(epochs, mean), color, 2.2, 1))
    place, below = left + 2.0, top + height + 28
    for name, color, _, _ in lines:
        parts += [_line(place, below, place + 16, below, style=f"stroke:{color};stroke-width:3"),
                  _text(place + 21, below + 4, name, 11, "soft")]
        place += 34 + 6.4 * len(name)
    return "".join(parts) + "</svg>"


def histogram(edges: Sequence[float], counts: Sequence[float], label: str) -> str:
    """Bars over edges (N + 1)."""
    left, right, top, height, width = 40, 10, 10, 150, 440
    low, high, top_count = float(edges[0]), float(edges[-1]), max(max(counts, default=1), 1)
    _, limit, ticks = _axis(0, top_count, 4)
    parts = [_svg(width, top + height + 36, label)]

    def x(value: float) -> float:
        return left + (value - low) / max(high - low, 1e-9) * (width - left - right)

    def y(value: float) -> float:
        return top + height - value / limit * height

    for tick in ticks:
        parts += [_line(left, y(tick), width - right, y(tick), "axis"),
                  _text(left - 6, y(tick) + 4, f"{tick:g}", 10.5, "soft", "end")]
    for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True):
        if count:
            parts.append(f'<rect x="{_n(x(a) + 0.7)}" y="{_n(y(count))}" width="{_n(max(x(b) - x(a) - 1.4, 0.8))}" '
                         f'height="{_n(top + height - y(count))}" fill="{PALETTE[0]}" opacity="0.85">'
                         f'<title>{a:.2f} to {b:.2f}: {count:g}</title></rect>')
    for tick in _axis(low, high, 6)[2]:
        if low <= tick <= high:
            parts.append(_text(x(tick), top + height + 15, f"{tick:g}", 10.5, "soft", "middle"))
    parts.append(_text((left + width - right) / 2, top + height + 32, label, 11, "soft", "middle"))
    return "".join(parts) + "</svg>"


def bars(values: Mapping[str, float], colors: Sequence[str] = PALETTE[:1]) -> str:
    """One horizontal bar a name, in the order given."""
    left, width, step = 110, 440, 24
    most = max([*values.values(), 1e-9])
    parts = [_svg(width, step * len(values) + 4, "counts")]
    for number, (name, value) in enumerate(values.items()):
        y, length = step * number + 3, value / most * (width - left - 60)
        parts += [_text(left - 8, y + 14, name, 12.5, "", "end", "", 15),
                  f'<rect x="{left}" y="{_n(y)}" width="{_n(max(length, 1))}" height="{step - 6}" rx="3" '
                  f'fill="{colors[number % len(colors)]}" opacity="0.85"/>',
                  _text(left + length + 7, y + 14, f"{value:g}", 11.5, "soft")]
    return "".join(parts) + "</svg>"


def speaker_table(table: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> str:
    """Heat map of speakers (columns) and classes (rows): how many utterances."""
    speakers = list(table)
    size = max(8.0, min(30.0, 900.0 / max(len(speakers), 1)))
    left, top, row = 84, 30 if size >= 14 else 8, 24
    most = max([1.0, *(value for counts in table.values() for value in counts.values())])
    parts = [_svg(left + size * len(speakers) + 4, top + row * len(classes) + 4, "speakers and classes")]
    for j, speaker in enumerate(speakers):
        x = left + size * j
        if size >= 14:
            parts.append(_text(x + size / 2, top - 8, _short(speaker, 3 if size < 26 else 4), 9.5, "soft", "middle"))
        for i, name in enumerate(classes):
            count = table[speaker].get(name, 0)
            parts.append(f'<rect x="{_n(x + 0.7)}" y="{_n(top + row * i + 0.7)}" width="{_n(size - 1.4)}" '
                         f'height="{row - 1.4}" rx="2" fill="{_shade(count / most, True) if count else "#f3f4f7"}">'
                         f'<title>{escape(f"{speaker}, {name}: {count}")}</title></rect>')
            if size >= 20 and count:
                parts.append(_text(x + size / 2, top + row * i + 16, f"{count:g}", 9.5, "", "middle",
                                   "fill:#fff" if count / most > 0.55 else ""))
    for i, name in enumerate(classes):
        parts.append(_text(left - 7, top + row * i + 16, name, 12, "", "end", "", 12))
    return "".join(parts) + "</svg>"


def chance_plot(rows: Sequence[tuple[str, float, float, float, float]]) -> str:
    """Permuted labels: (name, UA, chance, low, high) as fractions; the grey bar is the chance interval."""
    left, width, step, top = 250, 620, 36, 6
    parts = [_svg(width, top + step * len(rows) + 24, "permuted labels")]
    _, limit, ticks = _axis(0.0, min(100.0, 140.0 * max(max(ua, high) for _, ua, _, _, high in rows)), 5)

    def x(value: float) -> float:
        return left + 100 * value / limit * (width - left - 20)

    for tick in ticks:
        parts += [_line(x(tick / 100), top, x(tick / 100), top + step * len(rows), "axis"),
                  _text(x(tick / 100), top + step * len(rows) + 16, f"{tick:g}", 11, "soft", "middle")]
    for number, (name, ua, chance, low, high) in enumerate(rows):
        y = top + step * number + step / 2
        parts += [_text(left - 14, y + 4, name, 12, "", "end", "", 36),
                  f'<rect x="{_n(x(low))}" y="{_n(y - 7)}" width="{_n(x(high) - x(low))}" height="14" rx="4" '
                  'fill="#d9dee7"/>',
                  _line(x(chance), y - 9, x(chance), y + 9, style="stroke:#5b6678;stroke-width:1.5"),
                  f'<circle cx="{_n(x(ua))}" cy="{_n(y)}" r="5" fill="{PALETTE[2] if ua <= high else "#b3261e"}"/>']
    return "".join(parts) + "</svg>"


def _shade(share: float, right: bool) -> str:
    """White to blue on the diagonal, white to orange beside it."""
    full = (36, 86, 199) if right else (194, 87, 26)
    weight = min(max(share, 0.0), 1.0) ** 0.85
    base = (246, 247, 250)
    return "#" + "".join(f"{round(b + (f - b) * weight):02x}" for b, f in zip(base, full, strict=True))


def _count(value: float) -> str:
    """A mean of counts, with a digit only where it is small."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
