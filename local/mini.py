"""mini: a synthetic corpus for trying every stage without a license to sign; spoken by espeak-ng (local/synthesis).

Eight classes of MEC 2017, twelve speakers, Mandarin and English; the second set, `asr`, has other speakers, other
sentences and no emotions, and trains a recognizer. Layout, written by steps/synthesize_corpus.sh:

    DIR/utterances.tsv                   id, path and the fields below
    DIR/wav/<speaker>/<utterance>.wav    16 kHz, 16 bits, mono
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.corpus import UNLABELLED, Corpus, Protocol, Row, Target
from utils.csv_table import TAB, read_table
from utils.errors import UsageError

if TYPE_CHECKING:
    from local.synthesis.plan import Utterance

FIELDS = ("speaker", "gender", "language", "emotion", "intensity", "sentence", "template", "cue", "burst", "noise",
          "snr", "text")
NUMBERS = ("intensity", "snr")
SETS = ("emotion", "asr")  # what steps/synthesize_corpus.sh --set accepts; the first is the default

CORPUS = Corpus(
    name="mini",
    targets=(Target(classes=(
        "angry", "disgust", "happy", "sad", "surprise", "anxious", "worried", "neutral")),),
    fields={
        "cue": {"type": "str", "choices": ["voice", "words", "both", "none"], "help": "what the emotion is heard in"},
        "burst": {"type": "str", "choices": ["laugh", "sob"], "help": "laughter or sobbing before or after the words"},
    },
    source="synthetic speech, made by espeak-ng with steps/synthesize_corpus.sh --corpus mini; figures on it prove "
           "that the road works and say nothing about the world",
    synthetic=True,
)


def plan(kind: str, size: str, seed: int) -> list[Utterance]:
    """What there is to synthesize (local/synthesis/plan.py)."""
    from local.synthesis.plan import make_plan

    return make_plan(kind, size, seed)


def describe(utterance: Utterance) -> dict[str, Any]:
    """An utterance's fields, as utterances.tsv holds them; what is not known is absent."""
    sentence = utterance.sentence
    known = {"speaker": utterance.speaker.name, "gender": utterance.speaker.gender, "language": utterance.language,
             "emotion": utterance.emotion or UNLABELLED, "sentence": sentence.code, "template": sentence.template,
             "cue": utterance.cue, "burst": utterance.delivery.burst, "noise": utterance.noise, "snr": utterance.snr,
             "text": sentence.text, "intensity": utterance.intensity if utterance.emotion else None}
    return {name: known[name] for name in FIELDS if known[name] not in (None, "")}


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: its table lacks a column.
    """
    table = corpus_dir / "utterances.tsv"
    if not table.is_file():
        raise UsageError(f"--corpus-dir {corpus_dir}: no utterances.tsv there; make the corpus with "
                         "steps/synthesize_corpus.sh --corpus mini")
    return [Row(line["id"], corpus_dir / line["path"], fields=_fields(line), where=f"{table}, line {number}")
            for number, line in read_table(table, ("id", "path", *FIELDS), TAB)]


def _fields(line: dict[str, str]) -> dict[str, Any]:
    return {name: float(line[name]) if name in NUMBERS else line[name] for name in FIELDS if line[name]}


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    """One fold; speakers, sentences and templates of train, dev and test are apart."""
    from local.synthesis.speakers import PART_OF

    fold = {row.id: PART_OF[row.speaker] for row in rows if row.speaker in PART_OF}
    return [Protocol("official", [fold], "speakers, sentences and templates of train, dev and test are apart")]
