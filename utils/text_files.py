"""Text files that users bring (tables, lists, Kaldi's files, class maps): read in one way, whoever wrote them.

A byte order mark is passed over, all line ends are taken, and text that is not UTF-8 is named as what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from utils.errors import UserError
from utils.files import check_regular
from utils.names import plain_name

UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: str | Path, errors: str = "strict") -> str:
    """The content, with "\\n" at the end of every line.

    Args:
        errors: what becomes of bytes that are not UTF-8; see `str.decode`.

    Raises:
        UserError: not UTF-8 (UTF-16 is named), no text at all, or no file (a pipe). OSError: it cannot be read.
    """
    check_regular(path)
    raw = Path(path).read_bytes()
    if raw.startswith(UTF16) or raw[1:2] == b"\0" or raw[:1] == b"\0":
        raise UserError(f"{path}: not UTF-8 but UTF-16 (\"Unicode\" in Notepad and Excel); save it as UTF-8")
    if b"\0" in raw:
        what = "a workbook of Excel or an archive" if raw.startswith(b"PK\x03\x04") else "it has zero bytes"
        raise UserError(f"{path}: no text file ({what}); expected text in UTF-8")
    try:
        text = raw.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
                        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: str | Path, errors: str = "strict") -> list[str]:
    """The lines. Unlike `splitlines` it leaves U+0085, U+2028 and their like within a line."""
    lines = read_text(path, errors).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_keyed(path: str | Path, errors: str = "strict") -> Iterator[tuple[int, str, str]]:
    """(number of the line, key, rest) of Kaldi's tables (text, utt2spk, wav.scp): a key, white space, and the rest,
    which may be empty. Empty lines are passed over; keys are plain names (utils/names.py)."""
    for number, line in enumerate(read_lines(path, errors), start=1):
        words = line.split(maxsplit=1)
        if words and (key := plain_name(words[0])):
            yield number, key, words[1].strip() if len(words) > 1 else ""
