"""One speaker's speech in a transcript of an interview, as segments that a network can take.

Lines of the speaker that follow one another at most GAP seconds apart are joined; another's line ends a turn, unless
the speaker's own goes on over it. What is longer than LONGEST is cut into equal pieces, what is shorter than SHORTEST
is dropped. Everything left out is counted.
"""

from __future__ import annotations

import math
import re
import wave
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.csv_table import TAB, read_table
from utils.errors import UserError
from utils.files import check_regular

GAP, LONGEST, SHORTEST = 1.0, 10.0, 1.0  # seconds
COLUMNS = ("start_time", "stop_time", "speaker", "value")


@dataclass(frozen=True)
class Line:
    """What is said at a stretch, seconds from the recording's start; text is "" where it was cut."""

    start: float
    end: float
    speaker: str
    text: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


def read_transcript(path: Path, shift: float = 0.0) -> list[Line]:
    """The lines of a table with COLUMNS, tabs between, by their start, `shift` seconds later than it says.

    Raises:
        UserError: naming file and line.
    """
    lines = []
    for number, row in read_table(path, COLUMNS, TAB, errors="replace"):
        try:
            start, end = float(row["start_time"]), float(row["stop_time"])
            if not math.isfinite(start + end):
                raise ValueError
        except ValueError as error:
            raise UserError(f"{path}, line {number}: start_time and stop_time must be seconds; found "
                            f"{row['start_time']!r}, {row['stop_time']!r}") from error
        lines.append(Line(start + shift, end + shift, row["speaker"], row["value"]))
    return sorted(lines, key=lambda line: line.start)


def seconds_of(recording: Path) -> float:
    """Length of a .wav; infinite where its header cannot be read, which whoever decodes it will tell."""
    try:
        check_regular(recording)
        with wave.open(str(recording), "rb") as stream:
            return stream.getnframes() / stream.getframerate()
    except (wave.Error, EOFError):
        return math.inf


def told(left: Counter[str]) -> str:
    """What was left out, in words."""
    return ", ".join(f"{count} {why}" for why, count in sorted(left.items()) if count) or "none"


def speech_of(speaker: str, lines: Sequence[Line], whole: float, left: Counter[str], after: str = "",
              not_speech: re.Pattern[str] | None = None,
              interrupted: tuple[float, float] | None = None) -> list[Line]:
    """The segments of one speaker.

    Args:
        whole: seconds of the recording. left: is told what is left out, and how often.
        after: what the speaker says before this one's first line is left out; nothing is if he has no line.
        not_speech: text of lines that are no speech of his. interrupted: seconds in which others came in.
    """
    begins = min((line.start for line in lines if line.speaker == after), default=-math.inf)
    turns: list[Line] = []
    another = True
    for line in lines:
        if line.speaker != speaker:
            another = another or bool(line.speaker)
            continue
        end = min(line.end, whole)
        why = ("before the interview" if line.start < begins else
               "marks and scrubbed names" if not_speech is not None and not_speech.fullmatch(line.text) else
               "in an interruption" if interrupted and line.start < interrupted[1] and end > interrupted[0] else
               "behind the end of the recording" if line.start >= whole else
               "without length" if end <= line.start else "")
        if why:
            left[why] += 1
            another = True
        elif turns and line.start < turns[-1].end + (0.0 if another else GAP + 1e-9):  # what overlaps counts once
            last = turns[-1]
            turns[-1] = Line(last.start, max(last.end, end), speaker, f"{last.text} {line.text}".strip())
            another = False
        else:
            turns.append(Line(max(line.start, 0.0), end, speaker, line.text))
            another = False
    left["shorter than a second"] += sum(turn.seconds < SHORTEST for turn in turns)
    return list(_pieces(turn for turn in turns if turn.seconds >= SHORTEST))


def _pieces(turns: Iterable[Line]) -> Iterator[Line]:
    for turn in turns:
        count = math.ceil(turn.seconds / LONGEST - 1e-6)
        edges = [round(turn.start + turn.seconds * number / count, 3) for number in range(count + 1)]
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            yield Line(start, end, turn.speaker, turn.text if count == 1 else "")
