"""The README's two commands in their order on a fresh clone, without a terminal: the tiny mini recipe runs every stage,
nothing twice, the checkout stays clean, the tests that look at the checkout pass; publishing changes the tables alone.
On Slurm the scores are the same.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import processor_seconds
from tests.soak.workshop import Workshop
from tests.utils.slurm_cluster import roomy_slurm  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STAGES = 19


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A clone in which the recipe ran once."""
    made = Workshop(tmp_path_factory.mktemp("tiny"))
    made.clone()
    if git(made.root, "status", "--porcelain"):  # what is being worked on belongs to the clone
        git(made.root, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qam", "as it is")
    return made


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout


def call(shop: Workshop, *options: str, **environment: str) -> subprocess.CompletedProcess:
    """run.sh as cron calls it, without its recognizer (test_recognizer_recipes.py has that)."""
    return without_terminal([str(shop.recipe / "run.sh"), "--size", "tiny", "--asr", "none", *options], "/",
                            **environment)


def without_terminal(words: list[str], directory: str | Path, **environment: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH", "ROOT")}
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=directory,
                          env={**kept, **environment}, timeout=1200)


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
    assert git(shop.root, "status", "--porcelain") == ""


def test_again_nothing_runs_in_three_seconds_and_no_file_changes(shop, first, capsys):
    assert first[0].returncode == 0
    before = state(shop)
    done, seconds = processor_seconds(lambda: call(shop))
    with capsys.disabled():
        print(f"\nagain: {seconds:.2f} s of processor time", file=sys.stderr)
    assert done.returncode == 0 and done.stdout.count("done already") == STAGES and "stages ran" not in done.stdout
    # The lock comes and goes in the work directory, so that directory's own time moves.
    after = state(shop)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert moved <= {"egs/mini/ensemble/tiny"}
    assert seconds < 3


def test_then_the_tests_that_look_at_the_checkout_pass_and_leave_it_clean(shop, first):
    assert first[0].returncode == 0
    looking = ["tests/steps/scoring/test_recompute.py", "tests/utils/test_lint.py",
               "tests/integration/test_start_up.py::test_a_recipe_is_a_short_table_of_contents"]
    done = without_terminal([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow",
                             *looking], shop.root)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert git(shop.root, "status", "--porcelain") == ""


def test_publishing_changes_the_tables_and_nothing_else(shop, first, tmp_path):
    assert first[0].returncode == 0
    name, copy = "egs/mini/ensemble", tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(shop.root), str(copy))
    publish = [str(copy / "steps/publish_results.sh")]
    shutil.copytree(shop.work / "exp", copy / name / "exp", ignore=lambda at, names: {
        entry for entry in names if not entry.startswith("RESULTS")})
    refused = without_terminal([*publish, name], copy)
    assert refused.returncode == 1 and "of --size tiny" in refused.stderr and refused.stderr.count("\n") == 1
    path = copy / name / "exp/RESULTS.json"
    content = json.loads(path.read_text())
    for row in content["rows"]:  # as a full run of what is committed would have made them
        row["marks"].remove("size tiny")
        row["commit"] = row["commit"].rstrip("+")
    path.write_text(json.dumps(content))
    rehearsed = without_terminal([*publish, "--dry-run", name], copy)
    assert rehearsed.returncode == 0 and git(copy, "status", "--porcelain") == ""
    done = without_terminal([*publish, name], copy)
    assert done.returncode == 0, done.stderr
    assert sorted(git(copy, "status", "--porcelain").splitlines()) == [
        f" M {changed}" for changed in ("README.md", *(f"{name}/{file}" for file in (
            "README.md", "RESULTS.json", "RESULTS.md")))]
    assert done.stdout.replace("wrote ", "would write ") == rehearsed.stdout
    checked = without_terminal([str(copy / "steps/recompute_results.sh"), "--check"], copy)
    assert checked.returncode == 0, checked.stderr
    assert without_terminal([*publish, name], copy).stdout == f"{name}: nothing new\n"


def test_on_slurm_the_same_scores(shop, first, roomy_slurm):  # noqa: F811
    assert first[0].returncode == 0
    local = shop.read_scores()
    kept = shop.work.rename(shop.work.with_name("tiny.local"))
    done = call(shop, "--cluster", "slurm", **roomy_slurm.environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(local) == 28 and shop.read_scores() == local
    marker = json.loads(next((shop.work / ".stages").glob("*.31.json")).read_text())
    assert "steps/models/svm.py" in marker["code"] and "scikit-learn" in marker["packages"]
    assert "steps/training/trainer.py" not in marker["code"], "it trains no network"
    log = (shop.work / "exp/dnn_is10/official/log/train.1.log").read_text()
    assert "(slurm " in log and "(local)" in (kept / "exp/dnn_is10/official/log/train.1.log").read_text()


def test_only_some_subsystems_and_then_the_rest(shop, first):
    assert first[0].returncode == 0
    scores = shop.read_scores()
    for name in ("svm_is10", "attention_lld"):
        shutil.rmtree(shop.work / "exp" / name / "official")
    done = call(shop, "--only", "svm_is10 forest_is10")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "31  Train svm_is10: ran" in done.stdout and "Train attention_lld" not in done.stdout
    rows = json.loads((shop.work / "exp/scored/official.json").read_text())["rows"]
    assert {"svm_is10", "forest_is10", "fusion_equal"} <= {row["subsystem"] for row in rows}
    assert "attention_lld" not in {row["subsystem"] for row in rows}
    done = call(shop)
    trained = [line for line in done.stdout.splitlines() if "  Train " in line and ": ran" in line]
    assert done.returncode == 0 and len(trained) == 1 and "Train attention_lld" in trained[0]
    assert scores.items() <= shop.read_scores().items()  # and what gave place, as .old
