"""A step that is done by the tasks of an array: prepare, tasks through the job dispatcher, finish.

A module with such a step declares its options once, here and in its own parser, and its front end is one line:

    parser = ArgumentParser("extract_features.sh", ...)
    add_array_options(parser)
    arguments = parser.parse_args(argv)
    array = Array("steps.features.extract", "extract", out, out / "index.{JOB}.tsv")
    return run_array(array, argv, arguments, lambda: open_work(arguments))

Without --prepare, --task or --finish all three run, each as a process of its own: what the first and the last need in
memory is gone while the tasks run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from utils.arguments import count
from utils.array_plan import ArrayPlan
from utils.errors import UsageError
from utils.files import ROOT

PYTHON = "python"  # of path.sh, or of a cluster's prologue where a task runs
JOB = "{JOB}"  # what the dispatcher replaces by the number of a task
DISPATCHER = ROOT / "utils" / "job.sh"


class Work(Protocol):
    """The work of an array step, opened in each of its processes.

    Attributes:
        plan: what all tasks share.
        size: what there is to do, for a line of progress: "1440 utterances".
    """

    plan: ArrayPlan
    size: str

    def run(self, task: int) -> None:
        """Do task 1 ... num_tasks; its output appears whole, at the end."""

    def finish(self) -> None:
        """Count what came out; write what vouches for the whole."""


@dataclass(frozen=True)
class Array:
    """
    Attributes:
        module: that runs the step. name: of its logs.
        out: directory of the step. leaves: what a finished task leaves, with JOB for its number.
    """

    module: str
    name: str
    out: Path
    leaves: Path

    def left_by(self, task: int) -> Path:
        return Path(str(self.leaves).replace(JOB, str(task)))


def add_array_options(parser: argparse.ArgumentParser) -> None:
    """--nj and --cmd, and the options by which a step calls itself."""
    parser.add_argument("--nj", type=count, default=1, metavar="N", help="tasks (default: %(default)s)")
    parser.add_argument("--cmd", default=str(DISPATCHER), help="how tasks are run (default: utils/job.sh)")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    one.add_argument("--task", type=count, metavar="J", help=argparse.SUPPRESS)
    one.add_argument("--finish", action="store_true", help=argparse.SUPPRESS)
    # The dispatcher sees the name, and runs the task again when the file is gone.
    parser.add_argument("--leaves", type=Path, metavar="FILE", help=argparse.SUPPRESS)


def run_array(array: Array, argv: Sequence[str], arguments: argparse.Namespace, open_work: Callable[[], Work]) -> int:
    """The whole step, or the part of it that `arguments` name; the exit status.

    Args:
        argv: the words that `arguments` were parsed from.

    Raises:
        UsageError: a task that is none, or no such command.
    """
    if whole_step(arguments):
        return _run_all(array, argv, arguments)
    if arguments.task and arguments.task > arguments.nj:
        raise UsageError(f"--task {arguments.task}: expected 1 to {arguments.nj}")
    if arguments.leaves not in (None, expected := array.left_by(arguments.task)):
        raise UsageError(f"--leaves {arguments.leaves}: task {arguments.task} leaves {expected}")
    work = open_work()
    if arguments.prepare:
        work.plan.prepare()
        left = work.plan.tasks_left(lambda _, task: array.left_by(task))
        print(f"{work.size}, {len(left)} of {arguments.nj} tasks to do")
    elif arguments.finish:
        work.finish()
    else:
        work.plan.hold()
        if array.left_by(arguments.task).exists():
            print(f"task {arguments.task}: {array.left_by(arguments.task).name} is whole already")
        else:
            work.run(arguments.task)
    return 0


def whole_step(arguments: argparse.Namespace) -> bool:
    """Whether the options ask for all of a step, not for one of its parts."""
    return not (arguments.prepare or arguments.task or arguments.finish)


def _run_all(array: Array, argv: Sequence[str], arguments: argparse.Namespace) -> int:
    return run_parts(array.module, argv, arguments, array.out / "log" / f"{array.name}.{JOB}.log",
                     ["--leaves", str(array.leaves)])


def run_parts(module: str, argv: Sequence[str], arguments: argparse.Namespace, log: Path,
              more: Sequence[str] = ()) -> int:
    """Run `module` with the words `argv` and --prepare, then --task J (and `more`) in each task, then --finish; the
    exit status.

    Args:
        arguments: of `add_array_options`. log: of a task, with JOB for its number.
    """
    own = [PYTHON, "-m", module]  # what is added goes first: behind "--" it would be no option
    job = [*job_command(arguments.cmd), "--max-jobs-run", str(arguments.nj), f"JOB=1:{arguments.nj}", str(log)]
    for command in ([*own, "--prepare", *argv], [*job, *own, "--task", JOB, *more, *argv], [*own, "--finish", *argv]):
        if status := exit_status(subprocess.run(command)):
            return status
    return 0


def exit_status(done: subprocess.CompletedProcess[Any]) -> int:
    """As a shell gives it: of a process that a signal ended, 128 and the signal."""
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def job_command(cmd: str) -> list[str]:
    """--cmd, the dispatcher and its options in one text, as words. The path of job.sh may hold spaces.

    Raises:
        UsageError: there is no such command.
    """
    own = str(DISPATCHER)
    words = [own, *cmd[len(own):].split()] if cmd == own or cmd.startswith(f"{own} ") else cmd.split()
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--cmd {cmd!r}: there is no such command; expected utils/job.sh and its options")
    return words
