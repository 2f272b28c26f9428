"""LSSED: 147,025 English utterances of 820 people in daily life; features and labels are given, not audio (Fan et al.,
ICASSP 2021).

The release comes by mail after an agreement, and no page describes it. egs/lssed/pyresnet/README.md says what is known
and from where; this module reads

    DIR/metadata_english*.csv         name, faces (the emotion), and speaker, gender, age where there are such columns
    DIR/spectrogram/**/<name>.npy     float32 (T, 128), a row every 512 samples at 16 kHz; or where a column features
                                      of the table says, as seen from DIR
    DIR/is13/<name>.npy               optional: IS13 functionals (6373,), read by --features is13 --from DIR/is13

An emotion is a word or the number of the published models (0 angry, 1 neutral, 2 happy, 3 sad); two of them have a
comma, slash, plus sign or semicolon between them. Utterances outside the four classes are unlabelled, in no protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.corpus import PARTS, UNLABELLED, Corpus, Protocol, Row, Target, notice_some
from utils.csv_table import read_table
from utils.errors import UsageError, UserError
from utils.folds import class_parts, speaker_parts
from utils.names import plain_name
from utils.walk import files_below

CLASSES = ("angry", "neutral", "happy", "sad")
SPELT = {"0": "angry", "1": "neutral", "2": "happy", "3": "sad", "anger": "angry", "happiness": "happy",
         "sadness": "sad"}
COLUMNS = {"faces": "emotion", "subject": "speaker",
           **{name: name for name in ("name", "emotion", "speaker", "gender", "age", "features")}}
FRAME_SHIFT = 512 / 16000  # seconds

CORPUS = Corpus(
    name="lssed",
    targets=(Target(classes=CLASSES),),
    language="en",
    published={"utterances": 147025, "speakers": 820},
    fields={"category": {"type": "str", "help": "the emotions as the corpus spells them"}},
    source="https://github.com/tobefans/LSSED, features and labels for research, by agreement",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no table, or none of its utterances has a spectrogram. UserError: a table without the columns.
    """
    spectrograms: dict[str, list[Path]] = {}
    for path in files_below(corpus_dir / "spectrogram", ".npy"):
        spectrograms.setdefault(plain_name(path.stem), []).append(path)
    found, lost = [], []
    for table in sorted(corpus_dir.glob("metadata_english*.csv")):
        for number, line in _lines(table):
            elsewhere = line.pop("features", "")
            paths = [corpus_dir / elsewhere] if elsewhere else spectrograms.get(line["name"], [])
            if len(paths) > 1:
                raise UserError(f"{table}, line {number}: {line['name']} may be {paths[0]} or {paths[1]}; remove one, "
                                "or name it in a column features")
            if not paths:
                lost.append(line["name"])
            else:
                fields = {key: value for key, value in line.items() if key != "name" and value}
                found.append(Row(line["name"], fields=fields | emotions(line["emotion"]), features=paths[0],
                                 frame_shift=FRAME_SHIFT, where=f"{table}, line {number}"))
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no metadata_english*.csv with spectrogram/*.npy there; LSSED is "
                         f"at {CORPUS.source}; egs/lssed/pyresnet/README.md tells how another layout is read")
    notice_some(lost, len(found) + len(lost), "lines of the tables have no spectrogram and are passed over")
    return found


def emotions(text: str) -> dict[str, Any]:
    """The emotion (of two the first that is a class), the votes where two are classes, and the corpus's own words."""
    words = [word.strip().lower() for word in re.split(r"[,/+;]", text) if word.strip()]
    known = [name for name in dict.fromkeys(SPELT.get(word, word) for word in words) if name in CLASSES]
    votes = {"emotion_votes": dict.fromkeys(known, 1)} if len(known) > 1 else {}
    return {"emotion": known[0] if known else UNLABELLED, "category": "+".join(words) or UNLABELLED, **votes}


def _lines(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in read_table(table, ["name"]):
        names = {column: COLUMNS[column.lower()] for column in line if column.lower() in COLUMNS}
        if "emotion" not in names.values() or len(set(names.values())) < len(names):
            raise UserError(f"{table}: expected the columns name and faces (or emotion), each once; it has: "
                            f"{', '.join(line)}")
        yield number, {name: plain_name(line[column]) for column, name in names.items()}


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    chosen = [row for row in rows if row.fields["emotion"] != UNLABELLED]
    found = [class_parts("class_80_20", chosen, "as published: of each class 80 % to train with and 20 % to test, "
                         "speakers in both; dev is an eighth of the former")]
    if all(row.speaker for row in chosen) and len({row.speaker for row in chosen}) >= len(PARTS):
        found.append(speaker_parts("speakers", chosen, "our own: about 70 % of each class to train with, 10 % dev, "
                                   "20 % test, no speaker in two of them"))
    return found
