"""TESS, the Toronto emotional speech set: two women say "Say the word ..." with 200 words in seven emotions
(Pichora-Fuller and Dupuis 2020).

Layout: DIR/OAF_angry/OAF_back_angry.wav (or .flac): speaker (OAF is 64 years old, YAF 26), word, emotion ("ps" is
pleasant surprise). The directories' spelling varies (OAF_Pleasant_surprise, YAF_pleasant_surprised, OAF_Sad), so labels
come from the files' names; one of these lacks its F (OA_bite_neutral.wav).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target
from utils.errors import UsageError
from utils.folds import carve_dev

EMOTIONS = {"angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy", "neutral": "neutral",
            "ps": "surprise", "sad": "sad"}
NAME = re.compile(rf"(OAF?|YAF)_([a-z]+)_({'|'.join(EMOTIONS)})", re.IGNORECASE)
AGES = {"OAF": 64, "YAF": 26}

CORPUS = Corpus(
    name="tess",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    language="en",
    published={"utterances": 2800, "speakers": 2, "emotion": dict.fromkeys(EMOTIONS.values(), 400)},
    source="https://doi.org/10.5683/SP2/E8H2MF, CC BY-NC-ND 4.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no directories of the two speakers.
    """
    # A copy that is often met holds everything twice, once in a folder of its own name; one level is read.
    folders = sorted(corpus_dir.glob("[OY]AF_*")) or sorted(corpus_dir.glob("*/[OY]AF_*"))
    found = []
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in (".wav", ".flac"):
            continue
        speaker, word, emotion = match.group(1).upper()[0] + "AF", match.group(2).lower(), match.group(3).lower()
        found.append(Row(f"{speaker}_{word}_{emotion}", path, fields={
            "speaker": speaker, "gender": "female", "age": AGES[speaker], "emotion": EMOTIONS[emotion],
            "text": f"Say the word {word}.", "sentence": word, "language": "en", "style": "acted"}))
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no recordings OAF_angry/OAF_back_angry.wav ... there; "
                         f"TESS is at {CORPUS.source}")
    return found


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    """Two speakers leave none for dev: it is a fifth of the training speaker's utterances, and the protocol says so."""
    folds = [carve_dev({row.id: "test" if row.speaker == speaker else "train" for row in rows}, rows)
             for speaker in AGES if any(row.speaker == speaker for row in rows)]
    return [Protocol("one_speaker_out", folds, "each of the two speakers is the test part once; dev is a fifth of the "
                     "other's utterances of every emotion", speaker_overlap=True)]
