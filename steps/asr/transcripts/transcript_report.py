"""One self-contained page on transcripts: the systems' figures, how far their confidences hold, and alignments.

Nothing is fetched: no script, style and pictures inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.asr.error_rate import Transcript
from steps.scoring import metrics, results, tables
from steps.scoring.cells import shown
from steps.training.random_state import shuffled
from utils.files import ROOT

if TYPE_CHECKING:
    from steps.asr.transcripts.scored import Scored
    from steps.data.dataset import Dataset

STYLE = ROOT / "steps" / "report" / "style.css"
WORST, SAMPLE = 25, 25
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
ALIGNMENT_STYLE = """
.pairs { display: flex; flex-wrap: wrap; gap: 3px 5px; margin: 4px 0 0; }
.pair { display: inline-grid; grid-template-rows: 1fr 1fr; text-align: center; font-size: 13.5px; line-height: 20px; }
.pair span { padding: 0 5px; min-height: 20px; border-radius: 4px; }
.pair.sub span + span { background: var(--warm-soft); color: #8a420f; }
.pair.del span:first-child { background: var(--bad-soft); color: var(--bad); text-decoration: line-through; }
.pair.ins span + span { background: var(--accent-soft); color: var(--accent); }
.utterance { border-top: 1px solid var(--line); padding: 9px 0; }
.utterance code { color: var(--soft); margin-right: 10px; }
"""


def render(rows: Sequence[dict[str, Any]], scored: Sequence[Scored], data: Dataset) -> str:
    """The page.

    Args:
        rows: of results, of this run. scored: the transcripts that they were made from, confidences calibrated if so.
    """
    parts = list(dict.fromkeys(entry.part for entry in scored))
    last = parts[-1]  # test where it was scored
    shown = [entry for entry in scored if entry.part == last]
    sections = [("figures", "Error rates", "".join(_figures(rows, part) for part in reversed(parts))),
                ("confidence", "Confidence", _confidence(shown)),
                *((f"system{number}", f"Alignments: {_name(entry)}", _alignments(entry))
                  for number, entry in enumerate(_best_first(shown, rows)))]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in sections)
    body = "".join(f'<section id="{name}"><h2>{escape(title)}</h2>{text}</section>\n' for name, title, text in sections)
    warning = ('<div class="banner warn"><b>Synthetic speech.</b> These figures prove that the road works. They say '
               "nothing about real speech.</div>" if data.info.get("synthetic") else "")
    title = escape(f"{data.name}, transcripts")
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>\n'
            f"<style>\n{Path(STYLE).read_text(encoding='utf-8')}{ALIGNMENT_STYLE}</style></head><body>\n"
            f'<header><div class="wrap"><div class="eyebrow">Speech recognition</div><h1>{title}</h1>'
            f"<p>{escape(str(data.info.get('source') or ''))}</p></div></header>\n"
            f'<nav><div class="wrap">{links}</div></nav>\n<main class="wrap">{warning}\n{body}</main></body></html>\n')


def _name(entry: Scored) -> str:
    return entry.system.name if entry.system.variant == "-" else f"{entry.system.name}/{entry.system.variant}"


def _best_first(scored: Sequence[Scored], rows: Sequence[dict[str, Any]]) -> list[Scored]:
    """By word error rate on the part that is shown."""
    rate = {(row["subsystem"], row["variant"], row["part"]): results.quality(row)
            for row in rows if not row.get("subset")}
    return sorted(scored, key=lambda entry: (-rate[entry.system.name, entry.system.variant, entry.part], _name(entry)))


# --- figures --------------------------------------------------------------------------------------------------------

def _figures(rows: Sequence[dict[str, Any]], part: str) -> str:
    """One table a subset of a part; the whole part first."""
    mine = [row for row in rows if row["part"] == part]
    return "".join(_table([row for row in mine if (row.get("subset") or "") == subset], part, subset)
                   for subset in sorted({row.get("subset") or "" for row in mine}))


def _table(rows: Sequence[dict[str, Any]], part: str, subset: str) -> str:
    names = tables.metric_names(rows)
    words = int(results.summary_of(rows[0]).pooled()[0][0])
    about = (f"{rows[0]['items']} utterances, {words} words"
             + (f", {rows[0]['speakers']} speakers" if rows[0]["speakers"] else "")
             + (f"; no intervals: {rows[0]['no_intervals']}" if rows[0].get("no_intervals") else ""))
    head = "".join(f'<th class="num">{escape(name)}</th>' for name in names)
    lines = []
    for row in sorted(rows, key=lambda row: (-results.quality(row), results.key_of(row))):
        cells = "".join(f'<td class="num">{_cell(row, name)}</td>' for name in names)
        best = ' class="best"' if row["best_on_dev"] else ""
        lines.append(f'<tr{best}><td class="name">{escape(row["subsystem"])}</td><td>{escape(row["variant"])}</td>'
                     f"{cells}<td>{_tags(row['marks'])}</td></tr>")
    heading = f"{part}{f': {subset}' if subset else ''}"
    return (f'<h3>{escape(heading)}</h3><p class="note">{escape(about)}. Percent of the reference\'s words (CER: '
            'of its characters), AUC as it is; 95 % intervals over speakers; best on dev shaded.</p>'
            f'<div class="scroll"><table><thead><tr><th>system</th><th>variant</th>{head}<th>marks</th></tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table></div>")


def _cell(row: dict[str, Any], name: str) -> str:
    value, show = row["metrics"].get(name), shown(name)
    if value is None:
        return "–"
    ends = row["intervals"].get(name)
    return escape(show(value)) + (f"<small>{show(ends[0])} to {show(ends[1])}</small>" if ends else "")


def _tags(marks: Sequence[str]) -> str:
    return "".join(f'<span class="tag">{escape(mark)}</span>' for mark in marks)


# --- confidence -----------------------------------------------------------------------------------------------------

def _confidence(scored: Sequence[Scored]) -> str:
    pictures = []
    for entry in scored:
        confidences, right = entry.words()
        if len(confidences):
            table = metrics.confidence_histogram(confidences, right)
            found = metrics.confidence(table)
            pictures.append(f"<figure><figcaption>{escape(_name(entry))} <span>{len(confidences)} words, ECE "
                            f"{100 * found['ECE']:.1f} %, AUC {found['AUC']:.3f}</span></figcaption>"
                            f"{reliability_diagram(metrics.reliability(table))}</figure>")
    if not pictures:
        return ""
    return ('<p class="lead">Of the words with a confidence of so much, how many are right. On the diagonal a '
            "confidence is a probability; the bars below say how many words there are.</p>"
            f'<div class="grid">{"".join(pictures)}</div>')


def reliability_diagram(bins: np.ndarray) -> str:
    """SVG: share of right words against mean confidence, and the words of each bin.

    Args:
        bins: (B, 3) words, right words, sum of confidences.
    """
    left, top, side, low = 44, 10, 260, 60

    def at(confidence: float, share: float) -> tuple[float, float]:
        return round(left + confidence * side, 1), round(top + (1 - share) * side, 1)

    parts = [f'<svg viewBox="0 0 {left + side + 14} {top + side + low + 44}" style="max-width:430px" role="img" '
             'aria-label="reliability of the confidences">']
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        (x, y), (end, _) = at(tick, tick), at(1.0, 0.0)
        parts += [f'<line class="axis" x1="{left}" y1="{y}" x2="{end}" y2="{y}"/>',
                  f'<text class="soft" font-size="11" text-anchor="end" x="{left - 6}" y="{y + 4}">{tick:.0%}</text>',
                  f'<text class="soft" font-size="11" text-anchor="middle" x="{x}" y="{top + side + low + 22}">'
                  f"{tick:.0%}</text>"]
    (x1, y1), (x2, y2) = at(0, 0), at(1, 1)
    parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" style="stroke:#9aa5b5;stroke-dasharray:4 4"/>')
    full = bins[bins[:, 0] > 0]
    points = [at(total / words, right / words) for words, right, total in full.tolist()]
    line = " ".join(f"{x},{y}" for x, y in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#2456c7" stroke-width="2"/>')
    for (x, y), (words, right, _) in zip(points, full.tolist(), strict=True):
        parts.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="#2456c7"><title>{right:.0f} of {words:.0f} words right'
                     "</title></circle>")
    width, most = side / len(bins), max(bins[:, 0].max(), 1.0)
    for number, words in enumerate(bins[:, 0].tolist()):
        height = round((low - 12) * words / most, 1)
        parts.append(f'<rect x="{left + number * width + 2:.1f}" y="{top + side + low + 4 - height:.1f}" '
                     f'width="{width - 4:.1f}" height="{height}" fill="#b9c9ee"><title>{words:.0f} words</title>'
                     "</rect>")
    parts.append(f'<text class="soft" font-size="11" text-anchor="middle" x="{left + side / 2}" '
                 f'y="{top + side + low + 40}">confidence</text>')
    return "".join(parts) + "</svg>"


# --- alignments -----------------------------------------------------------------------------------------------------

def _alignments(entry: Scored) -> str:
    """The utterances with the most errors, a random sample, and the words that are confused most often."""
    wrong = sorted((transcript for transcript in entry.transcripts if transcript.errors.total),
                   key=lambda transcript: (-transcript.errors.total, transcript.id))
    by_id = {transcript.id: transcript for transcript in entry.transcripts}
    sample = sorted(shuffled(by_id, 0, 0)[:SAMPLE])
    return ('<p class="lead">Reference above, transcript below: <span class="tag warn">substitution</span>'
            '<span class="tag bad">deletion</span><span class="tag accent">insertion</span></p>'
            f"{_confusions(entry.transcripts)}"
            f"<details open><summary>Most errors <span>{min(WORST, len(wrong))} of {len(wrong)} utterances with errors"
            f"</span></summary>{''.join(map(_utterance, wrong[:WORST]))}</details>"
            f"<details><summary>A random sample <span>{len(sample)} of {len(by_id)} utterances</span></summary>"
            f"{''.join(_utterance(by_id[key]) for key in sample)}</details>")


def _utterance(transcript: Transcript) -> str:
    errors = transcript.errors
    kinds = (f"{errors.substitutions} substituted, {errors.deletions} deleted, {errors.insertions} inserted of "
             f"{errors.length}")
    pairs = []
    for mine, its in transcript.pairs:
        kind = "ins" if mine is None else "del" if its is None else "" if mine == its else "sub"
        pairs.append(f'<span class="pair {kind}"><span>{escape(mine or "·")}</span><span>{escape(its or "·")}</span>'
                     "</span>")
    return (f'<div class="utterance"><code>{escape(transcript.id)}</code><small>{escape(transcript.speaker or "")} '
            f'{kinds}</small><div class="pairs">{"".join(pairs)}</div></div>')


def _confusions(transcripts: Sequence[Transcript], limit: int = 24) -> str:
    counts: dict[tuple[str, str], int] = {}
    for transcript in transcripts:
        for mine, its in transcript.pairs:
            if mine != its:
                counts[mine or "·", its or "·"] = counts.get((mine or "·", its or "·"), 0) + 1
    often = sorted(((pair, count) for pair, count in counts.items() if count > 1),
                   key=lambda entry: (-entry[1], entry[0]))
    tags = "".join(f'<span class="tag">{escape(mine)} → {escape(its)} <b>{count}</b></span>'
                   for (mine, its), count in often[:limit])
    return f'<p class="note">Most frequent: {tags}</p>' if tags else ""
