"""Sound files of a corpus that belong to no utterance: a directory that a module does not know, another naming, a table
that lacks lines. They are counted and told; whether that is right is for the user to judge."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from steps.data.audio.files import SUFFIXES
from utils.corpus import Row
from utils.walk import walk

SHOWN = 3


def passed_over(rows: Sequence[Row], directory: Path | None) -> list[str]:
    """One line, or none where every sound file has an utterance.

    Args:
        rows: with absolute paths.
        directory: the corpus, looked through as a whole; None: only the directories that hold recordings of `rows`.
    """
    known = {os.path.normpath(row.path) for row in rows if row.path is not None}
    found = _below(directory) if directory is not None else _beside({os.path.dirname(path) for path in known})
    lost = sorted(path for path in found if os.path.normpath(path) not in known)
    if not lost:
        return []
    base = str(directory) if directory is not None else os.path.commonpath(lost if len(lost) > 1 else
                                                                           [os.path.dirname(lost[0])])
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(map(_suffix, lost)).items()))
    shown = ", ".join(ascii(name)[1:-1] if not name.isprintable() else name
                      for name in (os.path.relpath(path, base) for path in lost[:SHOWN]))
    more = " ..." if len(lost) > SHOWN else ""
    return [f"{len(lost)} sound files in {base} belong to no utterance ({kinds}): {shown}{more}"]


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _sounds(directory: str, names: Iterable[str]) -> Iterator[str]:
    """Hidden files are none: macOS keeps notes in ._name.wav beside name.wav."""
    return (os.path.join(directory, name) for name in names if not name.startswith(".") and _suffix(name) in SUFFIXES)


def _below(directory: Path) -> Iterator[str]:
    for place, inner, names in walk(directory):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from _sounds(place, names)


def _beside(directories: Iterable[str]) -> Iterator[str]:
    for directory in directories:
        yield from _sounds(directory, os.listdir(directory))
