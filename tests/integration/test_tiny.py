"""The tiny mini recipe from a clean clone: every stage, nothing twice, and the same scores on Slurm."""

import os
import subprocess
import sys
import time

import pytest

from tests.soak.workshop import Workshop
from tests.utils.slurm_cluster import roomy_slurm  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STAGES = 19


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A clone in which the recipe ran once."""
    made = Workshop(tmp_path_factory.mktemp("tiny"))
    made.clone()
    (made.directory / "status").write_text(changed_files(made))
    return made


def changed_files(shop: Workshop) -> str:
    """What git says of the clone."""
    return subprocess.run(["git", "-C", str(shop.root), "status", "--porcelain"], capture_output=True, text=True,
                          check=True).stdout


def call(shop: Workshop, *options: str, **environment: str) -> subprocess.CompletedProcess:
    """run.sh as a user calls it, without its recogniser (test_recogniser_recipes.py has that)."""
    return subprocess.run([str(shop.recipe / "run.sh"), "--size", "tiny", "--asr", "none", *options],
                          capture_output=True, text=True, cwd="/", env={**os.environ, **environment}, timeout=1200)


def state(shop: Workshop) -> dict[str, tuple[int, int, int]]:
    """Every file and directory in the clone but git's own: inode, size, time of change."""
    found = {}
    for path in shop.root.rglob("*"):
        if ".git" not in path.parts and "__pycache__" not in path.parts:
            status = path.lstat()
            found[str(path.relative_to(shop.root))] = (status.st_ino, status.st_size if path.is_file() else 0,
                                                       status.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def first(shop):
    """The first run and its seconds."""
    began = time.monotonic()
    done = call(shop)
    return done, time.monotonic() - began


def test_a_clean_clone_runs_every_stage(shop, first, capsys):
    done, seconds = first
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{STAGES} of {STAGES} stages ran" in done.stdout
    with capsys.disabled():
        print(f"\ntiny recipe from a clean clone: {seconds:.1f} s (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    for name in ("RESULTS.md", "RESULTS.json", "report/index.html", "audit/official.json"):
        assert (shop.recipe / "tiny/exp" / name).stat().st_size > 100
    assert changed_files(shop) == (shop.directory / "status").read_text()


def test_again_nothing_runs_in_three_seconds_and_no_file_changes(shop, first, capsys):
    assert first[0].returncode == 0
    before, began = state(shop), time.monotonic()
    done = call(shop)
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\nagain: {seconds:.2f} s (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
    assert done.returncode == 0 and done.stdout.count("done already") == STAGES and "stages ran" not in done.stdout
    # The lock comes and goes in the work directory, so that directory's own time moves.
    after = state(shop)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert moved <= {"egs/mini/ensemble/tiny"}
    assert seconds < 3


def test_on_slurm_the_same_scores(shop, first, roomy_slurm):  # noqa: F811
    assert first[0].returncode == 0
    local = shop.read_scores()
    kept = shop.work.rename(shop.work.with_name("tiny.local"))
    done = call(shop, "--cluster", "slurm", **roomy_slurm.environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(local) == 28 and shop.read_scores() == local
    log = (shop.work / "exp/dnn_is10/official/log/train.1.log").read_text()
    assert "(slurm " in log and "(local)" in (kept / "exp/dnn_is10/official/log/train.1.log").read_text()
