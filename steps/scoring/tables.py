"""The tables made from rows of results, as Markdown: RESULTS.md, the README's blocks, what a stage prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steps.scoring import cross_tables, results, robustness, text_leakage, window_tables
from steps.scoring.cells import about_tests, cell, escape, p_value
from steps.scoring.metrics import TRACK, TRANSCRIPTION, VERIFICATION


def markdown(rows: Sequence[results.Row], title: str) -> str:
    """RESULTS.md."""
    lines = [f"# Results: {title}", "",
             "Made from RESULTS.json by `steps/recompute_results.sh`; do not edit. Percent (CCC, MAE and RMSE as they "
             "are), pooled over folds, mean over seeds ± standard deviation over seeds, with 95 % intervals over "
             "speakers (jackknife-t): what another draw of speakers would change, not another training set or seed. "
             "**Bold**: " + ("primary, which is declared by dev, where everything is chosen."
              if any(row.get("primary") for row in rows) else "best on dev, where everything is chosen."), ""]
    if any(row["summary"]["kind"] == "errors" for row in rows):
        lines += ["Of WER (word error rate), CER (on characters), the three kinds of errors (a word of the reference) "
                  "and ECE (expected calibration error of the words' confidences), less is better; of AUC (right "
                  "words against wrong ones by confidence), more.", ""]
    if any(results.of_trials(row) for row in rows):
        lines += ["Of EER (equal error rate of speaker verification), less is better; its intervals draw the speakers "
                  "of both sides of a trial.", ""]
    for part in ("test", "dev"):
        text = tables(rows, part)
        if text:
            lines += [f"## {part.capitalize()}", "", text, ""]
    commands = sorted({row["command"] for row in rows if row.get("command")})
    if commands:
        lines += ["## Commands", "", "Each with `--corpus-dir DIR` where the recipe takes it.", "",
                  *(f"    {command}" for command in commands), ""]
    return "\n".join(lines)


def tables(rows: Sequence[results.Row], part: str = "test", brief: bool = False) -> str:
    """One table a corpus, protocol, target and subset, as Markdown; of noisy conditions together one a metric, or
    (brief) that of the main metric; of windows of several lengths one beside; of cross-corpus tests the matrices,
    and (not brief) a line a pair."""
    groups: dict[tuple[str, ...], list[results.Row]] = {}
    mine = [row for row in rows if row["part"] == part]
    for row in mine:
        if not (row.get("condition") or row.get("train_corpus")):
            key = row["corpus"], row["protocol"], row["summary"]["kind"], row["target"], row.get("subset") or ""
            groups.setdefault(key, []).append(row)
    blocks = [table(groups[name]) for name in sorted(groups)]
    noisy = robustness.noise_tables(mine, robustness.METRICS[:1] if brief else robustness.METRICS)
    blocks += [noisy] if noisy else []
    blocks += [table.markdown() for table in window_tables.window_tables(mine)] if part == "test" else []
    return "\n\n".join([*blocks, *cross_tables.cross_tables(mine, brief)])


def metric_names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    order = ("F1", "MAF", "UA", "WA", "MAP", *TRACK, *TRANSCRIPTION, "ECE", "AUC", *VERIFICATION)
    present = {name for row in rows for name in row["metrics"]}
    return [name for name in order if name in present]


def table(rows: Sequence[results.Row]) -> str:
    """Rows of one corpus, protocol, target, part and subset."""
    names, first = metric_names(rows), rows[0]
    speakers = {row["speakers"] for row in rows}
    subset = f", {first['subset']}" if first.get("subset") else ""
    target = "speaker verification" if results.of_trials(first) else first["target"]
    about = f"{first['corpus']}, {first['protocol']}, {target}{subset}: {first['items']} {first['of']}s"
    if len(speakers) == 1 and first["speakers"]:
        about += f" of {first['speakers']} speakers"
    reasons = sorted({row["no_intervals"] for row in rows if row.get("no_intervals")})
    about += "".join(f"; no {'intervals' if names else 'metrics'}: {reason}" for reason in reasons)
    main = results.main_metric(rows[0])
    tests = about_tests(rows, main)
    paired = any(p_value(row, main) for row in rows)
    head = ["subsystem", "variant", *names, *(["p"] if paired else []), "seeds", "marks", "commit"]
    bold = results.leading(rows)
    lines = [f"{about}.{' ' if tests else ''}{tests}", "",
             "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in results.ordered(rows):
        name = f"**{escape(row['subsystem'])}**" if row in bold else escape(row["subsystem"])
        name += " (primary)" if row.get("primary") else " (best single)" if row not in bold and row.get(
            "best_on_dev") else ""
        cells = [name, escape(row["variant"]), *(cell(row, metric) for metric in names)]
        if paired:
            cells.append(p_value(row, main))
        cells += [" ".join(map(str, row["seeds"])), escape(", ".join(row["marks"])), row["commit"]]
        lines.append("| " + " | ".join(cells) + " |")
    for sentence in text_leakage.sentences(rows):
        lines += ["", sentence]
    return "\n".join(lines)
