"""SAVEE: four English men say 120 sentences each in seven emotions (Haq and Jackson 2009).

Layout: DIR/DC/a01.wav (or .flac): speaker, emotion letters, sentence of that emotion; in copies DIR/DC_a01.wav.
Both may lie in the archive's own folder AudioData/ or ALL/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, one_speaker_out
from utils.errors import UsageError

EMOTIONS = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness",
            "su": "surprise"}
NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(a|d|f|h|n|sa|su)(\d\d)")
SPEAKERS = ("DC", "JE", "JK", "KL")

CORPUS = Corpus(
    name="savee",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    language="en",
    published={"utterances": 480, "speakers": 4,
               "emotion": {name: 120 if name == "neutral" else 60 for name in EMOTIONS.values()}},
    source="http://kahlan.eps.surrey.ac.uk/savee (registration), for research",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no recordings with SAVEE's names.
    """
    found = []
    for folder in (corpus_dir, corpus_dir / "AudioData", corpus_dir / "ALL"):
        for path in sorted([*folder.glob("*_*"), *(path for name in SPEAKERS for path in folder.glob(f"{name}/*"))]):
            match = NAME.fullmatch(path.stem)
            if match is None or path.suffix.lower() not in (".wav", ".flac"):
                continue
            speaker, letters, number = match.group(1) or path.parent.name, match.group(2), match.group(3)
            if speaker in SPEAKERS:
                found.append(Row(f"{speaker}_{letters}{number}", path, fields={
                    "speaker": speaker, "gender": "male", "emotion": EMOTIONS[letters],
                    "sentence": f"{letters}{number}", "language": "en", "style": "acted"}))
        if found:
            return found
    raise UsageError(f"--corpus-dir {corpus_dir}: no recordings DC/a01.wav ... or DC_a01.wav ... there; "
                     f"SAVEE is at {CORPUS.source}")


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [one_speaker_out("one_speaker_out", rows, "each of the four speakers is the test part once (EmoBox); the "
                            "next speaker is dev")]
