"""Write EXP/report/index.html: one self-contained page with tables, pictures, the worst errors, the leak audit, the
configuration and the environment. Reads EXP/scored/<protocol>.json, which steps/score.sh writes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import run_main
from utils.files import write_text


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("make_report.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--results", type=Path, metavar="STEM", help="the page names STEM.json (EXP/RESULTS)")
    parser.add_argument("--worst", type=int, default=15, metavar="N", help="errors that are listed (%(default)s)")
    parser.add_argument("--embed-audio", type=int, default=0, metavar="N",
                        help="put the first N recordings of them into the page (%(default)s: players read the files)")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    arguments = parser.parse_args(argv)
    from steps.data.dataset import Dataset
    from steps.report.content import gather
    from steps.report.page import render
    from steps.scoring.continued import stem_of

    data = Dataset.open(arguments.data)
    page = arguments.exp / "report" / "index.html"
    text = render(gather(data, data.split(arguments.protocol), arguments.exp, stem_of(arguments), page,
                         max(arguments.worst, arguments.embed_audio), arguments.embed_audio, arguments.leave_out))
    write_text(page, text)
    print(f"wrote {page} ({len(text.encode()) / 1024:.0f} KiB)")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
