"""What was submitted to a scheduler, on disk: the way back to a live array after the dispatcher died.

The intent (a name that no other array has) is written before submitting, the job id before waiting. So whenever the
dispatcher dies, the scheduler can be asked by name whether the array exists.
"""

from __future__ import annotations

import dataclasses
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from utils.errors import UserError
from utils.jobs.files import JobFiles, read_or_none, write_ascii_json

CANCEL_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class State:
    """What the scheduler says of a task.

    Attributes:
        phase: "pending", "running", "ended", or "stuck" (it would wait for ever).
        reason: pending: why, for people; ended or stuck: a cause as in `report.cause_of`, "" if it just ended.
    """

    phase: str
    reason: str = ""


@dataclasses.dataclass
class Array:
    """One array at the scheduler: row k (from 1) runs task tasks[k - 1]. `id` is "" until it is known."""

    name: str
    tasks: list[int]
    id: str = ""

    @classmethod
    def new(cls, tasks: list[int]) -> Array:
        """An array with a name that no other one has (letters, digits and _ only: schedulers are picky)."""
        return cls(f"emotion_{secrets.token_hex(6)}", tasks)


class Refused(UserError):
    """The scheduler refused a submission."""


class Unreachable(Exception):
    """The scheduler did not answer; a submission may or may not have been taken."""


class Queue(Protocol):
    """The commands of one scheduler."""

    kind: str
    row_variable: str

    def submit(self, script: Path, array: Array, options: list[str], parallel: int | None, output: Path,
               lock: int) -> str:
        """Submit and return the job id. Raises Refused, Unreachable."""

    def states(self, arrays: list[Array]) -> dict[tuple[str, int], State]:
        """State of each row that the scheduler still knows, by (array name, row). Raises Unreachable."""

    def explain(self, array: Array, row: int) -> str:
        """Cause of the end of a row that left the queue, "" if unknown."""

    def cancel(self, arrays: list[Array]) -> None:
        """Cancel arrays. Does not wait. Raises Unreachable."""


def save(files: JobFiles, kind: str, arrays: list[Array]) -> None:
    """Write what is submitted, or about to be."""
    write_ascii_json(files.path("job.json"), {"backend": kind, "digest": files.spec.digest,
                                              "arrays": [dataclasses.asdict(array) for array in arrays]})


def forget(files: JobFiles) -> None:
    """Nothing of this job is at a scheduler any more."""
    files.path("job.json").unlink(missing_ok=True)


def live_rows(queue: Queue, arrays: list[Array]) -> dict[tuple[str, int], State]:
    """Rows that wait or run."""
    return {key: state for key, state in queue.states(arrays).items() if state.phase in ("pending", "running")}


def take_over(files: JobFiles, backend: str, make_queue: Callable[[str], Queue]) -> list[Array]:
    """Find what an earlier dispatcher of this job left at a scheduler.

    Args:
        backend: the one that this dispatcher uses. make_queue: gives the commands of a scheduler by its name.

    Returns:
        its arrays, some of whose rows live: of the same work with the same needs on the same scheduler. Live arrays of
        other work under these logs (other arguments, another number of tasks, other needs) are cancelled, aloud.

    Raises:
        UserError: the scheduler cannot be asked.
    """
    record: Any = read_or_none(files.path("job.json"))
    if record is None:
        return []
    arrays = [Array(**array) for array in record["arrays"]]
    queue = make_queue(record["backend"])
    try:
        live = live_rows(queue, arrays)
        if live and record["digest"] == files.spec.digest and record["backend"] == backend:
            names = {name for name, _ in live}
            return [array for array in arrays if array.name in names]
        if live:
            print(f"{files.name}: cancelling {len(live)} tasks that were submitted with other arguments or needs "
                  f"({record['backend']} {', '.join(array.id or array.name for array in arrays)})", file=sys.stderr)
            queue.cancel(arrays)
            deadline = time.monotonic() + CANCEL_SECONDS
            while live_rows(queue, arrays):
                if time.monotonic() > deadline:
                    raise UserError(f"{files.name}: the cancelled tasks are still in the queue; try again later")
                time.sleep(1)
    except Unreachable as error:
        raise UserError(f"{record['backend']} cannot be asked for the tasks submitted before ({error}); try again "
                        f"later, or, if they are gone for certain, remove {files.path('job.json')}") from error
    forget(files)
    return []
