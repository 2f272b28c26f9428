"""CASIA, Mandarin emotional speech: two women and two men say the same fifty sentences in six emotions.

Layout, of the part that is handed out: DIR/liuchanhg/angry/201.wav ... 250.wav (or .flac): speaker, emotion, sentence.
The speaker Liu Chang's directory is misspelt; the directories also hold files that are no recordings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, speaker_folds
from utils.errors import UsageError

EMOTIONS = ("angry", "fear", "happy", "neutral", "sad", "surprise")
GENDERS = {"liuchanhg": "female", "wangzhe": "male", "zhaoquanyin": "female", "ZhaoZuoxiang": "male"}
SPEAKERS = {name.lower(): name for name in GENDERS}  # copies spell them in small letters, too

CORPUS = Corpus(
    name="casia",
    targets=(Target(classes=EMOTIONS),),
    language="zh",
    published={"utterances": 1200, "speakers": 4, "emotion": dict.fromkeys(EMOTIONS, 200)},
    source="http://www.chineseldc.org (CLDC-SPC-2005-010; 9600 utterances there, 1200 of them handed out free for "
           "research), by agreement",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no speakers' directories.
    """
    found = []
    for path in sorted(corpus_dir.glob("*/*/*")):
        speaker, emotion = SPEAKERS.get(path.parent.parent.name.lower()), path.parent.name.lower()
        if (speaker is None or emotion not in EMOTIONS or not re.fullmatch(r"\d{3}", path.stem)
                or path.suffix.lower() not in (".wav", ".flac")):
            continue
        found.append(Row(f"{speaker}_{emotion}_{path.stem}", path, fields={
            "speaker": speaker, "gender": GENDERS[speaker], "emotion": emotion, "sentence": path.stem,
            "language": "zh", "style": "acted"}))
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no recordings liuchanhg/angry/201.wav ... there; "
                         f"CASIA is at {CORPUS.source}")
    return found


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [speaker_folds("one_speaker_out", rows, [[name] for name in GENDERS],
                          "each of the four speakers is the test part once (EmoBox); the next speaker is dev")]
