"""RESULTS.json: rows, which of them stand for which, and what they are compared with (tables: steps/scoring/tables.py).

RESULTS.json: {"about": ..., "rows": [...]}, one row a line, sorted by KEY. A row:
    corpus, protocol, target, subsystem, variant, part, text_source     what was scored (the key), with
    subset       of the part, where it is not the whole; or the name of a noisy condition
    condition    of a noisy test set {"snr" (dB), "kinds", "noises", "seed"}; absent elsewhere
    train_corpus of a cross-corpus test (steps/scoring/cross_corpus.py) what was trained on, `corpus` what was tested
                 on; `falls` what is lost against a test within one corpus; both absent elsewhere
    of, classes, folds, seeds, items, speakers          how much; of: what an item is
    marks        what a reader must know beside the figure: "speakers unknown", "per-speaker normalization", ...
    primary      the protocol's one fusion (chosen on dev); best_on_dev: the best single system by dev
    fuses        names of the subsystems that a fusion is made of; absent for a single system
    metrics      mean over seeds of the scores pooled over folds; sd over seeds; intervals, or no_intervals: why not
    fold_scores  {fold: metrics}; per_class {recall, precision, f1}
    paired       {reference, <metric>: {difference, p, p_holm, detectable, ...}}; p_holm: adjusted for the rows of its
                 table; p is null where so few speakers cannot reject (smallest_p). Absent for the reference itself,
                 and of speaker verification, where a trial is of two speakers
    sentences    of the reference, where text is read; see steps/scoring/text_leakage.py
    commit, command, summary (see steps/scoring/{summary,trials}.py), from which all figures are computed again

The target of transcripts is "text", of speaker verification "speaker". Systems compete within a corpus, protocol and
target.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.scoring import trials
from steps.scoring.metrics import LESS_IS_BETTER
from steps.scoring.statistics import holm
from steps.scoring.summary import Summary, compare, figures, plain
from utils.errors import UserError
from utils.files import read_json, write_text
from utils.shape import Maybe, OneOf

KEY = ("corpus", "protocol", "target", "subsystem", "variant", "part", "text_source", "subset", "train_corpus")
ABOUT = "Written by steps/score.sh; steps/recompute_results.sh computes every figure again from the summaries."
SMALL = 500 * 1024  # bytes
RESTORE = "restore it with git checkout"
ROW = {"corpus": str, "protocol": str, "target": str, "subsystem": str, "variant": str, "part": str,
       "metrics": {str: Maybe(float)}, "summary": {"kind": OneOf("confusion", "moments", "errors", trials.KIND)}}

Row = dict[str, Any]


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name) or "") for name in KEY)


def load(path: Path, remedy: str = RESTORE) -> list[Row]:
    """The rows of a RESULTS.json; [] where there is none.

    Raises:
        UserError: not such a file. The message ends with `remedy`.
    """
    return read_json(path, {"rows": [ROW]}, f"it is no table of results; {remedy}")["rows"] if path.is_file() else []


def dump(rows: Iterable[Row]) -> str:
    """RESULTS.json as text, one row a line."""
    lines = [json.dumps(row, ensure_ascii=False) for row in sorted(rows, key=key_of)]
    return f'{{"about": {json.dumps(ABOUT)},\n "rows": [\n' + ",\n".join(lines) + "\n]}\n"


def save(path: Path, rows: Iterable[Row]) -> None:
    write_text(path, dump(rows))


def warn_of_size(texts: Mapping[Path, str]) -> None:
    """Of files to be committed."""
    for path, text in texts.items():
        if len(text.encode()) > SMALL:
            print(f"warning: {path} takes {len(text.encode()) // 1024} KiB; git will keep every version of it",
                  file=sys.stderr)


def merge(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """New rows take the place of old ones with the same key; the others stay. One best a protocol.

    A fusion that is declared primary takes the place of the former one. A fusion of other text than before is the same
    system. Of a system and a training corpus that are scored again no earlier row stays: its folds may be others.
    """
    def place(row: Row) -> tuple[str, ...]:
        return key_of({**row, "text_source": None})

    def trained(row: Row) -> tuple[str, ...] | None:
        names = ("protocol", "target", "subsystem", "variant", "train_corpus")
        return tuple(str(row.get(name)) for name in names) if row.get("train_corpus") else None

    fused = {place(row) for row in new if row.get("fuses")}
    again = {trained(row) for row in new} - {None}
    declared = {group_of(row): (row["subsystem"], row["variant"]) for row in new
                if row.get("primary") and not row.get("subset")}
    merged = {key_of(row): row for row in old if place(row) not in fused and trained(row) not in again}
    for key, row in merged.items():
        if row.get("primary") and declared.get(group_of(row), name := (row["subsystem"], row["variant"])) != name:
            merged[key] = {**row, "primary": False}
    return decide(list((merged | {key_of(row): row for row in new}).values()))


def group_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What systems compete within; of a cross-corpus test the corpus that was trained on, since its dev part chose."""
    return row.get("train_corpus") or row["corpus"], row["protocol"], row["target"]


MAIN = {"confusion": "MAF", "errors": "WER", trials.KIND: "EER"}  # by the kind of the summary


