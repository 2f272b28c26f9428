"""Which recordings are meant: files, directories of files, and lists."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from steps.data.audio.files import SUFFIXES
from utils.errors import UserError
from utils.names import Finder, is_missing, plain_name
from utils.text_files import read_lines
from utils.walk import walk

LISTS = (".txt", ".tsv", ".list", ".scp")

Source = tuple[str, str | None]  # path, speaker


def sources(words: Sequence[str], speaker: str | None = None) -> Iterator[Source]:
    """The recordings that the command line names, in order.

    A directory stands for the audio files below it, sorted; names that begin with a dot (macOS leaves ._x beside x) are
    passed over, and counted in a line on standard error. A list has one path a line and, after a tab, the speaker;
    with a header whose first column is `path`, the speaker stands in the column `speaker`. A path of a list that is not
    there is looked for beside the list; wav.scp has Kaldi's form, `utterance path`.
    Everything else is a recording; whether it can be read is seen later.

    Raises:
        UserError: a directory without audio, a list that cannot be read, or an empty word.
    """
    for word in words:
        if not word:
            raise UserError("an input is empty; expected a recording, a directory or a list", 2)
        path = Path(word)
        if path.is_dir():
            found, others, hidden = below(path)
            if not found:
                raise UserError(f"{word}: no audio file below it ({', '.join(SUFFIXES)}); it has {others} other files"
                                + (f", {hidden} whose names begin with a dot" if hidden else ""))
            if hidden:
                print(f"note: {word}: {hidden} audio files whose names begin with a dot are passed over",
                      file=sys.stderr)
            yield from ((name, speaker) for name in found)
        elif path.suffix.lower() in LISTS:
            yield from listed(path, speaker)
        else:
            yield word, speaker


def below(directory: Path) -> tuple[list[str], int, int]:
    """The audio files below a directory, sorted; how many others there are, and how many hidden audio files."""
    found, others, hidden = [], 0, 0
    for place, directories, names in walk(directory):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in names:
            if not name.lower().endswith(SUFFIXES):
                others += 1
            elif name.startswith("."):
                hidden += 1
            else:
                found.append(os.path.join(place, name))
    return sorted(found), others, hidden


def listed(path: Path, speaker: str | None = None) -> Iterator[Source]:
    """The recordings of a list; `speaker` is that of lines that name none.

    Raises:
        UserError: no list that can be read, or a line of Kaldi's wav.scp that is a command.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError(f"{path}: no regular file; expected a list of recordings, one a line")
        lines = read_lines(path, "surrogateescape")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a list of recordings, one a line") from error
    entries = list(_scp(path, lines) if path.suffix.lower() == ".scp" else _table(lines))
    if not entries:
        raise UserError(f"{path}: no recording is listed; expected a path a line")
    finder = Finder()
    for name, own in entries:
        own = plain_name(own)
        yield _place(name, path.parent, finder), speaker if is_missing(own) else own


def _table(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, speaker or "") of lines of a path and, after a tab, the speaker; a header may name the columns."""
    rows = [line.split("\t") for line in lines]
    header = [plain_name(cell).lower() for cell in rows[0]] if rows else []
    place, by = 0, 1
    if "path" in header:
        place, by = header.index("path"), header.index("speaker") if "speaker" in header else len(header)
        rows = rows[1:]
    for cells in rows:
        if len(cells) > place and (name := cells[place].strip()):
            yield name, cells[by] if by < len(cells) else ""


def _scp(path: Path, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The paths of Kaldi's wav.scp, `utterance path`, or of lines that are a path alone."""
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line.startswith("|") or line.endswith("|"):
            raise UserError(f"{path}, line {number}: reads from a command ({line:.60}); only files are read: convert "
                            "the recordings first")
        words = line.split(maxsplit=1)
        if words:
            alone = len(words) == 1 or os.path.exists(line) or (path.parent / line).exists()
            yield line if alone else words[1], ""


def _place(name: str, directory: Path, finder: Finder) -> str:
    """Where the recording of a list lies: as it is written, else beside the list, in either Unicode form."""
    for place in (Path(name), directory / name):
        if (found := finder.find(place)).exists():
            return name if found == Path(name) else str(found)
    return name
