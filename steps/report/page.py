"""The page: its head, its warnings and its sections in one self-contained HTML text."""

from __future__ import annotations

import base64
import hashlib
from html import escape as E  # noqa: N812
from pathlib import Path

from steps.report.content import AGAIN, Content
from steps.report.sections import SECTIONS
from steps.scoring import results
from steps.scoring.cells import shown
from utils.errors import reading

HERE = Path(__file__).resolve().parent


def render(content: Content) -> str:
    """The whole page, self-contained: no request leaves it, only its own script runs."""
    style, script = (HERE / "style.css").read_text(encoding="utf-8"), (HERE / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
              "media-src 'self' file: data:; base-uri 'none'; form-action 'none'")
    sections = []
    for name, title, build in SECTIONS:
        with reading(content.read_for(name), AGAIN):
            sections.append((name, title, build(content)))
    sections = [entry for entry in sections if entry[2]]
    with reading(content.read_for("data"), AGAIN):
        top, above = head(content), banners(content)
    links = "".join(f'<a href="#{name}">{E(title)}</a>' for name, title, _ in sections)
    body = "".join(f'<section id="{name}">{text}</section>\n' for name, _, text in sections)
    return ("<!DOCTYPE html>\n"
            '<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{E(content.corpus)}, {E(content.protocol)}: speech emotion recognition</title>\n"
            f"<style>\n{style}</style></head><body>\n{top}<nav><div class=\"wrap\">{links}</div></nav>\n"
            f'<main class="wrap">{above}\n{body}</main>\n<footer class="wrap">{foot(content)}</footer>\n'
            f"<script>{script}</script></body></html>\n")


def head(content: Content) -> str:
    """Title and the figures that one remembers."""
    tiles = [(str(content.info.get("utterances", len(content.data.items))), "utterances")]
    hours = content.info.get("hours")
    if hours:
        tiles.append((f"{hours:.2f} h" if hours >= 1 else f"{60 * hours:.1f} min", "of speech"))
    speakers = {item.speaker for item in content.data.items.values()} - {None}
    tiles.append((str(len(speakers)) if speakers else "unknown", "speakers"))
    classes = content.data.targets[0].classes if content.data.targets else ()
    if classes:
        kind = "emotions" if content.data.learned == "emotion" else "classes"
        tiles.append((str(len(classes)), kind))
    tiles.append((str(len(content.split.folds)), "folds" if len(content.split.folds) > 1 else "fold"))
    boxes = "".join(f'<div class="tile"><b>{E(value)}</b><span>{E(name)}</span></div>' for value, name in tiles)
    best = content.best
    if best and best["metrics"]:
        name = "UA" if "UA" in best["metrics"] else results.main_metric(best)
        value = shown(name)(best["metrics"][name])
        ends = best["intervals"].get(name)
        interval = f" [{shown(name)(ends[0])}, {shown(name)(ends[1])}]" if ends else ""
        says = "primary" if best.get("primary") else "best on dev"
        boxes = (f'<div class="tile main"><b>{E(name)} {E(value)}</b><span>{E(best["subsystem"])}, {says}'
                 f"{E(interval)}</span></div>") + boxes
    return (f'<header><div class="wrap"><div class="eyebrow">Speech emotion recognition</div>'
            f"<h1>{E(content.corpus)} · {E(content.protocol)}</h1><p>{E(content.split.description)}</p>"
            f'<div class="tiles">{boxes}</div></div></header>\n')


def banners(content: Content) -> str:
    """What must be known before any figure is read."""
    info, lines = content.data.info, []
    if info.get("synthetic"):
        lines.append(("warn", "<b>Synthetic speech.</b> These figures prove that the road works from recordings to a "
                              "scored report. They say nothing about real speech."))
    if info.get("size", "full") != "full":
        lines.append(("warn", f"<b>Size {E(str(info['size']))}.</b> A few utterances to try the stages; no figure here "
                              "is a result."))
    for text in info.get("missing") or ():
        lines.append(("warn", f"<b>Part of the corpus is missing:</b> {E(str(text))}."))
    if content.audit and not content.audit.get("passed", True):
        lines.append(("bad", "<b>The leak audit failed.</b> Do not use these figures before it is explained."))
    return "".join(f'<div class="banner {kind}">{text}</div>' for kind, text in lines)


def foot(content: Content) -> str:
    return f"Figures: <code>{E(content.results)}</code>. Commit {E(content.commit or 'unknown')}. {E(content.source)}"
