"""KeSpeech: 1542 h in Mandarin and eight of its subdialects, 27237 speakers (Tang et al., NeurIPS 2021).

Layout: DIR/Tasks/ASR/{train_phase1,train_phase2,dev_phase1,dev_phase2,test}/{wav.scp,text,utt2spk,utt2subdialect},
paths relative to DIR, such as Audio/1000001/phase1/1000001_0001.wav. Phase 2 has sentences of phase 1 in the other
manner of speaking, by the same speakers; the published lists keep speakers apart. Noise is <SPOKEN_NOISE> in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.layout import require, row, table, without_tags
from utils.corpus import Row

LISTS = {"train_phase1": "train", "train_phase2": "train", "dev_phase1": "dev", "dev_phase2": "dev", "test": "test"}


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "kespeech", *(f"Tasks/ASR/{name}/wav.scp" for name in LISTS))
    for name, part in LISTS.items():
        directory = corpus_dir / "Tasks/ASR" / name
        texts, speakers, dialects = ({key: value for key, value, _ in table(directory / file)}
                                     for file in ("text", "utt2spk", "utt2subdialect"))
        for key, path, where in table(directory / "wav.scp"):
            text = without_tags(texts.get(key, ""))
            yield row("kespeech", key, corpus_dir / path, text, part, speakers.get(key), where,
                      dialect=dialects.get(key), style="read")
