"""Records of stages on disk: K.N.started.json before a run, K.N.json (the marker) after exit status 0.

K is a hash of the stage's first output, so that another protocol or variant, which writes elsewhere, has records of its
own and going back to the former one finds it done.

Each start has an identifier `run`. A marker counts only if no later start is recorded; so whatever moment a kill
chooses, a stage is either finished, or started with known settings, or not begun.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.files import write_text
from utils.stages.number import StageNumber


@dataclass
class Records:
    """Markers in one directory.

    Attributes:
        names: stage number -> how its records are named; see record_name.
    """

    directory: Path
    names: Mapping[StageNumber, str]

    def marker(self, number: StageNumber) -> dict[str, Any] | None:
        """The marker of a finished stage; None if the stage never finished or was started again since."""
        marker, started = self._read(f"{self.names[number]}.json"), self._read(f"{self.names[number]}.started.json")
        if marker is None or (started is not None and started.get("run") != marker.get("run")):
            return None
        return marker

    def started(self, number: StageNumber) -> dict[str, Any] | None:
        """The record of a start that has not finished."""
        return None if self.marker(number) else self._read(f"{self.names[number]}.started.json")

    def begin(self, number: StageNumber, record: dict[str, Any]) -> None:
        """Record a start."""
        self._write(f"{self.names[number]}.started.json", record)

    def finish(self, number: StageNumber, record: dict[str, Any]) -> None:
        """Record success; `record` holds the `run` of the start."""
        self._write(f"{self.names[number]}.json", record)
        self._remove(f"{self.names[number]}.started.json")

    def forget_marker(self, number: StageNumber) -> None:
        """Remove the marker of a former run, when a new start is recorded."""
        self._remove(f"{self.names[number]}.json")

    def loaded(self, number: StageNumber) -> Path:
        """Directory in which the processes of a stage say what they have loaded (utils/loaded.py)."""
        return self.directory.absolute() / f"{self.names[number]}.code"

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.directory / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # damaged by hand: as if it were not there
            return None
        return value if isinstance(value, dict) and "run" in value else None

    def _write(self, name: str, record: dict[str, Any]) -> None:
        # ASCII, so that a file name that is no valid UTF-8 survives the way there and back
        write_text(self.directory / name, json.dumps(record, indent=1) + "\n")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.directory / name)


def record_name(number: StageNumber, outputs: list[str]) -> str:
    """How the records of a stage are named: by its number and its first output."""
    return f"{hashlib.sha256(os.fsencode(outputs[0])).hexdigest()[:8]}.{number}" if outputs else str(number)


def new_identifier() -> str:
    """An identifier of a run that no other run has."""
    return f"{time.time_ns():x}-{os.getpid():x}"
