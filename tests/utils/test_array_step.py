"""A step of an array of tasks: its phases, its command through the dispatcher, its mistakes."""

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from utils.array_plan import ArrayPlan
from utils.array_step import DISPATCHER, JOB, Array, add_array_options, job_command, run_array
from utils.errors import UsageError
from utils.files import ROOT, write_text

MODULE = '''
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_array_step import step_main
from utils.errors import run_main
sys.exit(run_main(step_main))
'''


@dataclass
class Squares:
    """Task j writes the square of j; the end adds them up."""

    plan: ArrayPlan
    tasks: int
    size: str = "squares"

    def run(self, task: int) -> None:
        write_text(self.plan.out / f"square.{task}.txt", str(task * task))

    def finish(self) -> None:
        parts = [int((self.plan.out / f"square.{task}.txt").read_text()) for task in range(1, self.tasks + 1)]
        write_text(self.plan.out / "sum.txt", str(sum(parts)))


def step_main(argv):
    parser = argparse.ArgumentParser()
    add_array_options(parser)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args(argv)
    out = arguments.out
    plan = ArrayPlan(out, {"num_tasks": arguments.nj}, ("sum.txt", "square.*.txt"), "squaring", "squares.sh")
    array = Array("squares", "square", out, out / f"square.{JOB}.txt")
    return run_array(array, argv, arguments, lambda: Squares(plan, arguments.nj))


@pytest.fixture
def run(tmp_path):
    """Runs the step as a program; the module `squares` lies beside it."""
    (tmp_path / "squares.py").write_text(MODULE.format(tests=str(Path(__file__).parent)))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "EMOTION_PROGRESS": ""}

    def start(*words):
        return subprocess.run([sys.executable, "-m", "squares", *map(str, words)], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)
    return start


def test_the_whole_step_prepares_runs_every_task_and_finishes(run, tmp_path):
    done = run("--nj", 3, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/sum.txt").read_text() == "14"
    assert "squares, 3 of 3 tasks to do" in done.stdout
    (tmp_path / "out/square.2.txt").unlink()
    again = run("--nj", 3, tmp_path / "out")
    assert again.returncode == 0 and "squares, 1 of 3 tasks to do" in again.stdout


def test_a_task_that_fails_ends_the_step_before_its_finish(run, tmp_path):
    done = run("--nj", 2, "--cmd", "false", tmp_path / "out")
    assert done.returncode == 1 and not (tmp_path / "out/sum.txt").exists()


def test_a_task_beyond_the_array_and_a_foreign_leaf_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--task 3: expected 1 to 2"):
        step_main(["--nj", "2", "--task", "3", str(tmp_path)])
    with pytest.raises(UsageError, match="task 1 leaves"):
        step_main(["--nj", "2", "--task", "1", "--leaves", "other", str(tmp_path)])


def test_the_command_of_the_dispatcher_may_lie_below_a_name_with_spaces(monkeypatch):
    assert job_command(f"{DISPATCHER} --mem 4G") == [str(DISPATCHER), "--mem", "4G"]
    monkeypatch.setattr("utils.array_step.DISPATCHER", "/a b/job.sh")
    monkeypatch.setattr("utils.array_step.shutil.which", lambda name: name)
    assert job_command("/a b/job.sh --gpu 1") == ["/a b/job.sh", "--gpu", "1"]


@pytest.mark.parametrize("cmd", ["", "no-such-command-here --mem 4G"])
def test_a_command_that_is_not_there_is_one_line(cmd):
    with pytest.raises(UsageError, match="there is no such command"):
        job_command(cmd)


def test_a_task_that_is_whole_is_not_run_again(run, tmp_path):
    out = tmp_path / "out"
    assert run("--nj", 2, "--prepare", out).returncode == 0
    assert run("--nj", 2, "--task", 2, out).returncode == 0
    (out / "square.2.txt").write_text("done before")
    again = run("--nj", 2, "--task", 2, out)
    assert again.returncode == 0 and "task 2: square.2.txt is whole already" in again.stdout
    assert (out / "square.2.txt").read_text() == "done before"


def test_a_step_ended_by_a_signal_says_which(run, tmp_path):
    killer = tmp_path / "killer.sh"
    killer.write_text("#!/bin/sh\nkill -TERM $$\n")
    killer.chmod(0o755)
    assert run("--nj", 1, "--cmd", killer, tmp_path / "out").returncode == 128 + signal.SIGTERM
