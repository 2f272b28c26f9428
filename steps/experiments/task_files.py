"""Pieces of work as the files of an array's tasks: LOG/task.<j>.json holds one piece, or a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.arguments import count
from utils.files import read_json, write_json
from utils.shape import Either

FEW_UTTERANCES = 2000  # a linear SVM, a forest or a small network trains on them in about the time that torch loads
AGAIN = "run steps/train_subsystem.sh again"


def tasks_option(text: str) -> str | int:
    """auto, or how many."""
    return text if text == "auto" else count(text)


def number_of_tasks(wanted: str | int | None, parallel: int, utterances: int, light: bool = True) -> int | None:
    """--tasks as a number; None: each piece of work is a task.

    Args:
        wanted: auto, a number, or None. utterances: of the data set. light: whether a piece of work takes less time
            than to start a process for it, where utterances are few.
    """
    if wanted != "auto":
        return wanted
    return parallel if light and utterances <= FEW_UTTERANCES else None


def shared_out(work: list[dict[str, Any]], tasks: int | None) -> list[Any]:
    """The pieces of work as tasks: at most so many, each a list of pieces; None: each piece is a task."""
    return work if tasks is None or tasks >= len(work) else [work[first::tasks] for first in range(tasks)]


def content_of(path: Path, shape: dict[str, Any], again: str = AGAIN) -> list[dict[str, Any]]:
    """The pieces of work in a task's file, each of this shape (utils/shape.py).

    Raises:
        DamagedFile: not of that shape; `again` says what to do.
    """
    content = read_json(path, Either(shape, [shape]), again)
    return content if isinstance(content, list) else [content]


def write_tasks(log: Path, tasks: list[Any]) -> None:
    """LOG/task.<j>.json, and nothing left of a longer plan."""
    log.mkdir(parents=True, exist_ok=True)
    for number, task in enumerate(tasks, start=1):
        write_json(log / f"task.{number}.json", task)
    for number, path in task_files(log).items():
        if number > len(tasks):
            path.unlink()


def task_files(log: Path) -> dict[int, Path]:
    """task.<j>.json by j, in order."""
    found = {path.name.split(".")[1]: path for path in log.glob("task.*.json")}
    return {int(number): found[number] for number in sorted(filter(str.isdecimal, found), key=int)}
