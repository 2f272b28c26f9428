"""Slurm: sbatch, squeue, scancel. No accounting database is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from utils.jobs.scheduler_command import call
from utils.jobs.submissions import Array, Refused, State, Unreachable

PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED", "REQUEUE_FED", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING", "STOPPED"}
CAUSES = {"TIMEOUT": "time limit", "DEADLINE": "time limit", "OUT_OF_MEMORY": "memory", "NODE_FAIL": "node lost",
          "BOOT_FAIL": "node lost", "CANCELLED": "cancelled (scancel)", "PREEMPTED": "preempted",
          "REVOKED": "cancelled (revoked)"}
TRANSIENT = re.compile(r"timed out|unable to contact|connection refused|communication|try again|connect failure"
                       r"|zero bytes", re.IGNORECASE)


def clean_environment() -> dict[str, str]:
    """Without the variables of a job that the dispatcher itself may run in: sbatch would read its needs from them.

    SBATCH_* (the user's own defaults, such as an account) stay.
    """
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SLURMD_")) or name in ("SLURM_CONF", "SLURM_CLUSTERS")}


def slurm(argv: list[str], keep: tuple[int, ...] = (), extra: Mapping[str, str] | None = None) -> str:
    """Run a Slurm command; its output. Raises as `call`."""
    return call(argv, TRANSIENT, "a host of the Slurm cluster", {**clean_environment(), **(extra or {})}, keep)


class SlurmQueue:
    """Slurm's commands as a `Queue`."""

    kind = "slurm"
    row_variable = "SLURM_ARRAY_TASK_ID"

    def submit(self, script: Path, array: Array, options: list[str], parallel: int | None, output: Path,
               lock: int) -> str:
        """sbatch; Slurm itself fills %a in the output's name, and has no way to quote a % in it."""
        throttle = f"%{parallel}" if parallel else ""
        path = f"{os.path.abspath(output)}"
        path = "/dev/null" if "%" in path or "\\" in path else f"{path}.%a"
        argv = ["sbatch", "--parsable", f"--job-name={array.name}", f"--array=1-{len(array.tasks)}{throttle}",
                f"--output={path}", "--open-mode=append", *options, str(script)]
        try:
            answer = slurm(argv, (lock,), {"EMOTION_NO_INSTALL": "1"})
        except Refused as error:
            raise Refused(f"{error} (options: {' '.join(options) or 'none'}; see conf/cluster/)") from error
        return answer.strip().split(";")[0]

    def states(self, arrays: list[Array]) -> dict[tuple[str, int], State]:
        """One squeue, by name: it also finds an array whose id was never written down."""
        if not arrays:
            return {}
        try:
            answer = slurm(["squeue", "--noheader", "--array", "--states=all",
                           f"--name={','.join(array.name for array in arrays)}", "--format=%j|%K|%T|%r"])
        except Refused as error:
            raise Unreachable(str(error)) from error
        found = {}
        for line in answer.splitlines():
            name, row, word, reason = line.split("|", 3)
            if row.isdigit():
                found[name, int(row)] = self._state(word, reason)
        return found

    @staticmethod
    def _state(word: str, reason: str) -> State:
        if word in RUNNING:
            return State("running")
        if word in PENDING or word in ("REQUEUE_HOLD", "SPECIAL_EXIT"):
            held = reason.replace("_", " ").lower()
            if word in ("REQUEUE_HOLD", "SPECIAL_EXIT") or "requeued held" in held:
                return State("stuck", f"Slurm could not start it and holds it ({held})")
            return State("pending", "" if reason == "None" else reason)
        return State("ended", CAUSES.get(word, "" if word in ("COMPLETED", "FAILED") else word.lower()))

    def explain(self, array: Array, row: int) -> str:
        """From `scontrol show job`, if it still knows the task."""
        if not array.id:
            return ""
        try:
            answer = slurm(["scontrol", "--oneliner", "show", "job", f"{array.id}_{row}"])
        except (Refused, Unreachable):
            return ""
        match = re.search(r"JobState=(\S+) Reason=(\S+)", answer)
        return CAUSES.get(match[1], "") if match else ""

    def cancel(self, arrays: list[Array]) -> None:
        """scancel, by id where it is known."""
        for array in arrays:
            try:
                slurm(["scancel", array.id or f"--name={array.name}"])
            except Refused as error:
                if "Invalid job id" not in str(error):
                    raise Unreachable(str(error)) from error
