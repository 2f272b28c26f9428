"""ST-CMDS (Surfingtech): 102600 short utterances of 855 speakers, recorded by telephones.

Layout: DIR/ST-CMDS-20170001_1-OS/20170001P00001A0001.wav, with the transcript in a .txt of the same name (and a
.metadata). The speaker is in the name: P00001A. There is one part, train.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row
from utils.corpus import Row
from utils.text_files import read_text

DIRECTORY = "ST-CMDS-20170001_1-OS"


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "st_cmds", DIRECTORY)
    for path in sorted((corpus_dir / DIRECTORY).glob("*.wav")):
        transcript = path.with_suffix(".txt")
        text = read_text(transcript).strip() if transcript.is_file() else ""
        yield row("st_cmds", path.stem, path, text, "train", path.stem[8:15], style="read")
