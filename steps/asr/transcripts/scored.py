"""The transcripts of a recognizer on a part of a data set, beside their references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from steps.asr.error_rate import Transcript


@dataclass(frozen=True)
class System:
    """A recognizer with a decoder; its transcripts are scored. `path` may hold {part}."""

    name: str
    variant: str
    path: str

    def file(self, part: str) -> Path:
        return Path(self.path.replace("{part}", part))


@dataclass
class Scored:
    """One system on one part: transcripts sorted by id, and the confidences of each one's words."""

    system: System
    part: str
    transcripts: list[Transcript]
    confidences: list[tuple[float, ...]]

    def of(self, ids: set[str] | None) -> Scored:
        """The same on a subset; None is all."""
        kept = [number for number, transcript in enumerate(self.transcripts) if ids is None or transcript.id in ids]
        return Scored(self.system, self.part, [self.transcripts[number] for number in kept],
                      [self.confidences[number] for number in kept])

    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """Confidences (N,) of the words, and whether they are right (N,)."""
        from steps.asr.decode.word_confidence import gather

        return gather(self.transcripts, self.confidences)
