"""The plan that all tasks of an array share: everything that decides which values end up in which file of a directory.

Before the tasks, `prepare` writes the plan and clears what another one has left. A task `hold`s itself to it: one that
is still running when the settings have changed must write nothing more.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.differences import differences
from utils.errors import UserError
from utils.files import read_json, write_json

PLAN = "plan.json"
INPUTS = "inputs"


def stage_inputs() -> dict[str, str]:
    """For a plan: the hash of what the stage reads; empty in a run by hand, and where a cluster hides the variable."""
    return {INPUTS: os.environ.get("EMOTION_STAGE_INPUTS", "")}


@dataclass(frozen=True)
class ArrayPlan:
    """
    Attributes:
        out: the directory of the array.
        planned: the plan, as plain values.
        leaves: patterns of the files and directories that come of it; first what vouches for others.
        doing: what is done again under another plan, "decoding".
        front_end: the script that prepares the directory.
        name: of the file with the plan.
    """

    out: Path
    planned: Mapping[str, Any]
    leaves: Sequence[str]
    doing: str
    front_end: str
    name: str = PLAN

    def prepare(self) -> None:
        """Write the plan; clear what belongs to another one, or to none that can be read.

        The dispatcher's markers of finished tasks need no clearing: each counts only while its task's output is there.
        """
        former = self.former()
        if former:
            changed = next((key for key, _, _ in self._changes(former)), "")
            if not changed:
                return
            print(f"{self.out}: {changed} changed since an earlier run; {self.doing} again", file=sys.stderr)
            write_json(self.out / self.name, {})  # nobody's: after a kill here, what is left is cleared, not taken up
        for path in [path for leaf in self.leaves for path in self.out.glob(leaf)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        write_json(self.out / self.name, self.planned)

    def tasks_left(self, leaf: Callable[[Path, int], Path]) -> list[int]:
        """The tasks 1 ... num_tasks that are still to be done: leaf(out, task), whose presence says so, is missing."""
        return [task for task in range(1, self.planned["num_tasks"] + 1) if not leaf(self.out, task).exists()]

    def hold(self) -> None:
        """A task may only write under the plan that it was started for.

        Raises:
            UserError: the directory belongs to another plan, or to none.
        """
        former = self.former()
        if not former:
            raise UserError(f"{self.out} has no {self.name}; run {self.front_end}, which prepares it")
        for key, theirs, mine in self._changes(former):
            raise UserError(f"{self.out} was begun with {key} {theirs!r}, this task has {mine!r}; run {self.front_end} "
                            "again, which clears the former")

    def former(self) -> dict[str, Any] | None:
        """The plan that the directory has; None without one that can be read, empty while it is cleared."""
        try:
            return read_json(self.out / self.name, {str: Any})
        except (FileNotFoundError, ValueError):
            return None

    def _changes(self, former: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """Inputs count only where both know them."""
        return ((key, theirs, mine) for key, theirs, mine in differences(former, self.planned)
                if key != INPUTS or (theirs and mine))
