"""Mistakes in what a user brought, told all at once: by kind, the first few of each, and every one in a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils.errors import UserError
from utils.files import write_text

SHOWN = 3  # of each kind
PROBLEMS = "problems.txt"


class Problems:
    """Lines by kind, in the order in which they were met. A kind is a plural word: "labels", "recordings"."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def add(self, kind: str, *lines: str) -> None:
        """Note mistakes of a kind."""
        if lines:
            self._lines.setdefault(kind, []).extend(lines)

    @contextlib.contextmanager
    def catch(self, kind: str) -> Iterator[None]:
        """Note a UserError that is raised within, and go on behind it."""
        try:
            yield
        except UserError as error:
            self.add(kind, str(error))

    def stop(self, directory: Path) -> None:
        """Go on only where there is no mistake.

        Args:
            directory: gets problems.txt, with a line each, where there are two or more; else an older one is removed.

        Raises:
            UserError: there are mistakes; of several the first of each kind are printed before.
        """
        listed = directory / PROBLEMS
        if len(self) < 2:
            listed.unlink(missing_ok=True)
        if len(self) == 1:
            raise UserError(next(line for lines in self._lines.values() for line in lines))
        if not self:
            return
        write_text(listed, "".join(f"{kind}: {line}\n" for kind, line in self._all()))
        for lines in self._lines.values():
            for line in lines[:SHOWN]:
                print(f"error: {line}", file=sys.stderr)
        counts = ", ".join(f"{len(lines)} {kind}" for kind, lines in self._lines.items())
        raise UserError(f"{len(self)} mistakes ({counts}), the first of each kind above; every one stands in {listed}")

    def _all(self) -> Iterable[tuple[str, str]]:
        return ((kind, line) for kind, lines in self._lines.items() for line in lines)
