"""DAIC-WOZ: interviews of 189 people by an animated figure, Ellie, and their PHQ-8 (Gratch et al. 2014; AVEC 2017).

Layout: DIR/300_P/300_AUDIO.wav and 300_TRANSCRIPT.csv, sessions 300 to 492; DIR/train_split_Depression_AVEC2017.csv,
dev_split_Depression_AVEC2017.csv, and full_test_split.csv or, without labels, test_split_Depression_AVEC2017.csv.

Only what the participant says is taken, in segments (local/interviews/turns.py). Errata, as
github.com/adbailey1/daic_woz_process tells them: before Ellie's first line participants talk to staff; in 373 and 444
staff come in; the transcripts of four sessions are early; 451, 458 and 480 have no lines of Ellie's; 409 has ten points
but the label 0: here the points decide. 342, 394, 398 and 460 were excluded by the publishers.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local.interviews.turns import read_transcript, seconds_of, speech_of, told
from utils.corpus import UNLABELLED, Corpus, Protocol, Row, Target
from utils.csv_table import read_table
from utils.errors import UsageError, UserError

CLASSES, DEPRESSED = ("control", "depressed"), 10  # points of the PHQ-8, and more
TABLES = {"train": ("train_split_Depression_AVEC2017.csv",), "dev": ("dev_split_Depression_AVEC2017.csv",),
          "test": ("full_test_split.csv", "test_split_Depression_AVEC2017.csv")}
EARLY = {"318": 34.319917, "321": 3.8379167, "341": 6.1892, "362": 16.8582}  # seconds
INTERRUPTED = {"373": (395.0, 428.0), "444": (286.0, 387.0)}  # seconds
NOT_SPEECH = re.compile(r"[<\[]s[yi]nc.{0,6}|.*scrubbed_entry.*", re.IGNORECASE)
EXCLUDED = {"342", "394", "398", "460"}

CORPUS = Corpus(
    "daic_woz", language="en", published={"speakers": 189}, targets=(
        Target("depression", classes=CLASSES, positive="depressed", of="session"),
        Target("phq8", "number", threshold=DEPRESSED, of="session")),
    fields={"depression": {"choices": list(CLASSES), "help": "phq8 of 10 and more"},
            "list": {"choices": list(TABLES), "help": "the official part"}},
    source="https://dcapswoz.ict.usc.edu, for research, by agreement")


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: a session in no table, or without a turn of the participant.
    """
    tables = {part: next((corpus_dir / name for name in names if (corpus_dir / name).is_file()), None)
              for part, names in TABLES.items()}
    places = {path.name[:-2]: path for path in [*corpus_dir.glob("[34]??_P"), *corpus_dir.glob("*/[34]??_P")]}
    if not places or None in tables.values():
        raise UsageError(f"--corpus-dir {corpus_dir}: no 300_P, ... {', '.join(names[0] for names in TABLES.values())}"
                         f" there; the corpus is at {CORPUS.source}")
    left, known = Counter[str](), dict[str, dict[str, Any]]()
    for table, key, fields in ((path, *line) for part, path in tables.items() if path for line in _table(path, part)):
        if known.setdefault(key, fields) is not fields:
            raise UserError(f"{table}: session {key} stands in the list {known[key]['list']} already; remove one")
    if unknown := sorted(places.keys() - known.keys() - EXCLUDED):
        raise UserError(f"{places[unknown[0]]}: session {unknown[0]} is in none of "
                        f"{', '.join(path.name for path in tables.values() if path)}; complete them, or move it away")
    there, absent = sorted(places.keys() & known.keys()), sorted(known.keys() - places.keys())
    found = [row for key in there for row in _session(places[key], key, known[key], left)]
    print(f"daic_woz: {len(found)} segments of {len(there)} sessions; turns of participants left out: {told(left)}"
          + (f"; of the tables' sessions not there: {', '.join(absent)}" if absent else ""), file=sys.stderr)
    return found


def _table(table: Path, part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(session, its fields). The tables spell columns differently: PHQ8_Score and PHQ_Score, participant_ID."""
    for _, line in read_table(table, ["Participant_ID"]):
        cells = {name.lower().replace("phq8", "phq"): value for name, value in line.items()}
        if key := cells["participant_id"]:  # some end with lines of commas
            fields: dict[str, Any] = {"speaker": key, "session": key, "list": part, "depression": UNLABELLED,
                                      "gender": {"0": "female", "1": "male"}.get(cells.get("gender", ""))}
            if score := cells.get("phq_score"):
                if not score.replace(".", "", 1).isdecimal() or float(score) > 24:
                    raise UserError(f"{table}: session {key} has {score!r} points; expected a number from 0 to 24")
                fields |= {"phq8": score, "depression": CLASSES[float(score) >= DEPRESSED]}
            yield key, fields


def _session(place: Path, key: str, fields: dict[str, Any], left: Counter[str]) -> Iterator[Row]:
    audio, table = place / f"{key}_AUDIO.wav", place / f"{key}_TRANSCRIPT.csv"
    for path in (audio, table):
        if not path.is_file():
            raise UserError(f"{path} is missing: session {key} is not whole; complete it, or move {place.name} away")
    its: Counter[str] = Counter()
    segments = speech_of("Participant", read_transcript(table, EARLY.get(key, 0.0)), seconds_of(audio), its,
                         after="Ellie", not_speech=NOT_SPEECH, interrupted=INTERRUPTED.get(key))
    if not segments:
        raise UserError(f"{table}: session {key} has no turn of the participant that can be used (left out: "
                        f"{told(its)}); move {place.name} away, and give --allow-partial true")
    left += its
    for number, line in enumerate(segments, start=1):
        more = {"text": line.text or None, "turn": number}
        yield Row(f"{key}-{number:03d}", audio, line.start, line.end, fields | more, where=f"{table}, {line.start} s")


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [Protocol("avec2017", [{row.id: row.fields["list"] for row in rows}], "official: 107, 35, 47 sessions")]
