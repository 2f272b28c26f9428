"""The results of a recipe's runs, below its exp/, beside those that are committed.

    STEM.json   the rows that runs in this checkout made (steps/scoring/results.py)
    STEM.md     the tables of these rows among the committed ones, as steps/publish_results.sh will write them

A run writes nothing else, so it leaves the checkout clean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UsageError
from utils.files import ROOT, write_text

if TYPE_CHECKING:
    from steps.scoring.results import Row

STEM = "RESULTS"


def add_options(parser: argparse.ArgumentParser, default: str | None = f"EXP/{STEM}") -> None:
    """--results and --committed."""
    parser.add_argument("--results", type=Path, metavar="STEM", help="write the rows to STEM.json and the tables to "
                        f"STEM.md; rows of other systems stay ({default or 'default: write none'})")
    parser.add_argument("--committed", type=Path, metavar="FILE", help="continue from the rows of this RESULTS.json, "
                        "which stays as it is; it need not be there")


def stem_of(arguments: argparse.Namespace) -> Path:
    """--results, or EXP/RESULTS."""
    return arguments.results or arguments.exp / STEM


def continue_results(stem: Path, committed: Path | None, rows: Sequence[Row],
                     reference: str | None = None) -> list[Row]:
    """Put the rows of a run among those of earlier runs and the committed ones, compare them, write STEM.{json,md}.

    Args:
        stem: STEM. committed: a RESULTS.json. reference: see results.add_paired.

    Returns:
        Every row that competes with one of `rows`, and these.
    """
    from steps.scoring import falls, results, tables

    path = Path(f"{stem}.json")
    earlier = results.load(path, "remove it and score again")
    former = results.merge(results.load(committed) if committed else [], earlier)
    tell_lost_seeds(former, rows)
    merged = results.merge(former, rows)
    groups = {results.group_of(row) for row in rows}
    affected = [row for row in merged if results.group_of(row) in groups]
    if reference is not None and not any(results.is_named(row, reference) for row in affected):
        raise UsageError(f"--reference {reference}: there is no such system; there are: "
                         + ", ".join(dict.fromkeys(row["subsystem"] for row in affected)))
    results.add_paired(affected, reference)
    falls.add_falls(merged)
    mine = {results.key_of(row) for row in [*earlier, *rows]}
    results.save(path, [row for row in merged if results.key_of(row) in mine])
    write_text(Path(f"{stem}.md"), tables.markdown(merged, title_of(stem)))
    return affected


def tell_lost_seeds(old: Sequence[Row], new: Sequence[Row]) -> None:
    """A row that had more seeds than it has now is replaced, but not in silence."""
    from steps.scoring.results import key_of

    before = {key_of(row): row["seeds"] for row in old}
    for row in new:
        former = before.get(key_of(row), [])
        if set(former) - set(row["seeds"]) and row["part"] == "test":
            print(f"note: {row['subsystem']}/{row['variant']} had seeds {former} and has {row['seeds']} now",
                  file=sys.stderr)


def tell_where(stem: Path, committed: Path | None) -> None:
    """The last line of a scoring stage: where the tables are, and which command publishes them."""
    recipe = title_of(stem)
    if committed is not None and recipe.startswith("egs/"):
        print(f"\nresults: {stem}.md; steps/publish_results.sh {recipe} takes them over into the committed tables")
    else:
        print(f"\nresults: {stem}.md")


def title_of(stem: Path) -> str:
    """egs/<corpus>/<system> of the recipe that STEM lies in; else the name of its directory."""
    directory = stem.resolve().parent
    found = [at for at in (directory, *directory.parents) if at.parts[-3:-2] == ("egs",)]
    inside = [at for at in found if at.is_relative_to(ROOT)] or found
    return "/".join(inside[0].parts[-3:]) if inside else directory.name
