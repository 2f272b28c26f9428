"""MAGICDATA Mandarin Chinese Read Speech: 755 h of 1080 speakers.

Layout: DIR/{train,dev,test}/TRANS.txt (UtteranceID, SpeakerID, Transcription; with a header) and
DIR/<part>/<speaker>/<utterance>.wav. Transcripts have tags for fillers and noises: [FIL], [SPK] ... Two recordings are
known to be bad.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row, table, without_tags
from utils.corpus import PARTS, Row

BAD = ("16_4013_20170819121429", "18_1565_20170712000170")


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "magicdata", *(f"{part}/TRANS.txt" for part in PARTS))
    for part in PARTS:
        for name, rest, where in table(corpus_dir / part / "TRANS.txt"):
            key = name.partition(".")[0]
            if name == "UtteranceID" or key in BAD:
                continue
            speaker, _, text = rest.partition(" ")
            path = corpus_dir / part / speaker / f"{key}.wav"
            yield row("magicdata", key, path, without_tags(text), part, speaker, where, style="read")
