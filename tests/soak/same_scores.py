"""Run recipes at two commits on this machine and compare every score table, value by value.

For a change that must not change results: a rebuilt room, a renamed option, a new place of a file. A table counts as
the same if the same experiment and part has the same items, labels and values; its place in the tree and the order of
its columns may differ, and columns may be added.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Names of the columns that say which row it is; the others are compared.
ROW = ("id", "frame")
Table = dict[tuple[str, ...], dict[str, str]]  # row -> column -> text


@dataclass(frozen=True)
class Recipe:
    """A recipe with the options of its run; `corpus` names a directory below EMOTION_CORPORA that it needs."""

    directory: str
    options: tuple[str, ...] = ("--size", "tiny")
    corpus: str = ""

    def words(self, root: Path) -> list[str] | None:
        """The command in a checkout; None without its corpus."""
        found = Path(os.environ.get("EMOTION_CORPORA", "/nonexistent")) / self.corpus
        if self.corpus and not found.is_dir():
            return None
        given = ["--corpus-dir", str(found)] if self.corpus else []
        return [str(root / self.directory / "run.sh"), *self.options, *given]


RECIPES = (
    Recipe("egs/mini/ensemble", ("--size", "tiny", "--noise", "10")),  # its recognizer and i-vectors, too
    Recipe("egs/mini/pyresnet"),
    Recipe("egs/cross_corpus/pyresnet"),
    Recipe("egs/emodb/ensemble", ("--size", "tiny", "--asr", "none", "--comparisons", "true",
                                  "--allow-partial", "true"), "emodb"),
    Recipe("egs/ravdess/pyresnet", corpus="ravdess"),
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("same_scores.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, metavar="COMMIT")
    parser.add_argument("--after", default="HEAD", metavar="COMMIT", help="default: %(default)s")
    parser.add_argument("--only", default="", metavar="TEXT", help="recipes with this in their path")
    parser.add_argument("--directory", type=Path, help="for the two checkouts; what is in it is taken up")
    arguments = parser.parse_args(argv)
    directory = arguments.directory or Path(tempfile.mkdtemp(prefix="same_scores."))
    before = checkout(arguments.before, directory / "before")
    after = checkout(arguments.after, directory / "after")
    failed = 0
    for recipe in (one for one in RECIPES if arguments.only in one.directory):
        if recipe.words(before) is None:
            print(f"SKIPPED {recipe.directory}: no corpus {recipe.corpus} below EMOTION_CORPORA")
            continue
        problems = run(recipe, before) + run(recipe, after)
        found = {name: tables_of(root / recipe.directory) for name, root in (("before", before), ("after", after))}
        problems += differences(found["before"], found["after"])
        failed += bool(problems)
        print(f"{'DIFFERS' if problems else 'same'} {recipe.directory}: {len(found['before'])} tables before, "
              f"{len(found['after'])} after", *problems[:20], sep="\n  ", flush=True)
    return 1 if failed else 0


def checkout(commit: str, root: Path) -> Path:
    """A clone of this repository at `commit`; one that is there stays, so that its finished stages do."""
    if not root.exists():
        subprocess.run(["git", "clone", "-q", "--no-checkout", str(ROOT), str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "fetch", "-q", "origin"], check=True)
    named = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--verify", f"{commit}^{{commit}}"], check=True,
                           capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "--detach", named], check=True)
    return root


def run(recipe: Recipe, root: Path) -> list[str]:
    """Run the recipe with one thread; what went wrong, or nothing."""
    kept = {name: value for name, value in os.environ.items() if name not in ("ROOT", "PYTHONPATH")
            and (name == "EMOTION_CORPORA" or not name.startswith("EMOTION_"))}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(recipe.words(root) or [], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**kept, **threads, "EMOTION_NO_INSTALL": "1", "VIRTUAL_ENV": sys.prefix})
    return [f"{root.name}: exit status {done.returncode}: {done.stderr.strip()[-500:]}"] if done.returncode else []


def tables_of(recipe: Path) -> dict[str, Path]:
    """Every score table by its experiment and part: exp/<...>/seed<s>/scores/[<target>/]<part>.tsv. The variant of the
    extended ensemble was called +more before."""
    found = {}
    for path in recipe.rglob("scores/**/*.tsv"):
        place, _, rest = str(path.relative_to(recipe)).partition("exp/")[2].partition("/scores/")
        if rest and ".old" not in str(path):
            found[f"{place.replace('+more', '+extended')} {Path(rest).name}"] = path
    return found


def differences(before: dict[str, Path], after: dict[str, Path]) -> list[str]:
    """One line for each table that is not the same."""
    if not before:
        return ["there are no score tables"]
    lines = [f"{name}: not there after" for name in sorted(before.keys() - after.keys())]
    lines += [f"{name}: not there before" for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        lines += [f"{name}: {line}" for line in first_difference(read(before[name]), read(after[name]))]
    return lines


def read(path: Path) -> Table:
    with open(path, encoding="utf-8", newline="") as stream:
        return {tuple(row[name] for name in ROW if name in row): row for row in csv.DictReader(stream, delimiter="\t")}


def first_difference(before: Table, after: Table) -> Iterator[str]:
    if before.keys() != after.keys():
        yield f"other items: {sorted(before.keys() ^ after.keys())[:3]}"
        return
    for row, values in before.items():
        for column, value in values.items():
            if after[row].get(column) != value:
                yield f"{' '.join(row)}: {column} {value} before, {after[row].get(column)} after"
                return


if __name__ == "__main__":
    sys.exit(main())
