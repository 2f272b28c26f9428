"""Take the results of recipes' runs, RECIPE/exp/RESULTS.json, over into the committed tables: RESULTS.{json,md} and the
README.md of each recipe, and the README.md at the top; all of them or none.

    steps/publish_results.sh --dry-run egs/ravdess/ensemble
    steps/publish_results.sh egs/mini/ensemble egs/mini/asr egs/mini/ivector

Committed rows of other systems, protocols and variants stay. Every row that is new or has other figures is printed.
Refused are rows of --size tiny; of code that was not committed when they were made; and those that have fewer folds or
seeds than the row they would replace.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.arguments import ArgumentParser
from utils.errors import UsageError, UserError, run_main
from utils.files import ROOT, lock_file, write_texts

if TYPE_CHECKING:
    from steps.scoring.results import Row

    Key = tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.scoring import recompute, results

    root = arguments.root.resolve()
    recipes = list(dict.fromkeys(recipe_of(root, given) for given in arguments.recipes))
    with one_at_a_time(root):
        changes = [change_of(root, recipe) for recipe in recipes]
        refuse(changes, arguments.allow_dirty, arguments.allow_partial)
        all_rows = committed_rows(root) | {change.recipe: change.rows for change in changes}
        wanted = recompute.readmes(root, all_rows, only=recipes)
        for change in changes:
            wanted |= recompute.files_of(root, change.recipe, change.rows)
        different = {path: text for path, text in wanted.items() if recompute.differs(path, text)}
        for change in changes:
            print("\n".join(change.told()))
        if not arguments.dry_run:
            write_texts(different)
            results.warn_of_size(different)
    for path in sorted(different):
        print(f"{'would write' if arguments.dry_run else 'wrote'} {path.relative_to(root)}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("publish_results.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")
    parser.add_argument("--allow-dirty", action="store_true", help="take rows made with uncommitted code")
    parser.add_argument("--allow-partial", action="store_true",
                        help="take rows that have fewer folds or seeds than those they replace")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="egs/<corpus>/<system>")
    return parser.parse_args(argv)


def recipe_of(root: Path, given: str) -> str:
    """egs/<corpus>/<system>, of a path from the working directory or from the top of the repository.

    Raises:
        UsageError: there is no such recipe.
    """
    for path in (Path(given).resolve(), (root / given).resolve()):
        if path.parent.parent == root / "egs" and path.is_dir():
            return str(path.relative_to(root))
    raise UsageError(f"publish_results.sh: {given} is no recipe of {root}; name egs/<corpus>/<system>")


@contextlib.contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Two that publish at once would each lose the other's line of the top README."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        lock_file(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def committed_rows(root: Path) -> dict[str, list[Row]]:
    """{recipe: rows} of every RESULTS.json, as they are."""
    from steps.scoring import results

    found = sorted(root.glob("egs/*/*/RESULTS.json"))
    return {str(path.parent.relative_to(root)): results.load(path) for path in found}


def change_of(root: Path, recipe: str) -> Change:
    """
    Raises:
        UserError: the recipe has no results to publish, or damaged ones.
    """
    from steps.scoring import continued, recompute, results

    remedy = "remove it and score again"
    path = root / recipe / "exp" / f"{continued.STEM}.json"
    if not path.is_file():
        tiny = (root / recipe / "tiny" / "exp" / f"{continued.STEM}.json").is_file()
        raise UserError(f"{recipe} has no results to publish: {path} is missing" + (
            "; those of --size tiny show that the recipe works, and are not published" if tiny else
            f"; run {recipe}/run.sh first"))
    committed = root / recipe / "RESULTS.json"
    recompute.recomputed(results.load(path, remedy), path, remedy)
    own, old = results.load(path), results.load(committed)
    compared = {results.group_of(row) for row in own}
    for row in old:
        if results.group_of(row) in compared:
            row.pop("paired", None)  # these are compared anew, with what the new rows name
    rows = recompute.recomputed(results.merge(old, own), committed)
    return Change(recipe, {results.key_of(row): row for row in results.load(committed)},
                  {results.key_of(row): row for row in rows}, {results.key_of(row) for row in own})


@dataclass(frozen=True)
class Change:
    """The rows of a recipe before and after, and the keys of those that its runs made."""

    recipe: str
    before: Mapping[Key, Row]
    after: Mapping[Key, Row]
    made: set[Key]

    @property
    def rows(self) -> list[Row]:
        return list(self.after.values())

    @property
    def new(self) -> list[Row]:
        return [row for key, row in self.after.items() if key not in self.before]

    @property
    def gone(self) -> list[Row]:
        return [row for key, row in self.before.items() if key not in self.after]

    @property
    def replaced(self) -> list[tuple[Row, Row]]:
        """(before, after) of the rows that the runs made again and that differ."""
        both = [key for key in self.after if key in self.before and key in self.made]
        return [(self.before[key], self.after[key]) for key in both if differ(self.before[key], self.after[key])]

    def told(self) -> list[str]:
        """What changes, a line a row; rows with the same figures are counted."""
        moved = [(old, new) for old, new in self.replaced if line_of(old) != line_of(new)]
        if not (self.new or self.gone or self.replaced):
            return [f"{self.recipe}: nothing new"]
        lines = [f"{self.recipe}: {len(self.new)} rows new, {len(self.replaced)} replaced ({len(moved)} of them with "
                 f"other figures), {len(self.gone)} gone; {len(self.after)} in all"]
        lines += [f"  new       {name_of(row)}: {line_of(row)}" for row in self.new]
        lines += [f"  replaced  {name_of(new)}: {line_of(old)} -> {line_of(new)}" for old, new in moved]
        lines += [f"  gone      {name_of(row)}: {line_of(row)}" for row in self.gone]
        return lines + self._primaries()

    def _primaries(self) -> list[str]:
        """A line for each protocol with another primary system."""
        from steps.scoring.results import group_of

        def primaries(rows: Mapping[Key, Row]) -> dict[tuple[str, ...], str]:
            return {group_of(row): system_of(row) for row in rows.values() if row.get("primary")}

        old, new = primaries(self.before), primaries(self.after)
        return [f"  primary of {group[0]}, {group[1]}: {old[group]} -> {name}" for group, name in new.items()
                if old.get(group, name) != name]


def refuse(changes: Sequence[Change], allow_dirty: bool, allow_partial: bool) -> None:
    """
    Raises:
        UserError: a row that no committed table may have; see the module's text.
    """
    for change in changes:
        made = [*change.new, *(new for _, new in change.replaced)]
        tiny = [row for row in made if any(re.search(r"\bsize \w+$", mark) for mark in row["marks"])]
        dirty = [row for row in made if not row["commit"] or row["commit"].endswith("+")]
        fewer = [row for old, row in change.replaced
                 if set(old["folds"]) - set(row["folds"]) or set(old["seeds"]) - set(row["seeds"])]
        for rows, allowed, why in (
                (tiny, False, "of --size tiny, which only shows that the recipe works"),
                (dirty, allow_dirty, "made with code that was not committed, so that nobody can repeat them; commit, "
                 "score again (the score stage of run.sh), or take them with --allow-dirty"),
                (fewer, allow_partial, "with fewer folds or seeds than committed; run the rest, or take them with "
                 "--allow-partial")):
            if rows and not allowed:
                more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
                raise UserError(f"{change.recipe}: nothing is published: {name_of(rows[0])} ({line_of(rows[0])})"
                                f"{more}: {why}")


def differ(old: Row, new: Row) -> bool:
    return any(old.get(name) != new.get(name) for name in {*old, *new} - {"paired", "falls"})


def system_of(row: Row) -> str:
    return ", ".join([row["subsystem"], *([row["variant"]] if row["variant"] != "-" else [])])


def name_of(row: Row) -> str:
    """What tells a row apart, in words."""
    trained = f"{row['train_corpus']} on " if row.get("train_corpus") else ""
    words = [f"{trained}{row['corpus']}", row["protocol"], row["target"], row["part"],
             *([row["subset"]] if row.get("subset") else [])]
    return f"{', '.join(words)}: {system_of(row)}"


def line_of(row: Row) -> str:
    """The figures of a row, its seeds and folds."""
    from steps.scoring.cells import shown
    from steps.scoring.tables import metric_names

    figures = [f"{name} {shown(name)(row['metrics'][name])}" for name in metric_names([row])]
    return f"{', '.join(figures) or 'no metrics'}; seeds {numbers(row['seeds'])}, {len(row['folds'])} folds"


def numbers(values: Sequence[int]) -> str:
    return " ".join(map(str, values))


if __name__ == "__main__":
    sys.exit(run_main(main))
