"""Names as people and programs write them: when two are the same, when they only look alike, when there is none.

One speaker, class, session, dialogue or file comes in several spellings: composed and decomposed Unicode (a table from
Linux, files from macOS), with invisible characters (copied from a web page), with a no-break space at its end (from a
spreadsheet). Whoever reads a name passes it through `plain_name`, so that everything behind compares plain text.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

# What pandas, R, spreadsheets and databases write where there is no value, and what people write.
MISSING = frozenset((
    "", "nan", "NaN", "NAN", "-nan", "none", "None", "NONE", "null", "NULL", "na", "NA", "n/a", "N/A", "N/a", "n.a.",
    "<na>", "<NA>", "#N/A", "#NA", "NaT", "unknown", "Unknown", "UNKNOWN", "unk", "UNK", "<unk>", "?"))


def plain_name(text: str) -> str:
    """The name in Unicode NFC, without invisible characters and outer white space; every space is U+0020.

    Invisible are zero-width characters, byte order marks, soft hyphens, marks of writing direction, variation
    selectors. Bytes that are no Unicode (lone surrogates) stay.
    """
    if text.isascii():
        return text.strip()
    seen = (" " if unicodedata.category(mark) == "Zs" else mark for mark in text if not _invisible(mark))
    return unicodedata.normalize("NFC", "".join(seen)).strip()


def _invisible(mark: str) -> bool:
    return unicodedata.category(mark) == "Cf" or "\ufe00" <= mark <= "\ufe0f"


def is_missing(text: str) -> bool:
    """Whether the text is a way to say that there is no value."""
    return plain_name(text) in MISSING


def spelling(name: str) -> str:
    """What names have in common that differ only in case, in leading zeros, in spaces or in a ".0" at their end."""
    text = " ".join(plain_name(name).casefold().split())
    return re.sub(r"(?<![\d.])0+(?=\d)", "", re.sub(r"(?<=\d)\.0+$", "", text))


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of two names or more that differ in `spelling` only; groups and names sorted."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[spelling(name)].add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


class Finder:
    """Files by their names, whichever Unicode form the disk has; a directory is listed once, and only if need be."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: Path) -> Path:
        """The path as the disk spells it; unchanged where it is there, or where none or several would fit."""
        if os.path.exists(path) or path == path.parent:
            return path
        parent = self.find(path.parent)
        found = self._names(parent).get(plain_name(path.name), [])
        return parent / found[0] if len(found) == 1 else path

    def hint(self, path: Path) -> str:
        """For the message about a file that is not there: what is there under a name that looks alike; or ""."""
        parent = self.find(path.parent)
        alike = sorted(name for names in self._names(parent).values() for name in names
                       if spelling(name) == spelling(path.name))
        return f"there is {' and '.join(alike[:3])}, spelled otherwise" if alike else ""

    def _names(self, directory: Path) -> dict[str, list[str]]:
        """{plain name: names as they stand there}; empty for what is no directory that can be read."""
        if directory not in self._listed:
            found: dict[str, list[str]] = defaultdict(list)
            try:
                for name in os.listdir(directory):
                    found[plain_name(name)].append(name)
            except OSError:
                pass
            self._listed[directory] = found
        return self._listed[directory]
