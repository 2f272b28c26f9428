"""The sections about results: functions Content -> HTML, "" where there is nothing to show.

Every text from outside goes through `E`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape as E  # noqa: N812
from typing import Any

import numpy as np

from steps.report import pictures
from steps.report.cells import caption, norm_of, remark, td_num, th
from steps.report.content import Content, total_counts
from steps.scoring import metrics, results, tables, text_leakage
from steps.scoring.cells import about_tests, p_value, shown

SMALL_MATRICES = 12
WARNING = re.compile("prior|overlap|unknown|partial|size|unlabelled|folds|audit|determine|utterance|recording|"
                     "duplicate")


def results_section(content: Content) -> str:
    """Picture and table of every system."""
    rows = results.ordered(content.test)
    if not rows:
        return ""
    first = rows[0]
    text = "<h2>Results</h2><p class=\"lead\">Test parts pooled over folds; mean over seeds. "
    reasons = E("; ".join(sorted({str(row.get("no_intervals")) for row in rows})))
    lacking = "intervals" if any(row["metrics"] for row in rows) else "metrics"
    text += ("Intervals: 95 %, over speakers (jackknife-t); another training set or seed is not in them. "
             if any(row["intervals"] for row in rows) else f"No {lacking}: {reasons}. ")
    text += "Systems and everything in them were chosen on the dev parts.</p>"
    first_of_all = results.leading(rows)
    names = ["MAF", "UA"] if first["classes"] else [results.main_metric(first)]
    figures = []
    for name in names:
        lines = [(row["subsystem"], remark(row), row["metrics"][name],
                  tuple(row["intervals"][name]) if row["intervals"].get(name) else None, row in first_of_all)
                 for row in sorted(rows, key=lambda row: -(row["metrics"].get(name) or 0))
                 if row["metrics"].get(name) is not None]
        if lines:
            title = {"MAF": "MAF, mean F1 over classes (%)",
                     "UA": f"UA, mean recall over classes (%); chance {100 / len(first['classes'] or [1]):.1f}"}
            picture = pictures.forest_plot(lines, title.get(name, name), name in ("MAF", "UA"))
            figures.append(f"<figure>{picture}</figure>")
    text += f'<div class="grid">{"".join(figures)}</div>' if figures else ""
    text += "<h3>All systems</h3>" + results_table(rows)
    for name, others in content.others.items():
        text += f"<h3>{E(name)}</h3>" + results_table(results.ordered(others))
    return text + "".join(f'<p class="lead">{E(sentence)}</p>' for sentence in text_leakage.sentences(rows))


def results_table(rows: Sequence[dict[str, Any]]) -> str:
    names = tables.metric_names(rows)
    tested = [row for row in rows if row.get("paired")]
    main, leading = results.main_metric(rows[0]), results.leading(rows)
    head = [th("System", ""), th("Normalization", ""), *(th(name, "num") for name in names)]
    if tested:
        head.append(th(f"p ({main})", "num"))
    head += [th("Seeds", "num"), th("Marks", "", False)]
    body = []
    for row in rows:
        tags = ('<span class="tag accent">primary</span>' if row.get("primary") else "") + (
            f'<span class="tag{" accent" if row in leading else ""}">best {"on dev" if row in leading else "single"}'
            "</span>" if row["best_on_dev"] else "")
        cells = [f'<td><span class="name">{E(row["subsystem"])}</span> {tags}</td>', f"<td>{E(norm_of(row))}</td>"]
        for name in names:
            value, show = row["metrics"].get(name), shown(name)
            below = [f"± {show(row['sd'][name])}"] if row["sd"].get(name) is not None else []
            if row["intervals"].get(name):
                below.append("–".join(show(end) for end in row["intervals"][name]))
            cells.append(td_num("–" if value is None else show(value), value, "<br>".join(below)))
        if tested:
            test = row.get("paired", {}).get(main)
            cells.append(td_num(p_value(row, main) or "", test.get("p_holm") if test else None))
        marks = "".join(f'<span class="tag{" warn" if WARNING.search(mark) else ""}">{E(mark)}</span>'
                        for mark in row["marks"])
        cells += [td_num(str(len(row["seeds"])), len(row["seeds"])), f"<td>{marks}</td>"]
        body.append(f'<tr class="{"best" if row in leading else ""}">{"".join(cells)}</tr>')
    note = ""
    if tested:
        note = (f'<p class="note">{E(about_tests(tested, main))} A speaker counts by his own {E(main)}. ± is the '
                "standard deviation over seeds; below it the 95 % interval.</p>")
    return (f'<div class="scroll"><table><thead><tr>{"".join(head)}</tr></thead><tbody>{"".join(body)}</tbody></table>'
            f"</div>{note}")


def paired_section(content: Content) -> str:
    """Every system against every other."""
    names, table = content.paired
    if len(names) < 2:
        return ""
    metric = results.main_metric(content.test[0])
    show = (lambda value: f"{100 * value:+.1f}") if metric in ("MAF", "UA") else (lambda value: f"{value:+.3f}")
    head = "<th>row minus column</th>" + "".join(f"<th>{number}</th>" for number in range(1, len(names) + 1))
    body = []
    for i, name in enumerate(names):
        cells = []
        for j in range(len(names)):
            test = (table.get((i, j)) or {}).get(metric)
            if i == j or not test or test["p"] is None:
                cells.append("<td>·</td>")
                continue
            clear = test["p_holm"] < 0.05
            kind = ("up" if test["difference"] > 0 else "down") if clear else ""
            p = "p &lt; 0.001" if test["p_holm"] < 0.001 else f"p {test['p_holm']:.3f}"
            cells.append(f'<td class="{kind}">{show(test["difference"])}<br><small>{p}</small></td>')
        body.append(f'<tr><th>{i + 1} · {E(name)}</th>{"".join(cells)}</tr>')
    return (f'<h2>Differences</h2><p class="lead">Mean over speakers of the difference in their own {E(metric)} '
            "(a speaker's classes are those of his reference), tested by flipping signs. p are adjusted by Holm "
            "for all comparisons here; colored where p &lt; 0.05.</p>"
            f'<div class="scroll"><table class="matrix"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody>'
            "</table></div>")


def confusion_section(content: Content) -> str:
    rows = [row for row in content.test if row["classes"] and row["metrics"]]
    if not rows:
        return ""
    best = next(iter(results.leading(rows)), rows[0])
    counts = total_counts(best)
    detail = metrics.per_class(counts)
    lines = []
    for number, name in enumerate(best["classes"]):
        lines.append(f"<tr><td>{E(name)}</td>" + "".join(
            td_num(f"{100 * detail[key][number]:.1f}", float(detail[key][number]))
            for key in ("recall", "precision", "f1"))
            + td_num(f"{detail['n'][number]:g}", float(detail["n"][number])) + "</tr>")
    table = ("<table><thead><tr>" + th("Class", "") + th("Recall", "num") + th("Precision", "num") + th("F1", "num")
             + th("Items", "num") + f"</tr></thead><tbody>{''.join(lines)}</tbody></table>")
    seeds = ", counts are means over seeds" if len(best["seeds"]) > 1 else ""
    text = ("<h2>Confusions</h2><p class=\"lead\">Rows: what it is; columns: what was decided; percent of the row"
            f"{seeds}. {'The primary system' if best.get('primary') else 'Best system on dev'}:</p>"
            f'<div class="grid"><figure><figcaption>{caption(best)}</figcaption>'
            f"{pictures.confusion_matrix(counts, best['classes'])}</figure>"
            f"<div>{table}{confused(counts, best['classes'])}</div></div>")
    others = [row for row in rows if row is not best][:SMALL_MATRICES]
    if others:
        small = "".join(f"<figure><figcaption>{caption(row)}</figcaption>"
                        f"{pictures.confusion_matrix(total_counts(row), row['classes'], compact=True)}</figure>"
                        for row in others)
        text += f'<h3>The other systems</h3><div class="grid small">{small}</div>'
    return text


def confused(counts: np.ndarray, classes: Sequence[str]) -> str:
    """The three most frequent confusions in words."""
    wrong = counts * (1 - np.eye(len(classes)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:3]
    lines = []
    for cell in order.tolist():
        i, j = divmod(cell, len(classes))
        if wrong[i, j] > 0:
            lines.append(f"<li>{E(classes[i])}<span class=\"arrow\">→</span>{E(classes[j])}: "
                         f"{100 * wrong[i, j] / counts[i].sum():.0f} % of {E(classes[i])}</li>")
    return f'<h3>Most confused</h3><ul class="plain">{"".join(lines)}</ul>' if lines else ""
