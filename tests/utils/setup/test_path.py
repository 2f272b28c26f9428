"""Who gets an environment installed, decided by who calls: with a small copy of the repository and a feigned set-up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

RECIPE = """#!/usr/bin/env bash
# A recipe of the tests.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
option nj 1 "tasks" --int --free
parse_options "$@"
. "$ROOT/path.sh"
stage 1 "Use it" --out made -- steps/use.sh made
run_stages
"""
FRONT_END = """#!/usr/bin/env bash
# A front end of the tests.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
[ $# -eq 0 ] || command -v python > "$1"
"""
SET_UP = """#!/usr/bin/env bash
# Makes an environment with all that is needed.
cd "$(dirname "$0")/.."
echo installed >> installed
mkdir -p .venv/bin
printf '#!/bin/sh\\nexit 0\\n' > .venv/bin/python
chmod +x .venv/bin/python
"""


MAIN = 'if __name__ == "__main__":\n'
LACKS = (ROOT / "utils/setup/environment.py").read_text(encoding="utf-8").replace(
    MAIN, f"{MAIN}    print('lacks all')\n    sys.exit(1)\n")


class Clone:
    """A bare clone with one recipe, egs/a/b/run.sh, one front end, and tests/run.sh."""

    def __init__(self, root: Path):
        self.root = root
        shutil.copytree(ROOT / "utils", root / "utils", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "path.sh", root)
        for name, text in (("egs/a/b/run.sh", RECIPE), ("steps/use.sh", FRONT_END), ("utils/setup.sh", SET_UP),
                           ("tests/run.sh", (ROOT / "tests/run.sh").read_text(encoding="utf-8")),
                           ("utils/setup/environment.py", LACKS)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
            (root / name).chmod(0o755)
        self.env = {"PATH": f"{Path(sys.base_prefix) / 'bin'}:{os.defpath}"}  # no HOME, no CI

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script as cron does: no terminal at all."""
        return subprocess.run([str(self.root / words[0]), *words[1:]], env={**self.env, **env}, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=60)

    @property
    def installed(self) -> int:
        """How many times set-up ran."""
        path = self.root / "installed"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("house") / "a clone")


@pytest.fixture
def clone(made: Clone) -> Clone:
    """The clone, bare again."""
    for name in (".venv", "egs/a/b/.stages"):
        shutil.rmtree(made.root / name, ignore_errors=True)
    for name in ("installed", "egs/a/b/made"):
        (made.root / name).unlink(missing_ok=True)
    return made


def test_a_recipe_installs_without_a_terminal_says_so_in_one_line_and_goes_on(clone: Clone) -> None:
    done = clone.run("egs/a/b/run.sh")
    assert done.returncode == 0, done.stderr
    assert clone.installed == 1
    assert done.stderr.count("\n") == 1 and "installing" in done.stderr and f"{clone.root}/.venv" in done.stderr
    assert (clone.root / "egs/a/b/made").read_text() == f"{clone.root}/.venv/bin/python\n"
    again = clone.run("egs/a/b/run.sh", "--why", "1")
    assert (again.returncode, again.stderr, clone.installed) == (0, "", 1)


def test_the_tests_install_too(clone: Clone) -> None:
    done = clone.run("tests/run.sh", "--unit")
    assert clone.installed == 1 and "installing" in done.stderr.splitlines()[0]
    assert "no environment with" not in done.stderr


@pytest.mark.parametrize("script, name", [("egs/a/b/run.sh", "EMOTION_NO_INSTALL"), ("egs/a/b/run.sh", "EMOTION_STAGE"),
                                          ("egs/a/b/run.sh", "EMOTION_JOB"), ("tests/run.sh", "EMOTION_NO_INSTALL")])
def test_forbidden_or_inside_a_stage_or_a_job_nothing_is_installed(clone: Clone, script: str, name: str) -> None:
    done = clone.run(script, CI="true", **{name: "1"})
    assert done.returncode == 2 and clone.installed == 0
    assert done.stderr.count("\n") == 1 and f"run {clone.root}/utils/setup.sh" in done.stderr


@pytest.mark.parametrize("option", [("--help",), ("--dry-run",), ("--why", "1"), ("--nj", "x")])
def test_what_runs_nothing_installs_nothing(clone: Clone, option: tuple[str, ...]) -> None:
    done = clone.run("egs/a/b/run.sh", *option)
    assert done.returncode == (2 if option[0] == "--nj" else 0), done.stderr
    assert clone.installed == 0 and not (clone.root / ".venv").exists()


def test_a_front_end_called_by_hand_says_what_to_do(clone: Clone) -> None:
    done = clone.run("steps/use.sh", CI="true")
    assert (done.returncode, done.stdout, clone.installed) == (2, "", 0)
    assert done.stderr.count("\n") == 1 and f"run {clone.root}/utils/setup.sh" in done.stderr


def test_a_set_up_that_fails_ends_the_run(clone: Clone) -> None:
    set_up = clone.root / "utils/setup.sh"
    set_up.write_text("#!/bin/sh\necho 'error: set-up failed: why' >&2\nexit 1\n")
    try:
        done = clone.run("egs/a/b/run.sh")
    finally:
        set_up.write_text(SET_UP)
    assert done.returncode == 1 and done.stderr.splitlines()[1:] == ["error: set-up failed: why"]
    assert not (clone.root / "egs/a/b/made").exists()
