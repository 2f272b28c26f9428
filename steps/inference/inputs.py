"""Which recordings are meant: files, directories of files, and lists."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from steps.data.audio.files import SUFFIXES
from utils.errors import UserError
from utils.names import Finder, is_missing, plain_name
from utils.text_files import read_lines
from utils.walk import walk

LISTS = (".txt", ".tsv", ".list", ".scp")


class Utterance(NamedTuple):
    """A recording, and what is known of it. turn: its place within the dialogue."""

    path: str
    speaker: str | None = None
    dialogue: str | None = None
    turn: int | None = None


def sources(words: Sequence[str], speaker: str | None = None) -> Iterator[Utterance]:
    """The recordings that the command line names, in order.

    A directory stands for the audio files below it, sorted; names that begin with a dot (macOS leaves ._x beside x) are
    passed over, and counted in a line on standard error. A list has one path a line and, after a tab, the speaker;
    with a header that has the column `path`, the speaker stands in `speaker`, and the columns `dialogue` and `turn` say
    where in which dialogue an utterance stands. A path of a list that is not there is looked for beside the list;
    wav.scp has Kaldi's form, `utterance path`.
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
            yield from (Utterance(name, speaker) for name in found)
        elif path.suffix.lower() in LISTS:
            yield from listed(path, speaker)
        else:
            yield Utterance(word, speaker)


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


def listed(path: Path, speaker: str | None = None) -> Iterator[Utterance]:
    """The recordings of a list; `speaker` is that of lines that name none.

    Raises:
        UserError: no list that can be read, a line of Kaldi's wav.scp that is a command, or a dialogue without a
            clear order.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError(f"{path}: no regular file; expected a list of recordings, one a line")
        lines = read_lines(path, "surrogateescape")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a list of recordings, one a line") from error
    entries = list(_scp(path, lines) if path.suffix.lower() == ".scp" else _table(path, lines))
    if not entries:
        raise UserError(f"{path}: no recording is listed; expected a path a line")
    finder = Finder()
    for one in entries:
        own = plain_name(one.speaker or "")
        yield one._replace(path=_place(one.path, path.parent, finder), speaker=speaker if is_missing(own) else own)


def _table(path: Path, lines: Sequence[str]) -> Iterator[Utterance]:
    """Lines of a path and, after a tab, the speaker; a header may name the columns."""
    rows = [line.split("\t") for line in lines]
    header = [plain_name(cell).lower() for cell in rows[0]] if rows else []
    columns = {"path": 0, "speaker": 1}
    if "path" in header:
        columns = {name: header.index(name) for name in ("path", "speaker", "dialogue", "turn") if name in header}
    if "dialogue" in columns and "turn" not in columns:
        raise UserError(f"{path}: it has the column dialogue and not the column turn, which says the order of the "
                        "utterances: 0, 1, 2, ...")
    first = 1 if "path" in header else 0
    taken: dict[tuple[str, int], int] = {}
    for number, cells in enumerate(rows[first:], start=first + 1):
        cell = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
        if not cell.get("path"):
            continue
        dialogue, turn = plain_name(cell.get("dialogue", "")), None
        if not is_missing(dialogue):
            turn = _turn(cell.get("turn", ""), f"{path}, line {number}")
            if (other := taken.setdefault((dialogue, turn), number)) != number:
                raise UserError(f"{path}, lines {other} and {number}: two utterances of the dialogue {dialogue} have "
                                f"the turn {turn}; number them in their order")
        yield Utterance(cell["path"], cell.get("speaker"), None if turn is None else dialogue, turn)


def _turn(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise UserError(f"{where}: turn is {text!r}; expected the place of the utterance within its dialogue, a whole "
                        "number from 0 on")
    return int(text)


def _scp(path: Path, lines: Sequence[str]) -> Iterator[Utterance]:
    """The paths of Kaldi's wav.scp, `utterance path`, or of lines that are a path alone."""
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line.startswith("|") or line.endswith("|"):
            raise UserError(f"{path}, line {number}: reads from a command ({line:.60}); only files are read: convert "
                            "the recordings first")
        words = line.split(maxsplit=1)
        if words:
            alone = len(words) == 1 or os.path.exists(line) or (path.parent / line).exists()
            yield Utterance(line if alone else words[1])


def _place(name: str, directory: Path, finder: Finder) -> str:
    """Where the recording of a list lies: as it is written, else beside the list, in either Unicode form."""
    for place in (Path(name), directory / name):
        if (found := finder.find(place)).exists():
            return name if found == Path(name) else str(found)
    return name
