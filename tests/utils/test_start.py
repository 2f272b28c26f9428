"""What every script does first (utils/start.sh): wherever it stands, from wherever and however it is called."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = '"$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")'
HEADS = {"start": rf'\. {re.escape(HERE)}[./]*(/utils)?/start\.sh"',
         "front end": rf'\. {re.escape(HERE)}/\.\./utils/front_end\.sh"',
         "recipe": rf'cd {re.escape(HERE)}"\n\. \.\./\.\./\.\./utils/recipe\.sh'}


def executable_scripts() -> list[str]:
    """Bash scripts that a person may start: by their first line and their mode, whatever their name."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.split("\0") if name and os.access(ROOT / name, os.X_OK)]
    return [name for name in names if (ROOT / name).read_bytes().startswith(b"#!/usr/bin/env bash\n")] + \
        ["utils/templates/ensemble/run.sh"]


def test_every_script_starts_by_the_one_mechanism() -> None:
    scripts = executable_scripts()
    assert {"steps/score.sh", "egs/mini/ensemble/run.sh", "tests/run.sh", "utils/setup.sh", ".ci/run"} <= set(scripts)
    for name in scripts:
        text = (ROOT / name).read_text(encoding="utf-8")
        first = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).removeprefix("set -euo pipefail\n")
        assert any(re.match(head, first) for head in HEADS.values()), f"{name} does not begin as the others do"
        assert not re.search(r'dirname "\$0"|dirname "\$\{BASH_SOURCE', text), name
    for name in ("utils/front_end.sh", "utils/recipe.sh"):
        assert "/start.sh" in (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with links to scripts, and one where a user has modules of the names of ours and of Python's own."""
    house = tmp_path_factory.mktemp("house")
    for name in ("steps/score.sh", "steps/train_subsystem.sh", "utils/job.sh", "egs/mini/pyresnet/run.sh",
                 "tests/run.sh"):
        (house / name.replace("/", "-")).symlink_to(ROOT / name)
    for name in ("utils/__init__", "steps/__init__", "local/__init__", "random", "queue", "collections", "types"):
        (house / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (house / "mine" / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the working directory')\n")
    return house


def call(*words: str | Path, cwd: Path, shell: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    argv = ["bash", "-c", shell, "bash"] if shell else []
    return subprocess.run([*argv, *map(str, words)], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize("link", ["steps-score.sh", "steps-train_subsystem.sh", "utils-job.sh", "tests-run.sh",
                                  "egs-mini-pyresnet-run.sh"])
def test_through_a_link_and_with_cdpath_in_a_directory_with_modules_of_the_same_names(house: Path, link: str) -> None:
    done = call(house / link, "--help", cwd=house / "mine", CDPATH=f".:{house}:{ROOT}:{ROOT}/egs", PYTHONPATH=":")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "--" in done.stdout and str(house) not in done.stdout.replace(str(house / link), "")


@pytest.mark.parametrize("name", ["utils/job.sh", "egs/mini/ensemble/run.sh"])
def test_cdpath_leads_to_no_other_checkout(house: Path, name: str) -> None:
    """`cd egs/mini/ensemble` would go to the one below a directory of CDPATH."""
    other = house / "other" / name
    other.parent.mkdir(parents=True, exist_ok=True)
    done = call(name, "--help", cwd=ROOT, CDPATH=str(house / "other"))
    assert (done.returncode, done.stderr) == (0, "")


def test_tasks_import_nothing_from_the_working_directory(house: Path) -> None:
    """The dispatcher, the wrapper of a task and the task itself, each started by `python -m`."""
    code = "import json, random, sys; json.dump([random.__file__, sys.path], sys.stdout)"
    done = call(ROOT / "utils/job.sh", "JOB=1:1", f"{house}/log/x.{{JOB}}.log", "python", "-c", code,
                cwd=house / "mine")
    log = (house / "log/x.1.log").read_text()
    assert done.returncode == 0, done.stderr + log
    assert str(house / "mine") not in next(line for line in log.splitlines() if line.startswith("["))


def test_what_safe_path_means_is_kept_by_the_part_for_python_3_10(house: Path, tmp_path: Path) -> None:
    """Run by the Python of the tests: 3.10 in the lane of k2, where this is what counts."""
    (tmp_path / "sitecustomize.py").write_text("import os; os.environ['HIDDEN'] = 'ran'\n")
    path = os.pathsep.join(map(str, (ROOT / "utils/python310", ROOT, tmp_path)))
    code = "import os, random, utils.errors; print(os.environ['HIDDEN'], utils.errors.__file__)"
    for words in (["-c", code], ["-m", "utils.differences", "--help"]):
        done = call(sys.executable, *words, cwd=house / "mine", PYTHONPATH=path, PYTHONSAFEPATH="1")
        assert done.returncode == 0, done.stderr
        assert "-m" in words or done.stdout == f"ran {ROOT}/utils/errors.py\n"


def test_a_program_that_stands_beside_a_package_utils_of_its_own_may_import_ours(house: Path, tmp_path: Path) -> None:
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils/__init__.py").touch()
    code = "import steps, utils.errors; print(utils.errors.__file__)"
    done = call(sys.executable, "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{ROOT}/utils/errors.py\n"), done.stderr
    done = call(sys.executable, "-c", f"import utils; {code}", cwd=tmp_path)
    assert done.returncode == 1 and f"({tmp_path}/utils/__init__.py)" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_not_given_to_the_next_file(tmp_path: Path, closed: str) -> None:
    code = "import os; print(os.open('x', os.O_WRONLY | os.O_CREAT), file=open('y', 'w'))"
    (tmp_path / "script.sh").write_text(f'. "{ROOT}/utils/start.sh"\necho out; echo err >&2\n"$1" -c "$2"\n')
    done = call("script.sh", sys.executable, code, cwd=tmp_path, shell=f'exec bash "$@" {closed}')
    assert done.returncode == 0 and int((tmp_path / "y").read_text()) > 2
    assert (tmp_path / "x").read_bytes() == b""
    assert done.stdout == ("" if ">&- " in f"{closed} ".replace("2>&-", "") else "out\n")


@pytest.mark.parametrize("version, passes", [("3 2", False), ("4 1", False), ("4 2", True), ("5 0", True)])
def test_an_old_bash_is_one_line_that_says_what_to_do(tmp_path: Path, version: str, passes: bool) -> None:
    text = (ROOT / "utils/start.sh").read_text(encoding="utf-8").replace("BASH_VERSINFO", "feigned")
    (tmp_path / "start.sh").write_text(f"feigned=({version})\n{text}\necho went on\n")
    done = call("bash", "-euo", "pipefail", "start.sh", cwd=tmp_path)
    if passes:
        assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
    else:
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "4.2" in done.stderr and "brew install bash" in done.stderr


def test_the_check_of_the_version_can_be_read_by_any_shell() -> None:
    """What stands before it, here and in the scripts, is plain enough for bash 3.2: even a POSIX shell reads it."""
    head, found, _ = (ROOT / "utils/start.sh").read_text(encoding="utf-8").partition("exit 2\nfi\n")
    assert found and not re.search(r"\[\[|\(\(|<\(|\+=|\blocal\b|\bdeclare\b", head)


def test_posix_mode_from_the_environment_changes_nothing(house: Path) -> None:
    done = call(ROOT / "egs/mini/pyresnet/run.sh", "--dry-run", cwd=house, POSIXLY_CORRECT="1")
    assert (done.returncode, done.stderr) == (0, "") and "would run" in done.stdout


def test_a_checkout_has_the_line_ends_of_unix_whatever_git_is_told() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    told = subprocess.run(["git", "check-attr", "-z", "--stdin", "eol"], cwd=ROOT, capture_output=True,
                          input=listed.stdout, check=True).stdout.split(b"\0")
    assert len(told) > 1000 and set(told[2::3]) == {b"lf"}
    assert not [name for name in executable_scripts() if b"\r" in (ROOT / name).read_bytes()]


def test_a_cmd_sh_with_the_line_ends_of_windows_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(f'set -euo pipefail\n. "{ROOT}/utils/recipe.sh"\necho went on\n')
    (tmp_path / "cmd.sh").write_bytes(b'#!/usr/bin/env bash\r\n\r\ncpu_cmd="job.sh"\r\n')
    done = call("bash", "run.sh", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{tmp_path}/cmd.sh has the line ends of Windows" in done.stderr


def test_help_has_the_text_at_the_head_of_the_recipe_from_wherever_it_is_called(house: Path) -> None:
    for words, cwd in ((["egs/mini/pyresnet/run.sh"], ROOT), ([house / "egs-mini-pyresnet-run.sh"], house)):
        assert "The synthetic corpus" in call(*words, "--help", cwd=cwd).stdout


def test_in_a_checkout_that_is_read_only_one_line_says_what_to_do(tmp_path: Path) -> None:
    mount = f'mount --bind "{ROOT}" "{ROOT}" && mount -o remount,ro,bind "{ROOT}"'
    space = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*space, "bash", "-c", mount], capture_output=True).returncode:
        pytest.skip("no file system can be made read-only here")

    def tried(command: str) -> subprocess.CompletedProcess[str]:
        return call(*space, "bash", "-c", f'{mount}; cd "{ROOT}"; exec {command}', cwd=tmp_path, EMOTION_NO_INSTALL="")

    for command in ("egs/mini/pyresnet/run.sh --size tiny", "utils/new_recipe.sh nowhere ensemble",
                    "utils/setup.sh --force"):
        done = tried(command)
        assert (done.returncode != 0, done.stderr.count("\n")) == (True, 1), done.stderr
        assert done.stderr.startswith("error: ") and "clone the repository to where you may write" in done.stderr
    done = tried(f"steps/prepare_data.sh --corpus mini --corpus-dir {tmp_path}/none {tmp_path}/data")
    assert done.stderr.startswith("error: ") and str(tmp_path) in done.stderr and "ead-only" not in done.stderr


def test_scripts_use_nothing_that_came_after_bash_4_2() -> None:
    newer = re.compile(r"\$\{[^}]*@[QEPAaUuLK]\}|\b(?:local|declare|typeset) -\w*n\w* |mapfile|readarray -d|\bwait -n"
                       r"|\[\[ -v |\[-\d+\]=|shopt -s inherit_errexit|EPOCH(?:SECONDS|REALTIME)|SRANDOM")
    names = subprocess.run(["git", "ls-files", "-z", "*.sh", ".ci"], cwd=ROOT, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            assert not newer.search(line.partition(" #")[0]), f"{name}:{number}: {line}"
