"""What is to be said of a recording that can be used: told with it, counted over a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from utils.files import write_text

SHOWN = 3  # names of a warning; the file has all


class Remark(NamedTuple):
    """kind: the same words for all recordings, to be counted. detail: of this one."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


Remarks = Mapping[str, Sequence[Remark]]  # by recording or utterance


def warnings_of(found: Remarks, total: int, what: str, listed: Path) -> list[str]:
    """A line for each kind of remark; the list of all goes to a file, which is removed if empty.

    Args:
        found: by id or path, sorted as they are to be listed. total: of all. what: "utterances".
        listed: the file, `name  kind  detail`.
    """
    rows = [(name, remark) for name, remarks in found.items() for remark in remarks]
    if not rows:
        listed.unlink(missing_ok=True)
        return []
    write_text(listed, f"{what}\tkind\tdetail\n" + "".join(
        f"{_cell(name)}\t{remark.kind}\t{_cell(remark.detail)}\n" for name, remark in rows))
    lines = []
    for kind in sorted({remark.kind for _, remark in rows}):
        mine = [(name, remark.detail) for name, remark in rows if remark.kind == kind]
        names = ", ".join(_cell(name) for name, _ in mine[:SHOWN])
        more = f" and {len(mine) - SHOWN} more" if len(mine) > SHOWN else ""
        lines.append(f"{kind} in {len(mine)} of {total} {what}: {names}{more} "
                     f"({mine[0][1]}); {listed} lists all")
    return lines


def _cell(text: str) -> str:
    return text if text.isprintable() else ascii(text)
