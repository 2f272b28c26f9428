"""Score every trained subsystem of a protocol: check its score files, pool over folds, write EXP/RESULTS.{json,md}.

What these hold of other protocols, subsystems or variants stays; steps/publish_results.sh takes them over into the
committed tables. Writes EXP/scored/<protocol>.json last, with the rows of this run, which the report reads. The runs on
permuted labels are left out; the leak audit reads those.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.variant import Variant
from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import UserError, run_main
from utils.files import read_json, write_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.scoring.audited import Audit
    from steps.scoring.collect import System
    from utils.corpus import Target


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.scoring import continued, results, tables
    from steps.scoring.audited import Audit
    from steps.scoring.collect import find_systems

    data, stem = Dataset.open(arguments.data), continued.stem_of(arguments)
    split = data.split(arguments.protocol)
    systems = find_systems(arguments.exp, arguments.protocol, leave_out=arguments.leave_out)
    if not systems:
        raise UserError(f"{arguments.exp} has no trained subsystem of protocol {arguments.protocol}; "
                        "run the training stages first")
    rows = [row for system in systems for row in rows_of(data, split, system)]
    noisy = arguments.exp / "robustness" / f"{split.name}.json"  # of steps/score_robustness.sh
    if noisy.is_file():
        rows += read_json(noisy, {"rows": [results.ROW]}, "run steps/score_robustness.sh again")["rows"]
    mark_audit(rows, Audit(arguments.exp, data, split.name, {one.subsystem: one.about for one in systems}))
    for row in rows:
        row["command"] = f"{row['command']} {arguments.recipe_options}".rstrip()
    affected = continued.continue_results(stem, arguments.committed, rows, arguments.reference)
    mine = {results.key_of(row) for row in rows}
    print(tables.tables(affected, "test"))
    if not any(row["metrics"] for row in affected if row["part"] == "test"):
        print("\nThe test part has no labels; on dev, where everything was chosen:\n")
        print(tables.tables(affected, "dev"))
    write_json(arguments.exp / "scored" / f"{split.name}.json",
               {"corpus": data.name, "protocol": split.name, "results": f"{stem}.json",
                "rows": [row for row in affected if results.key_of(row) in mine]})
    continued.tell_where(stem, arguments.committed)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from steps.scoring.continued import add_options

    parser = ArgumentParser("score.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True)
    add_options(parser)
    parser.add_argument("--reference", metavar="SUBSYSTEM[/VARIANT]",
                        help="the system that all are tested against, in the same variant where it has that; "
                             "default: the primary fusion, else the best on dev")
    parser.add_argument("--recipe-options", default="", metavar="WORDS",
                        help="options of the recipe that chose what is trained, for the rows' command")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    return parser.parse_args(argv)


def mark_audit(rows: Sequence[dict[str, Any]], audit: Audit) -> None:
    """Mark the rows of systems that failed the audit or were not audited, with the reason."""
    doubts: dict[str, str] = {}
    for row in rows:
        name = row["subsystem"], row["variant"]
        row["marks"] = [*row["marks"], *audit.marks(*name)]
        if doubt := audit.doubt(*name):
            doubts.setdefault(doubt, f"{name[0]}/{name[1]}")
    for doubt, example in doubts.items():
        print(f'warning: results such as those of {example} are marked "not audited": {doubt}; run '
              "steps/audit_leaks.sh", file=sys.stderr)


def rows_of(data: Dataset, split: Split, system: System) -> list[dict[str, Any]]:
    """The rows of one system: dev and test of every target."""
    from steps.scoring.collect import PARTS, expected

    return [row_of(data, split, system, part, target) for target in system.targets(data) for part in PARTS
            if any(expected(data, split, fold, part, target.of) for fold in system.folds)]


def row_of(data: Dataset, split: Split, system: System, part: str, target: Target, **more: Any) -> dict[str, Any]:
    """The row of one part and target."""
    from steps.scoring.collect import summarize
    from steps.scoring.rows import result_row

    summary, counted = summarize(data, split, system, part, target)
    return result_row(
        corpus=data.name, protocol=split.name, target=target.name, system=(system.subsystem, system.variant),
        part=part, **about_text(data, system), of=target.of, classes=target.classes, folds=system.folds,
        seeds=system.seeds, items=counted["items"], marks=marks_of(data, split, system, target, counted),
        primary=is_primary(system, target), **fused_of(system),
        command=command(data, split, system), found=summary, **more)


def about_text(data: Dataset, system: System) -> dict[str, Any]:
    """Where the system's text comes from, and how many different sentences the reference has: few carry no emotion."""
    from steps.text.normal_form import normalize

    source = Variant.parse(system.variant).text or system.about.get("text_source")
    if source is None:
        return {"text_source": None}
    return {"text_source": source,
            "sentences": len({normalize(item.text, item.language) for item in data.items.values() if item.text})}


def is_primary(system: System, target: Target) -> bool:
    """Whether its plan declares it: a variant, or of several targets {target: variant}."""
    declared = system.about.get("primary")
    return (declared.get(target.name) if isinstance(declared, dict) else declared) in (True, system.variant)


def fused_of(system: System) -> dict[str, list[str]]:
    """{"fuses": names} of a fusion; {} of a single system."""
    members = system.about.get("fuses", {}).get(system.variant)
    return {"fuses": [name for name, _ in members]} if members else {}


def marks_of(data: Dataset, split: Split, system: System, target: Target,
             counted: dict[str, int]) -> list[str]:
    """What a reader must know beside the figures."""
    from steps.data.confounds import confound_marks, few_utterances
    from steps.scoring.rows import data_marks

    marks = data_marks(data, split, target)
    if Variant.parse(system.variant).norm == "speaker":
        marks += ["per-speaker normalization", *few_utterances(data, target, split)]
        marks += [mark for mark in confound_marks(data, split, target, per_speaker=True) if mark not in marks]
    if system.folds != split.folds:
        marks.append(f"{len(system.folds)} of {len(split.folds)} folds")
    if counted["prior"]:
        marks.append(f"{counted['prior']} items scored by prior")
    if counted["unlabelled"]:
        marks.append("unlabelled, no metrics" if counted["unlabelled"] == counted["items"]
                     else f"{counted['unlabelled']} items unlabelled")
    return marks


def command(data: Dataset, split: Split, system: System) -> str:
    """The recipe's command that gives this row; --corpus-dir, where a recipe takes it, is the reader's own."""
    from steps.scoring.rows import recipe_command

    words = recipe_command(data, "--protocol", split.name)
    norm = Variant.parse(system.variant).norm
    words += ["--norms", norm] if norm else []
    return shlex.join([*words, "--seeds", " ".join(map(str, system.seeds)), *settings(data, split, system)])


def settings(data: Dataset, split: Split, system: System) -> list[str]:
    """--folds where some are left out, and what --set said over the configuration; --size tiny says its own."""
    words = [] if list(system.folds) == split.folds else ["--folds", " ".join(map(str, system.folds))]
    said = [f"{system.about.get('config', system.subsystem)}:{word}" for word in system.about.get("set", ())]
    if said and data.info.get("size", "full") == "full":
        words += ["--set", shlex.join(said)]
    return words


if __name__ == "__main__":
    sys.exit(run_main(main))
