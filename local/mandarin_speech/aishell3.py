"""AISHELL-3: 85 h of 218 speakers, made for speech synthesis (Shi et al., Interspeech 2021).

Layout: DIR/{train,test}/content.txt and DIR/<part>/wav/SSB0005/SSB00050001.wav, DIR/spk-info.txt. A line of content.txt
has characters and their pinyin in turn: `SSB00050001.wav<TAB>广 guang3 州 zhou1`. There is no dev part.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row, table
from utils.corpus import Row


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "aishell3", "spk-info.txt", "train/content.txt", "test/content.txt")
    genders = {speaker: rest.split()[-2] for speaker, rest, _ in table(corpus_dir / "spk-info.txt")
               if not speaker.startswith("#") and len(rest.split()) >= 3}
    for part in ("train", "test"):
        for name, content, where in table(corpus_dir / part / "content.txt"):
            key, text = name.partition(".")[0], "".join(content.split()[::2])
            speaker = key[:7]
            yield row("aishell3", key, corpus_dir / part / "wav" / speaker / f"{key}.wav", text, part, speaker, where,
                      gender=genders.get(speaker), style="read")
