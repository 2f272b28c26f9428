"""Numbers of stages: 43, and sub-stages such as 43.1, so that numbers never run out."""

from __future__ import annotations

import re

FORM = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class StageNumber(tuple):
    """43 or 43.1; ordered as 43 < 43.1 < 43.2 < 43.10 < 44."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> StageNumber:
        """
        Raises:
            ValueError: no number of a stage.
        """
        if not FORM.fullmatch(text):
            raise ValueError(text)
        return cls(int(part) for part in text.split("."))

    def __str__(self) -> str:
        return ".".join(map(str, self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def reaches(self, other: StageNumber) -> bool:
        """Whether a run that stops here still runs `other`: 43 takes its sub-stages along."""
        return other <= self or other[:len(self)] == self
