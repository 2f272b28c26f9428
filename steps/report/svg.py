"""Elements of pictures as SVG text: texts are escaped, coordinates rounded to a tenth of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

PALETTE = ("#2456c7", "#c2571a", "#1d7a4c", "#8a3fb0", "#0f7f93", "#a8293a", "#7a6a12", "#4a5568")


def axis(low: float, high: float, wanted: int = 6) -> tuple[float, float, list[float]]:
    """Rounded ends and ticks for values from low to high."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / max(wanted - 1, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw - 1e-12)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(number * step, 10) for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def opening(width: float, height: float, label: str) -> str:
    return (f'<svg viewBox="0 0 {number(width)} {number(height)}" style="max-width:{number(width * 1.15)}px" '
            f'role="img" aria-label="{escape(label)}">')


def words(x: float, y: float, text: str, size: float, kind: str = "", anchor: str = "start", style: str = "",
          limit: int = 0) -> str:
    shown = shortened(text, limit) if limit else text
    title = f"<title>{escape(text)}</title>" if shown != text else ""
    extra = (f' class="{kind}"' if kind else "") + (f' style="{style}"' if style else "")
    return (f'<text x="{number(x)}" y="{number(y)}" font-size="{size:g}" text-anchor="{anchor}"{extra}>'
            f"{escape(shown)}{title}</text>")


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "", style: str = "") -> str:
    extra = (f' class="{kind}"' if kind else "") + (f' style="{style}"' if style else "")
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"{extra}/>'


def polyline(points: Sequence[tuple[float, float]], color: str, width: float, opacity: float,
             dash: str = "") -> str:
    places = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    extra = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{width}" '
            f'opacity="{opacity}"{extra}/>')


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:max(limit - 1, 1)] + "…"


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
