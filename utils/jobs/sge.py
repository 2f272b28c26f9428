"""Grid Engine: qsub, qstat, qacct, qdel."""

from __future__ import annotations

import getpass
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from utils.jobs.scheduler_command import call
from utils.jobs.submissions import Array, Refused, State, Unreachable

TRANSIENT = re.compile(r"unable to (contact|send)|commlib|timeout|send error|failed receiving|can't find connection",
                       re.IGNORECASE)


def grid_engine(argv: list[str], keep: tuple[int, ...] = (), extra: Mapping[str, str] | None = None) -> str:
    """Run a command of Grid Engine; its output. Raises as `call`."""
    return call(argv, TRANSIENT, "a submit host of Grid Engine", {**os.environ, **(extra or {})}, keep)


class GridEngineQueue:
    """Grid Engine's commands as a `Queue`."""

    kind = "sge"
    row_variable = "SGE_TASK_ID"

    def submit(self, script: Path, array: Array, options: list[str], parallel: int | None, output: Path,
               lock: int) -> str:
        """qsub; in the output's name $TASK_ID is filled by Grid Engine, and `:` would separate a host."""
        path = os.path.abspath(output)
        path = "/dev/null" if re.search(r"[:,$\s]", path) else f"{path}.$TASK_ID"
        argv = ["qsub", "-terse", "-V", "-S", "/bin/bash", "-N", array.name, "-t", f"1-{len(array.tasks)}",
                *(["-tc", str(parallel)] if parallel else []), "-j", "y", "-o", path, *options, str(script)]
        try:
            answer = grid_engine(argv, (lock,), {"EMOTION_NO_INSTALL": "1"})
        except Refused as error:
            raise Refused(f"{error} (options: {' '.join(options) or 'none'}; see conf/cluster/)") from error
        match = re.search(r"^(\d+)", answer, re.MULTILINE)
        if match is None:
            raise Refused(f"qsub: no job number in {answer!r}")
        return match[1]

    def states(self, arrays: list[Array]) -> dict[tuple[str, int], State]:
        """One qstat: XML, since the table cuts names after 10 letters."""
        if not arrays:
            return {}
        try:
            answer = grid_engine(["qstat", "-xml", "-g", "d", "-u", getpass.getuser()])
            tree = ElementTree.fromstring(answer)
        except (Refused, ElementTree.ParseError) as error:
            raise Unreachable(str(error)) from error
        names = {array.name for array in arrays}
        found = {}
        for job in tree.iter("job_list"):
            name, rows = job.findtext("JB_name", ""), job.findtext("tasks", "")
            if name in names:
                for row in _rows(rows):
                    found[name, row] = self._state(job.findtext("state", ""))
        return found

    @staticmethod
    def _state(letters: str) -> State:
        if "E" in letters:
            return State("stuck", f"Grid Engine could not start it (state {letters}; see qstat -j)")
        if letters.startswith(("r", "t", "R", "s", "S", "T", "d")):
            return State("running")
        return State("pending", "held" if letters.startswith("h") else "")

    def explain(self, array: Array, row: int) -> str:
        """From qacct, which knows a task some seconds after its end."""
        if not array.id:
            return ""
        try:
            answer = grid_engine(["qacct", "-j", array.id, "-t", str(row)])
        except (Refused, Unreachable):
            return ""
        # After a reschedule there are several entries; the last one counts.
        failed = re.findall(r"^failed\s+(\d+)\s*:?\s*(.*)$", answer, re.MULTILINE)
        if not failed or failed[-1][0] == "0":
            return ""
        number, text = failed[-1]
        lower = text.lower()
        if number == "37" or "h_rt" in lower or "wallclock" in lower:
            return "time limit"
        if "h_vmem" in lower or "memory" in lower or "h_rss" in lower:
            return "memory"
        return f"Grid Engine says: failed {number}, {text.strip()}"

    def cancel(self, arrays: list[Array]) -> None:
        """qdel, by number where it is known."""
        for array in arrays:
            number, _, row = array.id.partition("_")
            try:
                grid_engine(["qdel", *([number] if number else [array.name]), *(["-t", row] if row else [])])
            except Refused as error:
                if "do not exist" not in str(error) and "does not exist" not in str(error):
                    raise Unreachable(str(error)) from error


def _rows(text: str) -> list[int]:
    """`3`, `1-5:2` or `1,3` as qstat writes task numbers."""
    rows: list[int] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match:
            rows += range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))
    return rows
