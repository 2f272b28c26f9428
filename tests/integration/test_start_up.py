"""Starting is quick and says how to use what was started, for every entry point that there is: they are discovered."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.box import ROOT
from tests.patience import PATIENCE, least_processor_seconds

PYTHON_SECONDS, SHELL_SECONDS = 1.0, 0.5


def entry_points() -> list[str]:
    """Modules that can be run: `python -m steps.data.prepare`."""
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for room in ("steps", "local", "utils")
            for path in sorted((ROOT / room).rglob("*.py"))
            if "templates" not in path.parts and '__name__ == "__main__"' in path.read_text(encoding="utf-8")]


def scripts() -> list[str]:
    """Shell scripts that can be run: front ends, tools and recipes."""
    found = [path for pattern in ("steps/*.sh", "utils/*.sh", "local/*.sh", "egs/*/*/run.sh", "tests/run.sh")
             for path in sorted(ROOT.glob(pattern))]
    return [str(path.relative_to(ROOT)) for path in found if os.access(path, os.X_OK)]


def measured(words: list[str], limit: float, **options) -> tuple[subprocess.CompletedProcess[str], float]:
    """What a command said, and its processor time (s)."""
    return least_processor_seconds(lambda: subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, **options), limit)


def test_the_entry_points_are_found():
    assert {"steps.data.prepare", "steps.experiments.run_task", "utils.jobs.dispatch"} <= set(entry_points())
    assert {"steps/train_subsystem.sh", "utils/setup.sh", "egs/mini/ensemble/run.sh"} <= set(scripts())


@pytest.mark.parametrize("module", entry_points())
def test_help_of_a_module_in_a_second(tmp_path, module):
    done, seconds = measured([sys.executable, "-m", module, "--help"], PYTHON_SECONDS, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len(done.stdout) > 40 and not list(tmp_path.iterdir())
    assert seconds < PYTHON_SECONDS


@pytest.mark.parametrize("script", scripts())
def test_help_of_a_script_in_half_a_second(tmp_path, script):
    check_script(script, tmp_path, dict(os.environ))


@pytest.mark.parametrize("script", [name for name in scripts() if name.endswith("/run.sh")])
def test_help_of_a_recipe_needs_no_environment(tmp_path, script):
    check_script(script, tmp_path, {"PATH": os.defpath, "HOME": str(tmp_path)})


def check_script(script: str, tmp_path: Path, variables: dict[str, str]) -> None:
    done, seconds = measured([str(ROOT / script), "--help"], SHELL_SECONDS, cwd=tmp_path, env=variables)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len(done.stdout) > 40 and not list(tmp_path.iterdir())
    assert seconds < SHELL_SECONDS


@pytest.mark.parametrize("module", [name for name in entry_points() if name.startswith(("steps.", "local."))])
def test_an_unknown_option_is_one_line_and_status_2(tmp_path, module):
    if module.endswith("_process"):
        pytest.skip("takes no options: it is started by a program only")
    done = subprocess.run([sys.executable, "-m", module, "--no-such-option"], capture_output=True, text=True,
                          cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("script", [name for name in scripts() if name.startswith(("steps/", "egs/"))])
def test_an_unknown_option_of_a_script_is_one_line_and_status_2(tmp_path, script):
    done = subprocess.run([str(ROOT / script), "--no-such-option"], capture_output=True, text=True, cwd=tmp_path,
                          timeout=PATIENCE)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and "--no-such-option" in done.stderr and done.stderr.count("\n") == 1


# --- recipes -----------------------------------------------------------------------------------------------------

RECIPES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("egs/*/*/run.sh"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The files of the repository as a fresh clone has them, with those that are new; no environment."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    root = tmp_path_factory.mktemp("clone") / "a clone"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


@pytest.mark.parametrize("script", RECIPES)
def test_a_recipe_is_a_short_table_of_contents(script):
    path = ROOT / script
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert lines[0] == "#!/usr/bin/env bash" and lines[1].startswith("# ") and "set -euo pipefail" in lines
    assert lines[-1] == "run_stages" and os.access(path, os.X_OK)
    assert not any(word in line for line in lines for word in ("python", "eval ", "if [ $stage", "<<"))
    assert not list(path.parent.glob("**/*.py")) and not list(path.parent.glob("**/*.ipynb"))
    allowed = {"run.sh", "cmd.sh", "conf", "README.md", "RESULTS.json", "RESULTS.md"}
    known = subprocess.run(["git", "ls-files", "."], cwd=path.parent, capture_output=True, text=True).stdout.split()
    assert {name.split("/")[0] for name in known} <= allowed


@pytest.mark.parametrize("script", RECIPES)
def test_a_dry_run_needs_no_environment_and_leaves_nothing(clone, tmp_path, script):
    """With the system's own Python, which has no packages, and recordings that are not there."""
    system = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if os.access(path, os.X_OK)), None)
    if system is None:
        pytest.skip("no python3 of the system's own")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(system)

    def files() -> list[Path]:
        return sorted(path for path in clone.rglob("*") if "__pycache__" not in path.parts)

    before = files()
    text = (clone / script).read_text(encoding="utf-8")
    told = subprocess.run([str(clone / script), "--help"], capture_output=True, text=True, check=True).stdout
    options = [] if "stage_synthesize" in text else given_from_outside(told, tmp_path)
    bare = {"PATH": f"{tmp_path}/bin:{os.defpath}", "HOME": str(tmp_path)}
    done = subprocess.run([str(clone / script), "--dry-run", *options], capture_output=True, text=True,
                          timeout=PATIENCE, cwd=tmp_path, env=bare)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    numbers = [int(line.split()[0]) for line in done.stdout.splitlines() if "would run" in line]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= {int(number) for number in re.findall(r"^stage\w* +(\d+)", text, flags=re.MULTILINE)} > set()
    assert files() == before


@pytest.mark.parametrize("script", RECIPES)
def test_all_that_a_recipe_may_do_beside_can_be_done_at_once(clone, tmp_path, script):
    told = subprocess.run([str(clone / script), "--help"], capture_output=True, text=True, check=True).stdout
    options = given_from_outside(told, tmp_path) + switched_over(told)
    done = subprocess.run([str(clone / script), "--dry-run", *options], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def switched_over(told: str) -> list[str]:
    """Options that a recipe's --help tells: each switch the other way, and noise at the published ratios."""
    switches = re.findall(r"--(\S+) .*\(default: (true|false); one of: [^)]*\)", told)
    words = [word for name, value in switches for word in (f"--{name}", "false" if value == "true" else "true")]
    return words + (["--noise", "20 10 5 0"] if "--noise " in told else [])


def given_from_outside(told: str, directory: Path) -> list[str]:
    """Options that a recipe's --help tells: `directory` stands for recordings, and for what other recipes make.

    A recipe that synthesizes its recordings makes everything itself.
    """
    for name in ("lexicon.txt", "cuts.jsonl.gz", "corpus.json"):  # a corpus may bring one; a data set has the others
        (directory / name).touch()
    for name in ("phone_states", "tokens", "data/synthetic", "exp/recognizer", "splits"):
        (directory / name).mkdir(parents=True)
        (directory / name / "file").touch()
    options = ("corpus-dir", "corpora-dir", "corpora", "asr", "extractors", "init")
    values = {"corpora": f"one={directory} two={directory}"}
    return [word for name in options if f"--{name} " in told
            for word in (f"--{name}", values.get(name, str(directory)))]
