"""MEC 2017, the second Multimodal Emotion Recognition Challenge: CHEAVD 2.0, clips of Mandarin films and television
(Li et al. 2018). The organizers publish the eight classes and that there is a train, a validation and a test part, not
how the files lie; this layout is our own (egs/mec2017/ensemble/README.md tells how to bring others to it):

    DIR/train/<clip>.wav   DIR/validation/<clip>.wav   DIR/test/<clip>.wav      (or .flac)
    DIR/train.tsv          DIR/validation.tsv          DIR/test.tsv, if its labels are known

A table's header names the columns: clip, emotion, and what is known of speaker, gender, age, text. Clips of the test
part that no table has, and those with the emotion "-", are unlabelled. Classes are read in any case; the organizers'
page says Happiness where others say happy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.corpus import UNLABELLED, Corpus, Protocol, Row, Target
from utils.csv_table import TAB, read_table
from utils.errors import UsageError, UserError
from utils.names import plain_name

CLASSES = ("angry", "disgust", "happy", "sad", "surprise", "anxious", "worried", "neutral")
ALIASES = {"anger": "angry", "happiness": "happy", "sadness": "sad", "surprised": "surprise", "worry": "worried",
           "anxiety": "anxious", "": UNLABELLED}
PARTS = {"train": "train", "validation": "dev", "test": "test"}
FIELDS = ("speaker", "gender", "age", "text")

CORPUS = Corpus(
    name="mec2017",
    targets=(Target(classes=CLASSES),),
    language="zh",
    fields={"list": {"type": "str", "choices": list(PARTS), "help": "the official part that has the clip"}},
    source="http://www.chineseldc.org/htdocsEn/emotion.html, for research, by agreement",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: a table without its columns, a clip without a recording or label.
    """
    if not all((corpus_dir / part).is_dir() for part in PARTS) or not (corpus_dir / "train.tsv").is_file():
        raise UsageError(f"--corpus-dir {corpus_dir}: no train/, validation/, test/ and train.tsv there; "
                         f"MEC 2017 is at {CORPUS.source}; egs/mec2017/ensemble/README.md says what is expected")
    return [row for part in PARTS for row in _part(corpus_dir, part)]


def _part(corpus_dir: Path, part: str) -> list[Row]:
    table = corpus_dir / f"{part}.tsv"
    recordings = {plain_name(path.stem): path for path in sorted((corpus_dir / part).iterdir())
                  if path.suffix.lower() in (".wav", ".flac")}
    known = _table(table) if table.is_file() else {}
    if lost := known.keys() - recordings.keys():
        raise UserError(f"{table}: {min(lost)} has no recording in {corpus_dir / part}")
    if part != "test" and (lost := recordings.keys() - known.keys()):
        raise UserError(f"{table}: {min(lost)} has a recording, but no line here; only test may lack labels")
    found = []
    for key, path in recordings.items():
        line = known.get(key, {})
        emotion = line.get("emotion", "").lower()
        fields = {"emotion": ALIASES.get(emotion, emotion), "list": part, "language": "zh", "style": "film",
                  **{name: line[name] for name in FIELDS if line.get(name)}}
        found.append(Row(f"{part}-{key}", path, fields=fields, where=f"{table}, clip {key}"))
    return found


def _table(table: Path) -> dict[str, dict[str, str]]:
    return {plain_name(line["clip"]): line for _, line in read_table(table, ["clip", "emotion"], TAB)}


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    """The organizers' split; whether its parts share speakers is for the tables to say, and is marked."""
    fold = {row.id: PARTS[row.fields["list"]] for row in rows}
    places = {(row.speaker, fold[row.id]) for row in rows if row.speaker is not None}
    overlap = len(places) > len({speaker for speaker, _ in places})
    return [Protocol("official", [fold], "the organizers' train, validation (dev) and test", speaker_overlap=overlap)]
