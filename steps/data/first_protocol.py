"""Print the protocol that a corpus's recipe starts with, and whether its speakers are known (utils/new_recipe.sh).

Mistakes of the corpus are no matter here: preparation tells them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from utils.arguments import ArgumentParser
from utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="steps.data.first_protocol", description=__doc__)
    parser.add_argument("--corpus", required=True, help="its name: local/NAME.py, or with --table any")
    parser.add_argument("--corpus-dir", help="the corpus in its layout")
    parser.add_argument("--table", help="tab-separated table; see local/table.py")
    parser.set_defaults(corpus_module=None, fields="", data=Path("data"))
    args = parser.parse_args(argv)
    from steps.data.checks import check_rows, plain_classes, typed_rows
    from steps.data.fields import load_fields
    from steps.data.source import load_source

    source = load_source(args)
    corpus = plain_classes(source.corpus)
    rows, _ = check_rows(typed_rows(source.rows, source.problems), corpus, load_fields(corpus.fields),
                         source.problems, may_pass=source.table)
    known = bool(rows) and all(row.speaker for row in rows)
    print(f"{source.protocols(rows)[0].name}\t{'speakers known' if known else 'speakers unknown'}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
