"""Text of others (names of files, classes, speakers, what a table holds) as it may be printed.

A control character in a name could clear the screen, rename the window, or write a line that nobody wrote; a cell that
begins with = + - or @ is a formula to a spreadsheet.
"""

from __future__ import annotations

import unicodedata

# Characters that change how others are shown, beside control characters: overrides of the direction of writing.
_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
FORMULA = ("=", "+", "-", "@")


def printable(text: str) -> str:
    """`text` with every control character as an escape: ESC becomes \\x1b, a line end \\n; all else is as it was."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) if is_control(character) else character for character in text)


def is_control(character: str) -> bool:
    """Whether a character acts on a terminal (C0, DEL, C1, line and paragraph separators, directions)."""
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or ord(character) in _TURNING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def spreadsheet_cell(text: str) -> str:
    """A text of others for a table that people open in a spreadsheet: printable, and no formula.

    A leading ' is what spreadsheets take for "this is text"; who reads the table by a program removes it where one of
    = + - @ follows. Numbers are written by us and do not come here.
    """
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def short(line: str, most: int = 2000) -> str:
    """A line without its middle, where it is so long (a file name of a megabyte) that nobody would read it."""
    shown = line.encode("utf-8", "backslashreplace").decode()  # bytes of a name that are no UTF-8 take six characters
    return line if len(shown) <= most else f"{shown[: most - 500]} ... {shown[-480:]}"
