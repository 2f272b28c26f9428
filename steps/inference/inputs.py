"""Which recordings are meant: files, directories of files, and lists."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.errors import UserError

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph", ".w64", ".caf")
LISTS = (".txt", ".tsv", ".list", ".scp")

Source = tuple[str, str | None]  # path, speaker


def sources(words: Sequence[str], speaker: str | None = None) -> Iterator[Source]:
    """The recordings that the command line names, in order.

    A directory stands for the audio files below it, sorted. A list has one path a line and, after a tab, the speaker;
    with a header whose first column is `path`, the speaker stands in the column `speaker`. A path of a list that is not
    there is looked for beside the list. Everything else is a recording; whether it can be read is seen later.

    Raises:
        UserError: a directory without audio, a list that cannot be read, or an empty word.
    """
    for word in words:
        if not word:
            raise UserError("an input is empty; expected a recording, a directory or a list", 2)
        path = Path(word)
        if path.is_dir():
            found = sorted(os.path.join(place, name) for place, _, names in os.walk(path) for name in names
                           if name.lower().endswith(SUFFIXES))
            if not found:
                raise UserError(f"{word}: no audio file below it ({', '.join(SUFFIXES)})")
            yield from ((name, speaker) for name in found)
        elif path.suffix.lower() in LISTS:
            yield from listed(path, speaker)
        else:
            yield word, speaker


def listed(path: Path, speaker: str | None = None) -> Iterator[Source]:
    """The recordings of a list; `speaker` is that of lines that name none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a list of recordings, one a line") from error
    columns = lines[0].split("\t") if lines else []
    place = 1
    if columns[:1] == ["path"]:
        place, lines = columns.index("speaker") if "speaker" in columns else len(columns), lines[1:]
    if not any(line.partition("\t")[0].strip() for line in lines):
        raise UserError(f"{path}: no recording is listed; expected a path a line")
    for line in lines:
        cells = line.split("\t")
        if cells[0].strip():
            name = cells[0].strip()
            beside = path.parent / name
            own = cells[place].strip() if place < len(cells) else ""
            yield str(beside) if not os.path.exists(name) and beside.exists() else name, own or speaker
