"""THCHS-30: read newspaper sentences of 60 speakers (Wang & Zhang 2015).

Layout: DIR/data_thchs30/{train,dev,test}/A11_0.wav with A11_0.wav.trn, which holds a path, ../data/A11_0.wav.trn, and
not the transcript; that stands there in its first line (then pinyin, then phones). Some lines have a stray " l =".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row
from utils.corpus import PARTS, Row
from utils.text_files import read_text


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "thchs30", "data_thchs30/data", "data_thchs30/train")
    for part in PARTS:
        for path in sorted((corpus_dir / "data_thchs30" / part).glob("*.wav")):
            text = _first_line(path.with_name(path.name + ".trn")).replace(" l =", "")
            yield row("thchs30", path.stem, path, text, part, path.stem.partition("_")[0], style="read")


def _first_line(path: Path) -> str:
    """The transcript, behind a link or behind a path written out; "" where there is none."""
    if not path.is_file():
        return ""
    line = read_text(path).partition("\n")[0].strip()
    return _first_line(path.parent / line) if line.endswith(".trn") else line
