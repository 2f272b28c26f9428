"""CREMA-D: 91 actors say twelve English sentences in six emotions (Cao et al. 2014).

Layout: DIR/AudioWAV/1001_DFA_ANG_XX.wav (or .flac): actor, sentence, emotion, intensity; DIR/VideoDemographics.csv with
the actors' age and sex. One file's intensity is cut short (1040_ITH_SAD_X), one is digital silence (1076_MTI_SAD_XX).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.corpus import Corpus, Protocol, Row, Target, notice, speaker_folds
from utils.csv_table import read_table
from utils.errors import UsageError, UserError

EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
INTENSITIES = {"LO": 0.0, "MD": 0.5, "HI": 1.0}  # XX: not specified
SENTENCES = {
    "IEO": "It's eleven o'clock.", "TIE": "That is exactly what happened.", "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.", "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.", "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.", "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.", "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)")
ACTORS = [str(number) for number in range(1001, 1092)]
FOLDS = 5

CORPUS = Corpus(
    name="crema_d",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    language="en",
    published={"utterances": 7442, "speakers": 91,
               "emotion": {name: 1087 if name == "neutral" else 1271 for name in EMOTIONS.values()}},
    source="https://github.com/CheyneyComputerScience/CREMA-D (git-lfs), Open Database License 1.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no recordings with CREMA-D's names. UserError: a table of the actors that is none.
    """
    wav, people = corpus_dir / "AudioWAV", _demographics(corpus_dir / "VideoDemographics.csv")
    found = []
    for path in sorted(wav.iterdir()) if wav.is_dir() else []:
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in (".wav", ".flac"):
            continue
        actor, sentence, emotion, intensity = match.groups()
        if emotion not in EMOTIONS or sentence not in SENTENCES:
            raise UserError(f"{path}: no sentence {sentence} or emotion {emotion} is known; is it CREMA-D's?")
        fields = {"speaker": actor, "emotion": EMOTIONS[emotion], "sentence": sentence, "text": SENTENCES[sentence],
                  "intensity": INTENSITIES.get(intensity), "language": "en", "style": "acted", **people.get(actor, {})}
        found.append(Row(path.stem, path, fields=fields))
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no recordings AudioWAV/1001_DFA_ANG_XX.wav ... there; "
                         f"CREMA-D is at {CORPUS.source}")
    return found


def _demographics(table: Path) -> dict[str, dict[str, Any]]:
    """{actor: gender and age}; empty where the table was not fetched."""
    if not table.is_file():
        notice(f"{table} is not there: the actors' gender and age are not known")
        return {}
    return {line["ActorID"]: {"gender": line["Sex"], "age": line["Age"]}
            for _, line in read_table(table, ["ActorID", "Age", "Sex"])}


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    groups = [ACTORS[fold::FOLDS] for fold in range(FOLDS)]
    return [speaker_folds("actor_folds", rows, groups, "five folds of 18 or 19 actors, dealt out by number (1001, 1006 "
                          "... are fold 1); dev is the next fold's actors")]
