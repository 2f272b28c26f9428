"""How tasks ended, for people: which failed, why, and the end of the log."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

from utils.jobs.files import JobFiles

TAIL_LINES = 20
SHOWN = 3
"""Failed tasks whose log is shown; the others are named."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one task ended. `cause` is "" for success, else one line."""

    task: int
    cause: str = ""


def megabytes(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**30:.1f} GB" if count >= 10 * 2**30 else f"{count / 2**20:.0f} MB"


def cause_of(record: dict[str, Any] | None, files: JobFiles, scheduler: str = "") -> str:
    """Why a task that is not finished failed.

    Args:
        record: the wrapper's own (None: there is none; state "running": the wrapper did not get to its end).
        scheduler: what the scheduler says: "memory", "time limit", "node lost", ... or "" if it knows nothing.
    """
    spec = files.spec
    if record is None:
        return scheduler or "it did not start, and the scheduler does not say why"
    peak = record.get("peak_memory", 0)
    status, cause = record.get("status", 0), record.get("cause", "")
    # A kernel's or scheduler's memory guard kills by SIGKILL and leaves no other trace in the record.
    if status == -signal.SIGKILL and not cause and spec.memory and peak > 0.9 * spec.memory:
        cause = "memory"
    if cause in ("", "terminated") and scheduler:
        cause = scheduler
    if cause == "memory":
        if spec.memory:
            limit = f"the {megabytes(spec.memory)} of --mem"
            used = f"used {megabytes(peak)} of {limit}" if peak else f"used more than {limit}"
        else:
            used = f"used {megabytes(peak)}, more than the scheduler's limit" if peak else \
                "used more than the scheduler's limit"
        return f"memory: {used}; ask for more with --mem"
    if cause == "time limit":
        limit = f"longer than --time {spec.seconds} s" if spec.seconds else "longer than the scheduler allows"
        return f"time limit: {limit}; ask for more with --time"
    if record.get("state") == "running":
        return cause or f"killed with its wrapper on {record.get('host')} (SIGKILL from outside, or node lost)"
    if cause == "terminated":
        return "terminated from outside (SIGTERM)"
    if cause == "not started":
        return "the command was not found" if status == 127 else "the command could not be executed"
    if cause:
        return cause
    if status < 0:
        return f"signal {-status} ({signal_name(-status)})"
    if status > 128 and signal_name(status - 128):
        return f"exit code {status} ({signal_name(status - 128)} in a shell)"
    return f"exit code {status}"


def signal_name(number: int) -> str:
    """SIGKILL for 9; "" for no signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """Last lines of a file, from its last 64 KiB; [] if there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 65536))
            return stream.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def said(files: JobFiles, task: int) -> str:
    """The last one-line error in a task's log, ": no space left ...", so that the summary tells it; "" if none."""
    errors = [line.removeprefix("error: ") for line in tail(files.log(task)) if line.startswith("error: ")]
    return f": {errors[-1]}" if errors else ""


def failure_report(files: JobFiles, failed: list[Outcome], scheduler_output: dict[int, Path]) -> str:
    """The whole report; its last line is the one-line summary."""
    lines = []
    for outcome in failed[:SHOWN]:
        log = files.log(outcome.task)
        lines.append(f"task {outcome.task} failed: {outcome.cause}; log: {log}")
        end = tail(log)
        if files.record(outcome.task).exists() is False and outcome.task in scheduler_output:
            log = scheduler_output[outcome.task]
            end = tail(log)
        lines += [f"  | {line}" for line in end]
    if len(failed) > SHOWN:
        lines.append("further failed tasks: " + ", ".join(f"{o.task} ({o.cause})" for o in failed[SHOWN:SHOWN + 20])
                     + (" ..." if len(failed) > SHOWN + 20 else ""))
    first = failed[0]
    lines.append(f"error: {len(failed)} of {files.spec.tasks} tasks failed (task {first.task}: {first.cause}"
                 f"{said(files, first.task)}); log: {files.log(first.task)}")
    return "\n".join(lines)
