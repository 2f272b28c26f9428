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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import ROOT, write_text

BLOCK = re.compile(r"(<!-- results:begin (\S+) -->\n)(.*?)(<!-- results:end -->)", re.DOTALL)

NO_RESULTS = "No results yet."
EVERY = "egs"  # the block of all recipes


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("recompute_results.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a table differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    arguments = parser.parse_args(argv)
    from steps.scoring import overview, results, tables

    root, wanted, made, all_rows = arguments.root.resolve(), {}, {}, {}
    for path in sorted(root.glob("egs/*/*/RESULTS.json")):
        recipe = str(path.parent.relative_to(root))
        rows = all_rows[recipe] = recomputed(results.load(path))
        wanted[path] = results.dump(rows)
        wanted[path.with_suffix(".md")] = tables.markdown(rows, recipe)
        made[recipe] = tables.tables(rows, "test", brief=True)
    made[EVERY] = overview.overview(all_rows) or NO_RESULTS
    for readme in [root / "README.md", *sorted(root.glob("egs/*/*/README.md"))]:
        if readme.is_file():
            wanted[readme] = fill(readme, made, root, arguments.check)
    different = [path for path, text in wanted.items()
                 if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in different:
        name = path.relative_to(root)
        if arguments.check:
            print(f"{name} differs from what its summaries give; run steps/recompute_results.sh", file=sys.stderr)
        else:
            write_text(path, wanted[path])
            print(f"wrote {name}")
    print(f"{len(all_rows)} results, {len(different)} of {len(wanted)} files "
          + ("differ" if arguments.check else "rewritten"))
    return 1 if different and arguments.check else 0


def recomputed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row computed again, against the reference that it names."""
    from steps.scoring import cross_corpus, results

    named = {results.key_of(row): row.get("paired", {}).get("named") for row in rows}
    new = results.decide([results.recompute(row) for row in rows])
    for row in new:
        group = [other for other in new if other["corpus"] == row["corpus"]
                 and results.group_of(other) == results.group_of(row)]
        # the reference itself has no test; its group knows the name
        names = [named[results.key_of(other)] for other in group if named[results.key_of(other)]]
        results.add_paired(group, names[0] if names else None, [row])
    cross_corpus.add_falls(new)
    return new


def fill(readme: Path, tables: dict[str, str], root: Path, keep_empty: bool = False) -> str:
    """The text of a README with its tables; the block of a recipe without results says so.

    Args:
        keep_empty: leave such a block empty where it is (as utils/new_recipe.sh makes it), and tell of it.

    Raises:
        UserError: a block without end, or of a recipe that does not exist.
    """
    text = readme.read_text(encoding="utf-8")

    def block(match: re.Match[str]) -> str:
        if not (root / match[2]).is_dir():
            raise UserError(f"{readme}: results:begin {match[2]}: there is no recipe {match[2]}")
        if keep_empty and match[2] not in tables and not match[3].strip():
            print(f"{readme.relative_to(root)}: {match[2]} has no results yet")
            return match[0]
        return f"{match[1]}\n{tables.get(match[2], NO_RESULTS)}\n\n{match[4]}"

    if text.count("<!-- results:begin ") != len(BLOCK.findall(text)):
        raise UserError(f"{readme}: a line <!-- results:begin egs/<corpus>/<system> --> has no <!-- results:end -->")
    return BLOCK.sub(block, text)


if __name__ == "__main__":
    sys.exit(run_main(main))
