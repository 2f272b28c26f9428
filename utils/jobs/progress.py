"""Progress on standard error: one line that is updated on a terminal, a few plain lines in a file."""

from __future__ import annotations

import sys
import time

FIRST_SECONDS, LONGEST_SECONDS = 30.0, 600.0


class Progress:
    """`12/20 tasks done, 2 running`.

    Args:
        total: tasks of the job; done: those that were finished before.
    """

    def __init__(self, total: int, done: int):
        self.total, self.done, self.running, self.note = total, done, 0, ""
        self.started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._pause, self._next, self._shown = FIRST_SECONDS, self.started + FIRST_SECONDS, ""

    def update(self, done: int, running: int, note: str = "") -> None:
        """Tell the state; a line appears when it is time for one."""
        self.done, self.running, self.note = done, running, note
        if self._terminal:
            line = self._line()
            if line != self._shown:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
                self._shown = line
        elif time.monotonic() >= self._next:
            self.say(self._line())
            # Lines grow rarer, so that a job of days does not fill its log.
            self._pause = min(2 * self._pause, LONGEST_SECONDS)
            self._next = time.monotonic() + self._pause

    def say(self, line: str) -> None:
        """A line that stays."""
        sys.stderr.write(f"\r\x1b[K{line}\n" if self._terminal else f"{line}\n")
        sys.stderr.flush()
        self._shown = ""

    def close(self) -> None:
        """Remove the line that is updated."""
        if self._terminal and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _line(self) -> str:
        return f"{self.done}/{self.total} tasks done, {self.running} running" + (f" ({self.note})" if self.note else "")
