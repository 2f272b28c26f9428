"""RAVDESS speech: 24 actors say two sentences in eight emotions (Livingstone and Russo 2018).

Layout: DIR/Actor_NN/03-01-EE-II-SS-RR-AA.wav (or .flac); the numbers are emotion, intensity, statement, repetition and
actor. The archive's own folder Audio_Speech_Actors_01-24/ may stand between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, one_speaker_out, speaker_folds
from utils.errors import UsageError

EMOTIONS = {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
            "08": "surprised"}
STATEMENTS = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
# Modality 03 is audio only, channel 01 is speech (02 is song).
NAME = re.compile(r"03-01-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
# The folds of EmoBox (Ma et al. 2024), four actors each.
SIX_FOLDS = (("01", "11", "20", "21"), ("04", "10", "12", "14"), ("08", "09", "19", "23"), ("03", "05", "07", "24"),
             ("02", "15", "16", "18"), ("06", "13", "17", "22"))

CORPUS = Corpus(
    name="ravdess",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    language="en",
    published={"utterances": 1440, "speakers": 24,
               "emotion": {name: 96 if name == "neutral" else 192 for name in EMOTIONS.values()}},
    source="https://zenodo.org/records/1188976 (Audio_Speech_Actors_01-24.zip), CC BY-NC-SA 4.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no actors' directories.
    """
    actors = sorted(corpus_dir.glob("Actor_[0-9][0-9]")) or sorted(corpus_dir.glob("*/Actor_[0-9][0-9]"))
    if not actors:
        raise UsageError(f"--corpus-dir {corpus_dir}: no directories Actor_01 ... Actor_24 there; "
                         f"RAVDESS speech is at {CORPUS.source}")
    found = []
    for path in (path for actor in actors for path in sorted(actor.iterdir())):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in (".wav", ".flac"):
            continue
        emotion, intensity, statement, repetition, actor = match.groups()
        found.append(Row(path.stem, path, fields={
            "speaker": actor, "gender": "male" if int(actor) % 2 else "female", "emotion": EMOTIONS[emotion],
            "intensity": float(intensity == "02"), "text": STATEMENTS[statement], "sentence": statement,
            "repetition": int(repetition), "language": "en", "style": "acted"}))
    return found


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [
        speaker_folds("six_folds", rows, SIX_FOLDS, "six folds of four actors (EmoBox); dev is the next fold's actors"),
        one_speaker_out("one_actor_out", rows, "each actor is the test part once; the next actor is dev"),
    ]
