"""AISHELL-4: meetings of 4 to 8 people, circular array of 8 microphones (Fu et al., Interspeech 2021).

Layout: DIR/{train_L,train_M,train_S,test}/wav/*.flac and DIR/<part>/TextGrid/*.TextGrid, one tier a speaker. Names of
speakers hold within one meeting only. Two meetings' TextGrids have intervals of negative length; they are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import overlaps, require, row, text_grid, without_tags
from utils.corpus import Row
from utils.errors import UserError

LISTS = {"train_L": "train", "train_M": "train", "train_S": "train", "test": "test"}


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "aishell4", *LISTS)
    for name, part in LISTS.items():
        for path in sorted((corpus_dir / name / "wav").glob("*.flac")):
            grid = corpus_dir / name / "TextGrid" / f"{path.stem}.TextGrid"
            yield from meeting_rows("aishell4", path, grid, part, lambda tier, path=path: f"{path.stem}-{tier}")


def meeting_rows(corpus: str, path: Path, grid: Path, part: str, speaker_of, **fields: str) -> Iterator[Row]:
    """A row for each interval of each tier; none, said aloud, where the TextGrid is missing or damaged."""
    try:
        tiers = text_grid(grid)
    except (UserError, OSError) as error:
        print(f"{corpus}: {path.stem} is left out: {error}", file=sys.stderr)
        return
    for (tier, intervals), shares in zip(tiers.items(), overlaps(list(tiers.values())), strict=True):
        for number, ((start, end, text), share) in enumerate(zip(intervals, shares, strict=True)):
            yield row(corpus, f"{path.stem}-{tier}-{number:05d}", path, without_tags(text), part, speaker_of(tier),
                      f"{grid}, {start} s", start, end, overlap=round(share, 4), style="spontaneous", session=path.stem,
                      **fields)
