"""MELD: utterances of the television series Friends in seven emotions, with their dialogues (Poria et al. 2019).

Layout: DIR/train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv as published (or in DIR/train/ ...). Recordings,
where there are any, are dia0_utt0.wav (or .flac, or the published .mp4) in DIR/train, DIR/dev, DIR/test, or in the
archives' own folders FOLDERS, there or in DIR. Without them the rows are text alone, and so are those of utterances
whose video is broken (dia125_utt3 of train, dia110_utt7 of dev). Videos that no table has (final_videos_test*) are not
used.

Dialogues and utterances are numbered anew in every part. Quotation marks of train are control characters: bytes of
Windows' code page 1252 that were taken for Latin-1.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from utils.corpus import PARTS, Corpus, Protocol, Row, Target, notice_some
from utils.errors import UsageError, UserError

COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "Season", "Episode", "StartTime",
           "EndTime")
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
SUFFIXES = (".wav", ".flac", ".mp4")
CONTROL = {code: text for code in range(0x80, 0xA0) if (text := bytes([code]).decode("cp1252", "ignore"))}

CORPUS = Corpus(
    name="meld",
    targets=(Target(classes=("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")),),
    language="en",
    published={"utterances": 13708, "list": {"train": 9989, "dev": 1109, "test": 2610},
               "emotion": {"anger": 1607, "disgust": 361, "fear": 358, "joy": 2308, "neutral": 6436, "sadness": 1002,
                           "surprise": 1636}},
    fields={"list": {"type": "str", "choices": list(PARTS), "help": "the official part"}},
    text_only=True,
    source="https://github.com/declare-lab/MELD, GPL-3.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: a table without its columns.
    """
    tables = {part: next((path for place in (corpus_dir, corpus_dir / part)
                          if (path := place / f"{part}_sent_emo.csv").is_file()), None) for part in PARTS}
    if None in tables.values():
        raise UsageError(f"--corpus-dir {corpus_dir}: no train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv "
                         f"there; MELD is at {CORPUS.source}")
    return [row for part, path in tables.items() if path for row in _part(corpus_dir, part, path)]


def _part(corpus_dir: Path, part: str, table: Path) -> list[Row]:
    lines = csv.DictReader(io.StringIO(_text(table)))
    if missing := sorted(set(COLUMNS) - set(lines.fieldnames or ())):
        raise UserError(f"{table}: no column {missing[0]}; the header names {', '.join(COLUMNS)}")
    places = [corpus_dir / part, corpus_dir / FOLDERS[part], corpus_dir / part / FOLDERS[part]]
    recordings = {path.stem: path for suffix in reversed(SUFFIXES) for place in reversed(places)
                  for path in place.glob(f"dia*_utt*{suffix}")}
    found = []
    for line in lines:
        dialogue, turn = line["Dialogue_ID"].strip(), line["Utterance_ID"].strip()
        seconds = round(_seconds(line["EndTime"]) - _seconds(line["StartTime"]), 3)
        fields = {"text": line["Utterance"].strip(), "speaker": " ".join(line["Speaker"].split()),
                  "emotion": line["Emotion"].strip().lower(), "dialogue": f"{part}-dia{dialogue}", "turn": turn,
                  "session": f"s{line['Season'].strip()}e{line['Episode'].strip()}", "list": part, "style": "series"}
        name = f"dia{dialogue}_utt{turn}"
        path = recordings.get(name)
        found.append(Row(f"{part}-{name}", path, end=seconds if path is None and seconds > 0 else None, fields=fields,
                         where=f"{table}, line {lines.line_num}"))
    notice_some([row.id for row in found if row.path is None], len(found), f"utterances of {part} are text alone; for "
                f"{', '.join(SUFFIXES)} was looked in {', '.join(map(str, places))}")
    return found


def _text(table: Path) -> str:
    """The table with typographic marks where it has control characters, whichever way they got in."""
    content = table.read_bytes()
    try:
        return content.decode("utf-8-sig").translate(CONTROL)
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace").translate(CONTROL)


def _seconds(time: str) -> float:
    """`0:20:57,256` in seconds; 0 where it is no time."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})", time.strip())
    if match is None:
        return 0.0
    hours, minutes, seconds = (int(text) for text in match.groups()[:3])
    return 3600 * hours + 60 * minutes + seconds + float(f"0.{match[4]}")


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [Protocol("official", [{row.id: row.fields["list"] for row in rows}],
                     "the published parts; the series' cast speaks in all of them", speaker_overlap=True)]