def main_metric(row: Mapping[str, Any]) -> str:
    """The metric by which systems are ordered."""
    found = MAIN.get(row["summary"]["kind"])
    return found if found else "CCC" if row["metrics"].get("CCC") is not None else "MAE"


def quality(row: Mapping[str, Any]) -> float:
    """Larger is better; -inf without labels."""
    name = main_metric(row)
    value = row["metrics"].get(name)
    return float("-inf") if value is None else -value if name in LESS_IS_BETTER else value


def decide(rows: list[Row]) -> list[Row]:
    """Set `best_on_dev` (fusions do not compete), and sort. At most one system a protocol and target may be primary.

    Raises:
        UserError: two primaries.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(group_of(row), []).append(row)
    for (corpus, protocol, _), group in groups.items():
        dev = sorted((row for row in group if row["part"] == "dev" and not (row.get("subset") or row.get("fuses"))),
                     key=lambda row: (-quality(row), key_of(row)))
        best = dev[0] if dev and quality(dev[0]) > float("-inf") else None
        for row in group:
            row["best_on_dev"] = best is not None and (row["subsystem"], row["variant"]) == (
                best["subsystem"], best["variant"])
        primary = [row for row in group if row.get("primary") and row["part"] == "test" and not row.get("subset")]
        if len(primary) > 1:
            raise UserError(f"{corpus}, {protocol}: {primary[0]['subsystem']} and {primary[1]['subsystem']} are both "
                            "primary; dev declares exactly one fusion")
    return sorted(rows, key=key_of)


def summary_of(row: Mapping[str, Any]) -> Summary:
    return Summary.from_json(row["summary"], len(row["classes"]))


def recompute(row: Mapping[str, Any]) -> Row:
    """The row with every figure computed again from its summary."""
    kept = {name: value for name, value in row.items() if name not in (
        "metrics", "sd", "intervals", "no_intervals", "fold_scores", "per_class", "summary", "paired")}
    found = trials.figures(row["summary"]) if of_trials(row) else figures(summary_of(row))
    return {**kept, **found, "summary": row["summary"]}


def of_trials(row: Mapping[str, Any]) -> bool:
    """Whether the row's summary is that of trials; it has no `Summary`, and no speaker has a figure of his own."""
    return row["summary"]["kind"] == trials.KIND


def reference_of(rows: Sequence[Row], row: Mapping[str, Any], reference: str | None) -> Row | None:
    """The row that `row` is compared with: the subsystem `reference` in the same variant, else in its best by dev; or,
    without a name, the primary one, else the best by dev."""
    rivals = [other for other in rows if all(other.get(name) == row.get(name)
                                             for name in ("corpus", "protocol", "target", "part", "subset",
                                                          "train_corpus"))]
    if reference is None:
        found = leading(rivals)
    else:
        named = [other for other in rivals if is_named(other, reference)]
        found = [other for other in named if other["variant"] == row["variant"]] or named
    return None if not found or found[0] is row or key_of(found[0]) == key_of(row) else found[0]


def is_named(row: Mapping[str, Any], name: str) -> bool:
    """Whether the row is of the system `name`, SUBSYSTEM or SUBSYSTEM/VARIANT."""
    return name in (row["subsystem"], f"{row['subsystem']}/{row['variant']}")


def leading(rows: Iterable[Row]) -> list[Row]:
    """Of rows that compete the primary one, else the best on dev; []: there is neither."""
    rows = list(rows)
    return [row for row in rows if row.get("primary")] or [row for row in rows if row.get("best_on_dev")]


def ordered(rows: Iterable[Row]) -> list[Row]:
    """The primary row, then the others, best first."""
    return sorted(rows, key=lambda row: (not row.get("primary"), -quality(row), key_of(row)))


def add_paired(rows: Sequence[Row], reference: str | None = None, only: Iterable[Row] | None = None) -> None:
    """Set `paired` of each row; with `only` of these, not yet adjusted (`adjust`)."""
    for row in rows if only is None else only:
        row.pop("paired", None)
        if of_trials(row):
            continue
        other = reference_of(rows, row, reference)
        tests = compare(summary_of(row), summary_of(other)) if other is not None else None
        if other is not None and tests is not None:
            row["paired"] = {"reference": f"{other['subsystem']}/{other['variant']}", **tests}
            if reference is not None:
                row["paired"]["named"] = reference
    if only is None:
        adjust(rows)


def adjust(rows: Iterable[Row]) -> None:
    """Set `p_holm` of every paired test: adjusted for the tests of the same metric in the row's table."""
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(table_of(row), []).append(row.get("paired", {}))
    for tested in families.values():
        adjust_tests(tested)


def adjust_tests(tested: Iterable[Mapping[str, Any]]) -> None:
    """Set `p_holm` of the tests of one family, of each metric by itself: {metric: {"p", ...}} each."""
    of_metric: dict[str, list[dict[str, Any]]] = {}
    for tests in tested:
        for metric, test in tests.items():
            if isinstance(test, dict) and test["p"] is not None:
                of_metric.setdefault(metric, []).append(test)
    for family in of_metric.values():
        for test, p in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = plain(p, 9)


def table_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Of which rows stand in one table."""
    return tuple(str(row.get(name) or "") for name in ("corpus", "protocol", "target", "part", "subset",
                                                       "train_corpus"))
