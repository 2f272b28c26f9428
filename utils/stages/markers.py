"""Records of stages on disk: N.started.json before a run, N.json (the marker) after exit status 0.

Each start has an identifier `run`. A marker counts only if no later start is recorded; so whatever moment a kill
chooses, a stage is either finished, or started with known settings, or not begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.files import write_text


@dataclass
class Records:
    """Markers in one directory."""

    directory: Path

    def marker(self, number: int) -> dict[str, Any] | None:
        """The marker of a finished stage; None if the stage never finished or was started again since."""
        marker, started = self._read(f"{number}.json"), self._read(f"{number}.started.json")
        if marker is None or (started is not None and started.get("run") != marker.get("run")):
            return None
        return marker

    def started(self, number: int) -> dict[str, Any] | None:
        """The record of a start that has not finished."""
        return None if self.marker(number) else self._read(f"{number}.started.json")

    def begin(self, number: int, record: dict[str, Any]) -> None:
        """Record a start."""
        self._write(f"{number}.started.json", record)

    def finish(self, number: int, record: dict[str, Any]) -> None:
        """Record success; `record` holds the `run` of the start."""
        self._write(f"{number}.json", record)
        self._remove(f"{number}.started.json")

    def forget(self, number: int) -> None:
        """Remove both records, before the outputs move away."""
        self._remove(f"{number}.started.json")
        self._remove(f"{number}.json")

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


def new_identifier() -> str:
    """An identifier of a run that no other run has."""
    return f"{time.time_ns():x}-{os.getpid():x}"
