"""The synthetic set of local/mini_asr.py as if it were a corpus of Mandarin, for `--size tiny`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from local import mini_asr
from utils.corpus import Row


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    found = mini_asr.rows(corpus_dir)
    [parts] = mini_asr.protocols(found)[0].folds
    for row in found:
        yield dataclasses.replace(row, id=f"mini-{row.id}", fields={**row.fields, "part": parts[row.id]})
