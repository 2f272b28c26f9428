"""The stage engine's program: reads what run.sh declared from file descriptor 3 and runs what is missing or stale.

run.sh becomes this process (utils/stage.sh), so killing run.sh is killing the engine; the leash then kills the stage.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from utils.errors import UserError, run_main  # noqa: E402 (the path comes first)
from utils.stages.engine import Engine  # noqa: E402
from utils.stages.graph import read_recipe  # noqa: E402


def main(_: object = None) -> int:
    """Read the recipe from descriptor 3 and run it."""
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return 0
    with os.fdopen(3, "rb") as stream:
        recipe = read_recipe(stream.read())
    os.chdir(recipe.directory)
    try:
        return Engine(recipe).main()
    except (RuntimeError, subprocess.SubprocessError) as error:
        raise UserError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run_main(main))
