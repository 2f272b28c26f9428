"""Compute every figure of the committed results again from their summaries, and rewrite the tables made of them:
RESULTS.json, RESULTS.md, and in README.md files what stands between

    <!-- results:begin egs/<corpus>/<system> -->  and  <!-- results:end -->

with `egs` alone for one table of all recipes. A recipe without RESULTS.json has no results yet, and its block says so.
With --check nothing is written, and the exit status is 1 where something differs; an empty block of a recipe without
results is told, but is no difference.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, reading, run_main
from utils.files import ROOT, write_texts

Row = dict[str, Any]

BLOCK = re.compile(r"(<!-- results:begin (\S+) -->\n)(.*?)(<!-- results:end -->)", re.DOTALL)

NO_RESULTS = "No results yet."
EVERY = "egs"  # the block of all recipes


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("recompute_results.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a table differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    arguments = parser.parse_args(argv)
    from steps.scoring import results

    root, wanted, all_rows = arguments.root.resolve(), {}, {}
    for path in sorted(root.glob("egs/*/*/RESULTS.json")):
        recipe = str(path.parent.relative_to(root))
        with reading(path, results.RESTORE):
            all_rows[recipe] = recomputed(results.load(path), path)
            wanted |= files_of(root, recipe, all_rows[recipe])
    wanted |= readmes(root, all_rows, keep_empty=arguments.check)
    different = {path: text for path, text in wanted.items() if differs(path, text)}
    if arguments.check:
        for path in different:
            print(f"{path.relative_to(root)} differs from what its summaries give; run steps/recompute_results.sh",
                  file=sys.stderr)
    else:
        write_texts(different)
        for path in different:
            print(f"wrote {path.relative_to(root)}")
    print(f"{len(all_rows)} results, {len(different)} of {len(wanted)} files "
          + ("differ" if arguments.check else "rewritten"))
    return 1 if different and arguments.check else 0


def differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_text(encoding="utf-8") != text


def files_of(root: Path, recipe: str, rows: Sequence[Row]) -> dict[Path, str]:
    """RESULTS.json and RESULTS.md of a recipe, as they should be."""
    from steps.scoring import results, tables

    path = root / recipe / "RESULTS.json"
    return {path: results.dump(rows), path.with_suffix(".md"): tables.markdown(rows, recipe)}


def readmes(root: Path, all_rows: Mapping[str, Sequence[Row]], only: Iterable[str] | None = None,
            keep_empty: bool = False) -> dict[Path, str]:
    """The README.md files as they should be.

    Args:
        all_rows: of every recipe that has results. only: the recipes whose blocks are filled, and that of all recipes;
            None: every block. keep_empty: see `fill`.
    """
    from steps.scoring import overview, tables

    made = {recipe: tables.tables(rows, "test", brief=True) for recipe, rows in all_rows.items()
            if only is None or recipe in only}
    made[EVERY] = overview.overview(all_rows) or NO_RESULTS
    found = [root / "README.md", *sorted(root.glob("egs/*/*/README.md"))]
    return {readme: fill(readme, made, root, only is not None, keep_empty) for readme in found if readme.is_file()}


def recomputed(rows: Sequence[Row], path: Path | None = None,
               remedy: str = "restore it with git checkout") -> list[Row]:
    """Every row computed again, against the reference that it names.

    Raises:
        UserError: a row of `path` is none of steps/scoring/results.py.
    """
    try:
        return _recomputed(rows)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError(f"{path or 'results'}: a row is damaged ({type(error).__name__}: {error}); "
                        f"{remedy}") from error


def _recomputed(rows: Sequence[Row]) -> list[Row]:
    from steps.scoring import falls, results

    named = {results.key_of(row): row.get("paired", {}).get("named") for row in rows}
    new = results.decide([results.recompute(row) for row in rows])
    for row in new:
        group = [other for other in new if other["corpus"] == row["corpus"]
                 and results.group_of(other) == results.group_of(row)]
        # the reference itself has no test; its group knows the name
        names = [named[results.key_of(other)] for other in group if named[results.key_of(other)]]
        results.add_paired(group, names[0] if names else None, [row])
    results.adjust(new)
    falls.add_falls(new)
    return new


def fill(readme: Path, tables: Mapping[str, str], root: Path, keep_others: bool = False,
         keep_empty: bool = False) -> str:
    """The text of a README with its tables; the block of a recipe without a table says that it has no results.

    Args:
        keep_others: leave such a block as it is. keep_empty: leave it empty where it is (as utils/new_recipe.sh makes
            it), and tell of it.

    Raises:
        UserError: a block without end, or of a recipe that does not exist.
    """
    text = readme.read_text(encoding="utf-8")

    def block(match: re.Match[str]) -> str:
        if not (root / match[2]).is_dir():
            raise UserError(f"{readme}: results:begin {match[2]}: there is no recipe {match[2]}")
        if keep_others and match[2] not in tables:
            return match[0]
        if keep_empty and match[2] not in tables and not match[3].strip():
            print(f"{readme.relative_to(root)}: {match[2]} has no results yet")
            return match[0]
        return f"{match[1]}\n{tables.get(match[2], NO_RESULTS)}\n\n{match[4]}"

    if text.count("<!-- results:begin ") != len(BLOCK.findall(text)):
        raise UserError(f"{readme}: a line <!-- results:begin egs/<corpus>/<system> --> has no <!-- results:end -->")
    return BLOCK.sub(block, text)


if __name__ == "__main__":
    sys.exit(run_main(main))
