"""The command line of utils/job.sh as a typed job. Every backend takes these options and no other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from utils.errors import UsageError

USAGE = """\
usage: job.sh [options] JOB=1:N log/name.{JOB}.log command [argument ...]

Runs N tasks; {JOB} in the log name and in every argument becomes the task's number, nothing else is touched.
Tasks that are finished already are not run again.
Exit status: 0 only if every task succeeded, else 1; 2 for a usage error.

  --mem 4G            memory of one task (K, M, G, T); a task above it is killed
  --time 2h           wall time of one task (90s, 30m, 2h, 1d, 1h30m or hh:mm:ss); a task above it is killed
  --gpu 1             GPUs of one task (default 0)
  --num-threads 1     threads of one task (default 1)
  --max-jobs-run 20   at most so many tasks at once (default: as many as the cluster or this machine takes)
  --retry 1           run a failed task again, so many times (default 0)
  --cluster NAME      conf/cluster/NAME.yaml of the recipe or the top level, or a path to a .yaml file
                      (default: environment variable EMOTION_CLUSTER, else local)
  --debug             show the traceback of an error
"""

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass(frozen=True)
class Job:
    """An array of tasks 1..`tasks` and what one task needs.

    Attributes:
        log: path of a task's log with {JOB}. argv: the command with {JOB}.
        memory: bytes; seconds: wall time; None = no limit.
        parallel: most tasks at once; None = no limit of the user's own.
    """

    tasks: int
    log: str
    argv: tuple[str, ...]
    memory: int | None = None
    seconds: int | None = None
    gpus: int = 0
    threads: int = 1
    parallel: int | None = None
    retries: int = 0
    cluster: str = "local"


def parse_memory(text: str) -> int:
    """`4G`, `500M`, `1.5G` -> bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"--mem {text}: expected a number with K, M, G or T, such as 4G")
    return int(float(match[1]) * UNITS[match[2].upper()])


def parse_time(text: str) -> int:
    """`90s`, `30m`, `2h`, `1d`, `1h30m`, `hh:mm:ss` -> seconds."""
    clock = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
    parts = re.findall(r"(\d+)([smhd])", text) if re.fullmatch(r"(?:\d+[smhd])+", text) else []
    seconds = sum(int(number) * SECONDS[unit] for number, unit in parts)
    if clock:
        seconds = 3600 * int(clock[1]) + 60 * int(clock[2]) + int(clock[3])
    if seconds == 0:
        raise UsageError(f"--time {text}: expected a duration such as 90s, 30m, 2h, 1d or 02:30:00")
    return seconds


def _count(option: str, least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < least:
            raise UsageError(f"{option} {text}: expected a whole number, at least {least}")
        return int(text)

    return parse


def _name(text: str) -> str:
    if not text or text.startswith("-"):
        raise UsageError(f"--cluster {text}: expected local, slurm, sge, or a file of yours")
    return text


MOST_TASKS = 999_999
OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--mem": ("memory", parse_memory),
    "--time": ("seconds", parse_time),
    "--gpu": ("gpus", _count("--gpu", 0)),
    "--num-threads": ("threads", _count("--num-threads", 1)),
    "--max-jobs-run": ("parallel", _count("--max-jobs-run", 1)),
    "--retry": ("retries", _count("--retry", 0)),
    "--cluster": ("cluster", _name),
}


def parse(arguments: Sequence[str], cluster: str = "local") -> Job:
    """Read the command line; an option given twice counts as given last (a front end overrides cmd.sh).

    Args:
        cluster: what holds when --cluster is not given.

    Raises:
        UsageError: unknown or malformed option, missing value, no JOB=1:N, no log, no command.
    """
    values: dict[str, Any] = {"cluster": cluster}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option not in OPTIONS:
            raise UsageError(f"unknown option {option}; known: {' '.join(OPTIONS)}")
        if not equals:
            if not rest or rest[0].startswith("JOB="):
                raise UsageError(f"{option}: the value is missing")
            value = rest.pop(0)
        field, convert = OPTIONS[option]
        values[field] = convert(value)
    match = re.fullmatch(r"JOB=1:([1-9]\d*)", rest[0], re.ASCII) if rest else None
    if match is None:
        found = f"found {rest[0]!r}" if rest else "found nothing"
        raise UsageError(f"expected JOB=1:N (N tasks) after the options, {found}")
    if int(match[1]) > MOST_TASKS:
        raise UsageError(f"{rest[0]}: accepted: at most {MOST_TASKS} tasks")
    if len(rest) < 3:
        raise UsageError(f"{rest[0]}: expected a log name and a command after it")
    tasks, log, argv = int(match[1]), rest[1], tuple(rest[2:])
    if "{JOB}" not in log.rpartition("/")[2] and tasks > 1:
        raise UsageError(f"log name {log}: its last part needs {{JOB}}, or {tasks} tasks would write one file")
    if "{JOB}" in log.rpartition("/")[0]:
        raise UsageError(f"log name {log}: only its last part may hold {{JOB}}")
    if log.rpartition("/")[2] in ("", ".", "..") or not argv[0]:
        raise UsageError(f"log name {log!r}, command {argv[0]!r}: expected a file name and a command")
    return Job(tasks=tasks, log=log, argv=argv, **values)
