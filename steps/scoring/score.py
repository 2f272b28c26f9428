"""Score every trained subsystem of a protocol: check its score files, pool over folds, write EXP/RESULTS.{json,md}.

What these hold of other protocols, subsystems or variants stays; steps/publish_results.sh takes them over into the
committed tables. Writes EXP/scored/<protocol>.json last, with the rows of this run, which the report reads. The runs on
permuted labels are left out; the leak audit reads those.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import UserError, run_main
from utils.files import ROOT, read_json, write_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.scoring.audited import Audit
    from steps.scoring.collect import System


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
    """The rows of one system: dev and test."""
    from steps.scoring.collect import PARTS, expected_units

    return [row_of(data, split, system, part) for part in PARTS
            if any(expected_units(data, split, fold, part) for fold in system.folds)]


def row_of(data: Dataset, split: Split, system: System, part: str) -> dict[str, Any]:
    """The row of one part."""
    from steps.scoring.collect import summarise
    from steps.scoring.summary import figures

    data = data.predicting(system.about.get("label"))
    summary, counted = summarise(data, split, system, part)
    return {
        "corpus": data.name, "protocol": split.name, "subsystem": system.subsystem, "variant": system.variant,
        "part": part, **about_text(data, system), "task": data.task, "unit": data.unit,
        "classes": data.classes, "folds": system.folds, "seeds": system.seeds, "items": counted["items"],
        "speakers": summary.known_speakers, "marks": marks_of(data, split, system, counted),
        "primary": system.about.get("primary") in (True, system.variant), **fused_of(system), "best_on_dev": False,
        "commit": commit(), "command": command(data, split, system), **figures(summary), "summary": summary.to_json()}


def about_text(data: Dataset, system: System) -> dict[str, Any]:
    """Where the system's text comes from, and how many different sentences the reference has: few carry no emotion."""
    from steps.text.normal_form import normalise
    from steps.text.source import source_of

    source = source_of(system.variant) or system.about.get("text_source")
    if source is None:
        return {"text_source": None}
    return {"text_source": source,
            "sentences": len({normalise(item.text, item.language) for item in data.items.values() if item.text})}


def fused_of(system: System) -> dict[str, list[str]]:
    """{"fuses": names} of a fusion; {} of a single system."""
    members = system.about.get("fuses", {}).get(system.variant)
    return {"fuses": [name for name, _ in members]} if members else {}


def marks_of(data: Dataset, split: Split, system: System, counted: dict[str, int]) -> list[str]:
    """What a reader must know beside the figures."""
    from steps.data.confounds import confound_marks, few_utterances

    marks = data_marks(data, split)
    if "norm-speaker" in system.variant.split("+"):
        marks += ["per-speaker normalisation", *few_utterances(data, split)]
        marks += [mark for mark in confound_marks(data, split, per_speaker=True) if mark not in marks]
    if system.folds != split.folds:
        marks.append(f"{len(system.folds)} of {len(split.folds)} folds")
    if counted["prior"]:
        marks.append(f"{counted['prior']} items scored by prior")
    if counted["unlabelled"]:
        marks.append("unlabelled, no metrics" if counted["unlabelled"] == counted["items"]
                     else f"{counted['unlabelled']} items unlabelled")
    return marks


def data_marks(data: Dataset, split: Split) -> list[str]:
    """The marks that every figure on a data set has."""
    from steps.data.confounds import confound_marks
    from steps.data.recordings import shared_recordings
    from steps.data.splits import shares_test_speakers

    info, marks = data.info, []
    if info.get("synthetic"):
        marks.append("synthetic")
    if info.get("size", "full") != "full":
        marks.append(f"size {info['size']}")
    if info.get("missing"):
        marks.append("partial corpus")
    if info.get("dropped"):
        marks.append(f"{len(info['dropped'])} duplicates left out")
    if info.get("merged"):
        marks.append(f"{len(info['merged'])} speakers merged")
    if split.info.get("random"):
        marks.append("random folds")
    if shared := shared_recordings(split, data.items):
        marks.append(f"{len(shared)} test utterances share a recording with train or dev")
    if unknown := unknown_speakers(data, split):
        marks.append(unknown)
    if split.speaker_overlap:
        marks.append("speaker overlap" if shares_test_speakers(split, data.items) else "dev has train's speakers")
    return marks + confound_marks(data, split)


def unknown_speakers(data: Dataset, split: Split) -> str:
    """"speakers unknown", with numbers where some are known; "" where all are."""
    keys = {key for fold in split.folds for ids in split.parts[fold].values() for key in ids}
    lost = sum(data.items[key].speaker is None for key in keys)
    return "" if not lost else "speakers unknown" + (f": {lost} of {len(keys)} utterances" if lost < len(keys) else "")


@functools.cache
def commit() -> str:
    """Short hash of the checkout, with "+" where code or configuration differ from it; "" outside git.

    Git is asked once, not for every row.
    """
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=10", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*.md", ":!*RESULTS.json")
    except OSError:
        return ""
    return head + ("+" if head and changed else "")


def command(data: Dataset, split: Split, system: System) -> str:
    """The recipe's command that gives this row; --corpus-dir, where a recipe takes it, is the reader's own."""
    words = recipe_command(data, "--protocol", split.name)
    norm = system.variant.split("+")[0]
    if norm.startswith("norm-"):
        words += ["--norms", norm.removeprefix("norm-")]
    return shlex.join([*words, "--seeds", " ".join(map(str, system.seeds)), *settings(data, split, system)])


def settings(data: Dataset, split: Split, system: System) -> list[str]:
    """--folds where some are left out, and what --set said over the configuration; --size tiny says its own."""
    words = [] if list(system.folds) == split.folds else ["--folds", " ".join(map(str, system.folds))]
    said = [f"{system.about.get('config', system.subsystem)}:{word}" for word in system.about.get("set", ())]
    if said and data.info.get("size", "full") == "full":
        words += ["--set", shlex.join(said)]
    return words


def recipe_command(data: Dataset, *options: str) -> list[str]:
    """The words of the command that runs the recipe with these options on a corpus of this size."""
    recipe = Path(os.environ.get("EMOTION_RECIPE") or Path.cwd()).resolve()
    name = str(recipe.relative_to(ROOT)) if recipe.is_relative_to(ROOT) else recipe.name
    size = ["--size", str(data.info["size"])] if data.info.get("size", "full") != "full" else []
    mended = [word for key, option in (("dropped", "--drop-duplicates"), ("merged", "--merge-speakers"))
              if key in data.info for word in (option, "true")]
    return [f"{name}/run.sh", *options, *size, *mended]


if __name__ == "__main__":
    sys.exit(run_main(main))
