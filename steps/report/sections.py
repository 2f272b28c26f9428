"""The sections of the page: functions Content -> HTML, "" where there is nothing to show; SECTIONS is their order.

Every text from outside goes through `E`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape as E  # noqa: N812
from typing import Any

import numpy as np

from steps.report import pictures
from steps.report.content import Content, total_counts
from steps.scoring import metrics, results

SMALL_MATRICES = 12
WARNING = re.compile("prior|overlap|unknown|partial|size|unlabelled|folds")
CURVES: tuple[tuple[str, tuple[tuple[str, str], ...], float | None], ...] = (
    ("loss", (("train_loss", pictures.PALETTE[0]), ("dev_loss", pictures.PALETTE[1])), None),
    ("dev", (("dev_MAF", pictures.PALETTE[2]), ("dev_UA", pictures.PALETTE[3]), ("dev_CCC", pictures.PALETTE[4])), 0.0))


def results_section(content: Content) -> str:
    """Picture and table of every system."""
    rows = sorted(content.test, key=lambda row: (-results.quality(row), results.key_of(row)))
    if not rows:
        return ""
    first = rows[0]
    text = "<h2>Results</h2><p class=\"lead\">Test parts pooled over folds; mean over seeds. "
    reasons = E("; ".join(sorted({str(row.get("no_intervals")) for row in rows})))
    lacking = "intervals" if any(row["metrics"] for row in rows) else "metrics"
    text += ("Intervals: 95 %, bootstrap over speakers. " if any(row["intervals"] for row in rows) else
             f"No {lacking}: {reasons}. ")
    text += "Systems and everything in them were chosen on the dev parts.</p>"
    names = ["MAF", "UA"] if first["task"] == "classification" else [results.main_metric(first)]
    figures = []
    for name in names:
        lines = [(row["subsystem"], remark(row), row["metrics"][name],
                  tuple(row["intervals"][name]) if row["intervals"].get(name) else None, row["best_on_dev"])
                 for row in sorted(rows, key=lambda row: -(row["metrics"].get(name) or 0))
                 if row["metrics"].get(name) is not None]
        if lines:
            title = {"MAF": "MAF, mean F1 over classes (%)",
                     "UA": f"UA, mean recall over classes (%); chance {100 / len(first['classes'] or [1]):.1f}"}
            picture = pictures.forest_plot(lines, title.get(name, name), name in ("MAF", "UA"))
            figures.append(f"<figure>{picture}</figure>")
    text += f'<div class="grid">{"".join(figures)}</div>' if figures else ""
    return text + "<h3>All systems</h3>" + results_table(rows)


def results_table(rows: Sequence[dict[str, Any]]) -> str:
    names = results.metric_names(rows)
    tested = [row for row in rows if row.get("paired")]
    main = results.main_metric(rows[0])
    head = [th("System", ""), th("Normalisation", ""), *(th(name, "num") for name in names)]
    if tested:
        head.append(th(f"p ({main})", "num"))
    head += [th("Seeds", "num"), th("Marks", "", False)]
    body = []
    for row in rows:
        tags = ('<span class="tag accent">best on dev</span>' if row["best_on_dev"] else "") + (
            '<span class="tag accent">primary</span>' if row.get("primary") else "")
        cells = [f'<td><span class="name">{E(row["subsystem"])}</span> {tags}</td>', f"<td>{E(norm_of(row))}</td>"]
        for name in names:
            value, show = row["metrics"].get(name), results.shown(name)
            below = [f"± {show(row['sd'][name])}"] if row["sd"].get(name) is not None else []
            if row["intervals"].get(name):
                below.append("–".join(show(end) for end in row["intervals"][name]))
            cells.append(td_num("–" if value is None else show(value), value, "<br>".join(below)))
        if tested:
            test = row.get("paired", {}).get(main)
            cells.append(td_num(results.p_value(row, main) or "", test["p"] if test else None))
        marks = "".join(f'<span class="tag{" warn" if WARNING.search(mark) else ""}">{E(mark)}</span>'
                        for mark in row["marks"])
        cells += [td_num(str(len(row["seeds"])), len(row["seeds"])), f"<td>{marks}</td>"]
        body.append(f'<tr class="{"best" if row["best_on_dev"] else ""}">{"".join(cells)}</tr>')
    note = ""
    if tested:
        against = sorted({row["paired"]["reference"] for row in tested})
        note = (f'<p class="note">p: two-sided sign-flip permutation test of the speakers\' own {E(main)} against '
                f"{E(' or '.join(against))}. ± is the standard deviation over seeds; below it the 95 % interval.</p>")
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
            clear = test["p"] < 0.05
            kind = ("up" if test["difference"] > 0 else "down") if clear else ""
            p = "p &lt; 0.001" if test["p"] < 0.001 else f"p {test['p']:.3f}"
            cells.append(f'<td class="{kind}">{show(test["difference"])}<br><small>{p}</small></td>')
        body.append(f'<tr><th>{i + 1} · {E(name)}</th>{"".join(cells)}</tr>')
    return (f'<h2>Differences</h2><p class="lead">Mean over speakers of the difference in their own {E(metric)} '
            "(a speaker's classes are those of his reference), tested by flipping signs. Coloured where p &lt; 0.05; "
            "the p are not corrected for the number of comparisons.</p>"
            f'<div class="scroll"><table class="matrix"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody>'
            "</table></div>")


def confusion_section(content: Content) -> str:
    rows = [row for row in content.test if row["classes"] and row["metrics"]]
    if not rows:
        return ""
    best = next((row for row in rows if row["best_on_dev"]), rows[0])
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
            f"{seeds}. Best system on dev:</p>"
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


def curves_section(content: Content) -> str:
    figures = []
    for name, columns, epochs, values in content.curves:
        index = {column: number for number, column in enumerate(columns)}
        panels = ""
        for what, group, low in CURVES:
            lines = [(column.replace("_", " "), colour, epochs, values[:, :, index[column]]) for column, colour in group
                     if column in index]
            panels += pictures.curves(lines, f"{name}: {what}", low) if lines else ""
        if panels:
            figures.append(f"<figure><figcaption>{E(name)} <span>{len(values)} runs</span></figcaption>"
                           f'<div class="panels">{panels}</div></figure>')
    if not figures:
        return ""
    return ('<h2>Learning curves</h2><p class="lead">By epoch; each fold and seed thin, their mean (of those still '
            f'running) bold. The epoch is chosen on dev.</p><div class="grid wide">{"".join(figures)}</div>')


def errors_section(content: Content) -> str:
    if not content.errors or content.best is None:
        return ""
    body = []
    for error in content.errors:
        player = f'<audio controls preload="none" src="{E(error["audio"])}"></audio>' if error.get("audio") else ""
        body.append(f'<tr><td class="id">{E(error["id"])}</td><td>{E(error["speaker"])}</td>'
                    f'<td>{E(error["label"])}<span class="arrow">→</span><b>{E(error["decision"])}</b></td>'
                    + td_num(f"{100 * error['posterior']:.1f} %", error["posterior"])
                    + td_num(f"{100 * error['posterior_of_label']:.1f} %", error["posterior_of_label"])
                    + f"<td>{E(error['text'])}</td><td>{player}</td></tr>")
    head = (th("Utterance", "") + th("Speaker", "") + th("Label → decision", "") + th("P(decision)", "num")
            + th("P(label)", "num") + th("Text", "") + th("Audio", "", False))
    return (f'<h2>Worst errors</h2><p class="lead">The most confident wrong decisions of {caption(content.best)} on '
            "test. Listen: some labels are debatable. The players read the recordings where they lie.</p>"
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>')


def data_section(content: Content) -> str:
    info, figures = content.info, []
    histogram = info.get("duration_histogram")
    if histogram and len(histogram.get("edges", ())) == len(histogram.get("counts", ())) + 1:
        figures.append(figure("Durations", pictures.histogram(histogram["edges"], histogram["counts"], "seconds"),
                              "median {median:.2f} s, {min:.2f} to {max:.2f} s".format(**info["durations"])
                              if info.get("durations") else ""))
    if info.get("classes"):
        figures.append(figure("Classes", pictures.bars(info["classes"]), "utterances"))
    genders = {name: count for name, count in (info.get("genders") or {}).items() if name != "unknown"}
    if genders:
        figures.append(figure("Gender", pictures.bars(genders, pictures.PALETTE[3:4]), "utterances"))
    text = f'<h2>Data</h2><p class="lead">{E(content.about_data)}</p><div class="grid">{"".join(figures)}</div>'
    table = info.get("class_by_speaker") or {}
    if len(table) > 1 and len(table) <= 120 and content.data.classes:
        text += "<h3>Speakers</h3>" + pictures.speaker_table(table, content.data.classes)
    folds = (info.get("protocols") or {}).get(content.protocol, {}).get("folds") or ()
    if folds:
        numbers = [[fold["fold"], *(number for part in ("train", "dev", "test")
                                    for number in (fold[part], len(fold[f"{part}_speakers"])))] for fold in folds]
        body = "".join("<tr>" + "".join(td_num(str(number), number) for number in line) + "</tr>" for line in numbers)
        head = th("Fold", "num") + "".join(th(part.capitalize(), "num") + th("speakers", "num")
                                           for part in ("train", "dev", "test"))
        text += (f"<details{' open' if len(folds) <= 6 else ''}><summary>Folds <span>utterances and speakers of each "
                 f'part</span></summary><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
                 "</table></div></details>")
    warnings = [str(line) for line in info.get("warnings") or ()]
    if warnings:
        lines = "".join(f"<li>{E(line)}</li>" for line in warnings[:100])
        text += (f"<details><summary>Warnings of the validation <span>{len(warnings)}</span></summary>"
                 f'<ul class="plain">{lines}</ul></details>')
    return text


def audit_section(content: Content) -> str:
    audit = content.audit
    if not audit:
        return ""
    says = {"none": ("good", "none"), "leak": ("bad", "LEAK"), "told": ("", "shared"),
            "declared": ("warn", "declared by the protocol"), "unknown": ("", "corpus does not say")}
    cells: dict[str, str] = {}
    for entry in audit["overlaps"]:
        tag, word = says[entry["verdict"]]
        share = f"{100 * entry['affected'] / entry['tested']:.1f} % of test, {entry['shared']} different" \
            if entry["affected"] else ""
        examples = ", ".join(entry["examples"][:2]) if entry["verdict"] == "leak" else ""
        cells[entry["kind"]] = cells.get(entry["kind"], "") + (
            f'<td><span class="tag {tag}">{E(word)}</span> {E(share)} <small>{E(examples)}</small></td>')
    body = [f'<tr><td class="name">{E(kind.capitalize())}</td>{text}</tr>' for kind, text in cells.items()]
    text = ('<h2>Leak audit</h2><p class="lead">What the test parts share with train (classifier, normaliser) and dev '
            "(epoch, hyper-parameters, calibration), over all folds.</p>"
            '<div class="scroll"><table><thead><tr><th>The same</th><th>in test and train</th><th>in test and dev</th>'
            f"</tr></thead><tbody>{''.join(body)}</tbody></table></div>" + components_table(audit))
    if audit.get("permuted"):
        rows = [(entry["system"], *(entry[name] for name in ("UA", "chance", "low", "high")))
                for entry in audit["permuted"]]
        told = "; ".join(f"UA {100 * entry['UA']:.1f}, at chance from {100 * entry['low']:.1f} to "
                         f"{100 * entry['high']:.1f}" for entry in audit["permuted"])
        text += (f"<h3>Trained on permuted labels</h3>{pictures.chance_plot(rows)}"
                 f'<p class="note">A system trained on permuted labels must fall to chance: {E(told)}. Interval: '
                 f"{E(audit['permuted'][0]['rule'])}.</p>")
    return text


def components_table(audit: Mapping[str, Any]) -> str:
    """What dev and test share with that which components from outside were trained on; "" where there are none."""
    says = {"none": ("good", "none"), "leak": ("bad", "LEAK"), "told": ("", "shared"), "unknown": ("", "not known")}
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for entry in audit.get("components", ()):
        tag, word = says[entry["verdict"]]
        share = f" {entry['affected']} of {entry['tested']}" if entry["affected"] else ""
        cells = rows.setdefault((entry["component"] or entry["source"], entry["corpus"]), {})
        cells.setdefault(entry["kind"], []).append(
            f'{E(entry["with"])} <span class="tag {tag}">{E(word)}</span>{E(share)}')
    text = ""
    if rows:
        kinds = ("speaker", "recording", "sentence")
        head = "<th>Component</th><th>trained on</th>" + "".join(f"<th>{kind}</th>" for kind in kinds)
        body = "".join(f'<tr><td class="name">{E(component)}</td><td>{E(corpus)}</td>'
                       + "".join(f"<td>{'<br>'.join(cells.get(kind, ()))}</td>" for kind in kinds) + "</tr>"
                       for (component, corpus), cells in rows.items())
        text = ('<h3>Trained elsewhere</h3><p class="lead">What dev and test of any fold share with the training of '
                "the components that come from outside. The speakers of two corpora count as different.</p>"
                f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
    for path in audit.get("unknown_training", ()):
        text += f'<p class="note">{E(path)} does not say what it was trained on.</p>'
    return text


def configuration_section(content: Content) -> str:
    body = []
    for entry in content.trainings:
        body.append(f'<tr><td><span class="name">{E(entry["system"])}</span></td><td>{E(entry["kind"])}</td>'
                    f"<td>{E(entry['features'])}</td>"
                    + "".join(td_num(entry[name], None) for name in ("parameters", "seconds", "epoch"))
                    + f"<td>{E(entry['chosen'])}</td>"
                    + td_num(entry["temperature"], None) + "</tr>")
    head = "".join(th(name, kind, False) for name, kind in (
        ("System", ""), ("Kind", ""), ("Features", ""), ("Parameters", "num"), ("Training", "num"), ("Epoch", "num"),
        ("Chosen on dev", ""), ("Temperature", "num")))
    text = ("<h2>Configuration and environment</h2>"
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
            '<p class="note">Training: mean a fold and seed. Epoch and temperature: median.</p>')
    for name, config in content.configurations:
        text += (f"<details><summary>{E(name)} <span>configuration of its first run</span></summary>"
                 f"<pre>{E(config)}</pre></details>")
    pairs = "".join(f"<tr><td>{E(name)}</td><td><code>{E(value)}</code></td></tr>"
                    for name, value in content.environment)
    return text + f"<details open><summary>Environment</summary><table><tbody>{pairs}</tbody></table></details>"


SECTIONS: tuple[tuple[str, str, Callable[[Content], str]], ...] = (
    ("results", "Results", results_section), ("differences", "Differences", paired_section),
    ("confusions", "Confusions", confusion_section), ("curves", "Learning curves", curves_section),
    ("errors", "Worst errors", errors_section), ("data", "Data", data_section), ("audit", "Leak audit", audit_section),
    ("configuration", "Configuration", configuration_section))



def th(name: str, kind: str, sortable: bool = True) -> str:
    classes = " ".join(word for word in (kind, "sortable" if sortable else "") if word)
    return f'<th class="{classes}">{E(name)}</th>'


def td_num(text: str, value: float | None, below: str = "") -> str:
    """A cell that sorts by `value`. `below` is HTML."""
    number = json.dumps(value) if value is not None else "NaN"
    return f'<td class="num" data-value="{number}">{E(text)}' + (f"<small>{below}</small>" if below else "") + "</td>"


def figure(title: str, picture: str, remark: str = "") -> str:
    return f"<figure><figcaption>{E(title)} <span>{E(remark)}</span></figcaption>{picture}</figure>"


def caption(row: dict[str, Any]) -> str:
    return f"{E(row['subsystem'])} <span>{E(norm_of(row))}</span>"


def norm_of(row: dict[str, Any]) -> str:
    return " + ".join(part.removeprefix("norm-") for part in row["variant"].split("+"))


def remark(row: dict[str, Any]) -> str:
    seeds = f", {len(row['seeds'])} seeds" if len(row["seeds"]) > 1 else ""
    return norm_of(row) + seeds
