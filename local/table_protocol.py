"""Print the protocol that a table's recipe starts with, and whether its speakers are known (utils/new_recipe.sh)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from local.table import load_table
from utils.arguments import ArgumentParser
from utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="local.table_protocol", description=__doc__)
    parser.add_argument("table", type=Path, help="tab-separated table; see local/table.py")
    table: Path = parser.parse_args(argv).table
    _, rows, protocols = load_table(table, None, table.stem, Problems())
    known = bool(rows) and all(row.speaker for row in rows)
    print(f"{protocols(rows)[0].name}\t{'speakers known' if known else 'speakers unknown'}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
