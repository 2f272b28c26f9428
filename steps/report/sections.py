"""The sections of the page: functions Content -> HTML, "" where there is nothing to show; SECTIONS is their order.
Those about results are in result_sections.py.

Every text from outside goes through `E`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape as E  # noqa: N812
from typing import Any

from steps.report import pictures
from steps.report.cells import caption, figure, td_num, th
from steps.report.content import Content
from steps.report.cross_section import cross_section
from steps.report.fusion_section import fusion_section
from steps.report.noise_section import noise_section
from steps.report.result_sections import confusion_section, paired_section, results_section
from steps.report.track_section import track_section
from steps.report.window_section import window_section
from steps.scoring.audited import failure_marks
from steps.scoring.cells import shown

CURVES: tuple[tuple[str, tuple[tuple[str, str], ...], float | None], ...] = (
    ("loss", (("train_loss", pictures.PALETTE[0]), ("dev_loss", pictures.PALETTE[1])), None),
    ("dev", (("dev_MAF", pictures.PALETTE[2]), ("dev_UA", pictures.PALETTE[3]), ("dev_CCC", pictures.PALETTE[4])), 0.0))


def curves_section(content: Content) -> str:
    figures = []
    for name, columns, epochs, values in content.curves:
        index = {column: number for number, column in enumerate(columns)}
        panels = ""
        for what, group, low in CURVES:
            lines = [(column.replace("_", " "), color, epochs, values[:, :, index[column]]) for column, color in group
                     if column in index]
            panels += pictures.curves(lines, f"{name}: {what}", low) if lines else ""
        if panels:
            runs = f"{len(values)} run{'s' * (len(values) > 1)}"
            figures.append(f"<figure><figcaption>{E(name)} <span>{runs}</span></figcaption>"
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
    classes = content.data.targets[0].classes if content.data.targets else ()
    if len(table) > 1 and len(table) <= 120 and classes:
        text += "<h3>Speakers</h3>" + pictures.speaker_table(table, classes)
    text += confounds_table(info.get("confounds") or ())
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


def confounds_table(measured: Sequence[Mapping[str, Any]]) -> str:
    """How far each field determines the label (steps/data/confounds.py); "" where none was measured."""
    body = ""
    for entry in measured:
        cells = [f"{100 * entry[name]:.1f}" for name in ("accuracy", "chance")] + [f"{entry['strength']:.2f}"]
        tag = ' <span class="tag warn">determines the label</span>' if entry["tells"] else ""
        body += (f'<tr><td class="name">{E(entry["field"].capitalize())}{tag}</td>'
                 + td_num(str(entry["values"]), entry["values"]) + td_num(str(entry["pure"]), entry["pure"])
                 + "".join(td_num(cell, float(cell)) for cell in cells) + "</tr>")
    head = th("Field", "") + "".join(th(name, "num") for name in (
        "Values", "with one label", "Accuracy of the field alone (%)", "by chance (%)", "Strength"))
    return body and (
        '<h3>What else tells the label</h3><p class="lead">Each value\'s most frequent label; 0: the field says '
        "nothing, 1: it determines the label, and a system may learn the field in place of the emotion.</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def audit_section(content: Content) -> str:
    audit = content.audit
    if not audit:
        return ""
    says = {"none": ("good", "none"), "leak": ("bad", "LEAK"), "told": ("", "shared"),
            "declared": ("warn", "declared by the protocol"), "partly": ("warn", "none that is known"),
            "unknown": ("", "not known")}
    cells: dict[str, str] = {}
    for entry in audit["overlaps"]:
        tag, word = says.get(entry["verdict"], ("", str(entry["verdict"])))
        share = [f"{100 * entry['affected'] / entry['tested']:.1f} % of test, {entry['shared']} different"] \
            if entry["affected"] else []
        if entry["verdict"] != "unknown":
            share += [f"{number} of {of} {part} utterances unknown"
                      for part, (number, of) in (entry.get("unknown") or {}).items()]
        examples = ", ".join(entry["examples"][:2]) if entry["verdict"] == "leak" else ""
        cells[entry["kind"]] = cells.get(entry["kind"], "") + (
            f'<td><span class="tag {tag}">{E(word)}</span> {E("; ".join(share))} <small>{E(examples)}</small></td>')
    body = [f'<tr><td class="name">{E(kind.capitalize())}</td>{text}</tr>' for kind, text in cells.items()]
    text = ('<h2>Leak audit</h2><p class="lead">What the test parts share with train (classifier, normalizer) and dev '
            "(epoch, hyper-parameters, calibration, fusion), over all folds.</p>"
            '<div class="scroll"><table><thead><tr><th>The same</th><th>in test and train</th><th>in test and dev</th>'
            f"</tr></thead><tbody>{''.join(body)}</tbody></table></div>" + components_table(audit))
    text += "".join(f'<p class="note"><span class="tag bad">{E(mark)}</span></p>' for mark in failure_marks(audit))
    if audit.get("permuted"):
        rows = [(entry["system"], *(entry[name] for name in ("UA", "chance", "low", "high")))
                for entry in audit["permuted"] if "UA" in entry]
        told = "; ".join("{} {}, at chance from {} to {}".format(metric := entry.get("metric", "UA"), *(
            shown(metric)(entry[name]) for name in (metric, "low", "high"))) for entry in audit["permuted"])
        text += (f"<h3>Trained on permuted labels</h3>{pictures.chance_plot(rows) if rows else ''}"
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
    ("results", "Results", results_section), ("windows", "Windows", window_section),
    ("cross", "Across corpora", cross_section), ("fusion", "Fusion", fusion_section),
    ("noise", "Noise", noise_section), ("differences", "Differences", paired_section),
    ("confusions", "Confusions", confusion_section), ("curves", "Learning curves", curves_section),
    ("errors", "Worst errors", errors_section), ("tracks", "Tracks", track_section),
    ("data", "Data", data_section), ("audit", "Leak audit", audit_section),
    ("configuration", "Configuration", configuration_section))
