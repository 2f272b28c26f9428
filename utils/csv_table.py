"""Tables with a header that come with a corpus: lines as mappings, and a mistake named with its file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.names import plain_name
from utils.text_files import read_text

TAB = "\t"


def read_table(table: Path, columns: Sequence[str] = (), delimiter: str = ",",
               errors: str = "strict") -> Iterator[tuple[int, dict[str, str]]]:
    """(number of the line, column -> cell without spaces around it); a cell that is not there is "".

    Args:
        columns: which there must be, whatever the case of their letters; they come as they are spelled here.
        delimiter: a tab also means that quotation marks are letters. errors: of bytes that are not UTF-8.

    Raises:
        UserError: no text, no header, or one without the columns.
    """
    quoting = csv.QUOTE_NONE if delimiter == TAB else csv.QUOTE_MINIMAL
    lines = csv.DictReader(io.StringIO(read_text(table, errors)), delimiter=delimiter, quoting=quoting)
    try:
        names = [plain_name(name) for name in lines.fieldnames or ()]
        there = {name.lower() for name in names}
        if missing := [name for name in columns if name.lower() not in there]:
            raise UserError(f"{table}: no column {missing[0]}; expected {', '.join(columns)}, with "
                            f"{'tabs' if delimiter == TAB else 'commas'} between; it has: "
                            f"{', '.join(names)[:200] or 'nothing'}")
        spelled = {name.lower(): name for name in columns}
        for line in lines:
            yield lines.line_num, {spelled.get(plain.lower(), plain): (value or "").strip()
                                   for name, value in line.items() if isinstance(name, str)
                                   for plain in [plain_name(name)]}
    except csv.Error as error:
        raise UserError(f"{table}: no table of UTF-8 text ({error}); save it as CSV in UTF-8") from error
