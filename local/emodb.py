"""EMO-DB, the Berlin database of emotional speech: ten actors say ten German sentences in seven emotions
(Burkhardt et al. 2005).

Layout: DIR/wav/03a01Wa.wav (or .flac): speaker (2 digits), sentence (letter and 2 digits), emotion letter, version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, one_speaker_out
from utils.errors import UsageError

# Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral
EMOTIONS = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}
GENDERS = {"03": "male", "08": "female", "09": "female", "10": "male", "11": "male", "12": "male", "13": "female",
           "14": "female", "15": "male", "16": "female"}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)")

CORPUS = Corpus(
    name="emodb",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    language="de",
    published={"utterances": 535, "speakers": 10,
               "emotion": {"anger": 127, "boredom": 81, "disgust": 46, "fear": 69, "happiness": 71, "sadness": 62,
                           "neutral": 79}},
    source="http://emodb.bilderbar.info, CC BY 4.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no recordings with EMO-DB's names.
    """
    wav = corpus_dir / "wav"
    found = []
    for path in sorted(wav.iterdir()) if wav.is_dir() else []:
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in (".wav", ".flac"):
            continue
        speaker, sentence, letter, version = match.groups()
        fields = {"speaker": speaker, "emotion": EMOTIONS[letter], "sentence": sentence, "language": "de",
                  "style": "acted", "take": version or "a"}
        known = {"gender": GENDERS.get(speaker), "text": SENTENCES.get(sentence)}
        found.append(Row(path.stem, path, fields=fields | {name: value for name, value in known.items() if value}))
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no recordings wav/03a01Wa.wav ... there; "
                         f"EMO-DB is at {CORPUS.source}")
    return found


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [one_speaker_out("one_speaker_out", rows, "each speaker is the test part once; the next speaker is dev")]
