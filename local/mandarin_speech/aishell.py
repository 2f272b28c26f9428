"""AISHELL-1: read sentences of 400 speakers (Bu et al., O-COCOSDA 2017).

Layout: DIR/data_aishell/transcript/aishell_transcript_v0.8.txt and DIR/data_aishell/wav/{train,dev,test}/S0002/*.wav
(the inner archives unpacked). Some hundred recordings have no transcript; words in a transcript are parted by spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row, table
from utils.corpus import PARTS, Row

TRANSCRIPT = "data_aishell/transcript/aishell_transcript_v0.8.txt"


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "aishell", TRANSCRIPT, "data_aishell/wav/train")
    texts = {key: text for key, text, _ in table(corpus_dir / TRANSCRIPT)}
    for part in PARTS:
        for path in sorted((corpus_dir / "data_aishell/wav" / part).glob("S*/*.wav")):
            yield row("aishell", path.stem, path, texts.get(path.stem, ""), part, path.parent.name, style="read")
