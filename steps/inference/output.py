"""Records as lines of JSON or of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steps.inference.outputs import Outputs
from utils.printable import is_control, spreadsheet_cell

DIGITS = 6  # of a posterior


class Json:
    """A line a recording."""

    def pieces(self, record: Mapping[str, Any]) -> Iterator[str]:
        """The line in parts, since a long recording has many windows."""
        if "windows" not in record:
            yield dumped(rounded(record)) + "\n"
            return
        # Within a name or a transcript the quotation marks would be escaped: this comes once.
        head, tail = dumped(rounded({**record, "windows": []})).split('"windows": []')
        yield head + '"windows": ['
        for number, window in enumerate(record["windows"]):
            yield (", " if number else "") + dumped(rounded(window))
        yield "]" + tail + "\n"


class Table:
    """Tab-separated with a header; a line a recording, or a window of one. What does not apply is empty.

    `notes` says what is to be said of the sound; `prior` which subsystems heard nothing, so that theirs are the
    classes' shares in training, and why.
    """

    def __init__(self, outputs: Outputs, subsystems: Sequence[str], windows: bool = False):
        self.outputs, self.subsystems, self.windows = outputs, list(subsystems), windows
        self._begun = False

    def pieces(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Whole lines."""
        if not self._begun:
            self._begun = True
            times = ["start", "end"] if self.windows else ["seconds"]
            columns = self.outputs.columns
            names = [*columns, *(f"{name}:{label}" for name in self.subsystems for label in columns)]
            yield "\t".join(["file", *times, *self.outputs.heading, *map(plain, names), "notes", "transcript", "prior",
                             "error"]) + "\n"
        for row in record.get("windows", [record]):
            notes = dict.fromkeys([*record.get("notes", []), *row.get("notes", [])])
            yield "\t".join(self._cells(record["file"], row, list(notes))) + "\n"

    def _cells(self, file: str, row: Mapping[str, Any], notes: Sequence[str]) -> Iterator[str]:
        yield plain(file)
        for name in ("start", "end") if self.windows else ("seconds",):
            yield f"{row[name]:g}" if name in row else ""
        yield from (plain(row.get(name, "")) for name in self.outputs.heading)
        alone = row.get("subsystems", {})
        for table in (self.outputs.values(row), *(alone.get(name, {}) for name in self.subsystems)):
            yield from (f"{table[label]:.{DIGITS}f}" if label in table else "" for label in self.outputs.columns)
        yield plain("; ".join(notes))
        yield plain(row.get("transcript") or "")
        yield plain("; ".join(f"{name}: {why}" for name, why in row.get("prior", {}).items()))
        yield plain(row.get("error", ""))


class TrackTable:
    """Tab-separated with a header; a line a value, with the time for which it holds."""

    def __init__(self, targets: Sequence[str]):
        self.targets = list(targets)
        self._begun = False

    def pieces(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Whole lines; of a recording that cannot be read one with the error."""
        if not self._begun:
            self._begun = True
            yield "\t".join(["file", "start", "end", *map(plain, self.targets), "notes", "error"]) + "\n"
        file, notes = plain(record["file"]), plain("; ".join(record.get("notes", ())))
        if "error" in record:
            empty = [""] * (len(self.targets) + 3)
            yield "\t".join([file, *empty, plain(record["error"])]) + "\n"
            return
        tracks = [record["tracks"][name] for name in self.targets]
        step = tracks[0]["step"]
        for place, values in enumerate(zip(*(track["values"] for track in tracks), strict=True)):
            cells = [f"{place * step:g}", f"{(place + 1) * step:g}", *(f"{value:.{DIGITS}f}" for value in values)]
            yield "\t".join([file, *cells, notes, ""]) + "\n"


def plain(text: str) -> str:
    """A text that fits into a cell: no tab or line end, nothing that acts on a terminal, no formula."""
    return spreadsheet_cell(" ".join(text.split("\t")).replace("\n", " ").replace("\r", " "))


def dumped(value: Any) -> str:
    """JSON, with escapes for what acts on a terminal, too; JSON itself leaves DEL and C1 as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(
        f"\\u{ord(letter):04x}" if is_control(letter) else letter for letter in text)


def rounded(value: Any) -> Any:
    """Every number with so many digits as are worth printing."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list) else value
