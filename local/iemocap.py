"""IEMOCAP: ten actors in five sessions of dialogues, improvised and from scripts (Busso et al. 2008).

Layout: DIR/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt holds the annotators' consensus, a line an utterance, tabs
between: [start - end], name, category, [valence, activation, dominance]; dialog/transcriptions/Ses01F_impro01.txt the
words; sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav (or .flac) the recordings. The F of Ses01F says who wears
the markers of the motion capture; who speaks is the letter before the number: here the man of session 1.

Category xxx means that annotators did not agree. Utterances outside the four classes are unlabelled and in no protocol;
they stay for whoever needs whole dialogues.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.corpus import UNLABELLED, Corpus, Protocol, Row, Target, notice_some, speaker_folds
from utils.errors import UsageError
from utils.text_files import read_lines

CLASSES = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
COUNTS = {"ang": 1103, "hap": 595, "exc": 1041, "neu": 1708, "sad": 1084, "fru": 1849, "fea": 40, "sur": 107, "dis": 2,
          "oth": 3, "xxx": 2507}
LINE = re.compile(r"\[(\S+) - (\S+)\]\s+((Ses0[1-5])[FM]_\w+)_([FM])(\w+)\s+([a-z]{3})\s+\[(\S+), (\S+), (\S+)\]")
WORDS = re.compile(r"(Ses0[1-5]\w+) \[[^\]]*\]: ?(.*)")
SPEAKERS = [f"Ses0{session}{letter}" for session in range(1, 6) for letter in "FM"]

CORPUS = Corpus(
    name="iemocap",
    targets=(Target(classes=("angry", "happy", "neutral", "sad")),),
    language="en",
    published={"utterances": 10039, "speakers": 10, "category": COUNTS,
               "emotion": {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}},
    fields={"category": {"type": "str", "choices": list(COUNTS), "help": "the annotators' consensus, before merging"}},
    source="https://sail.usc.edu/iemocap, for research, by agreement",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no sessions' directories.
    """
    found, lost = [], list[str]()
    for session in sorted(corpus_dir.glob("Session[1-5]")) or sorted(corpus_dir.glob("*/Session[1-5]")):
        recordings = {path.stem: path for path in sorted(session.glob("sentences/wav/Ses*/Ses*"))
                      if path.suffix.lower() in (".wav", ".flac")}
        for table in sorted(session.glob("dialog/EmoEvaluation/Ses*.txt")):
            found += _dialogue(table, recordings, _words(session / "dialog/transcriptions" / table.name), lost)
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no Session1/dialog/EmoEvaluation/Ses01F_impro01.txt ... with "
                         f"recordings there; IEMOCAP is at {CORPUS.source}")
    notice_some(lost, len(found) + len(lost), "utterances have no recording in sentences/wav/ and are passed over")
    notice_some([row.id for row in found if row.fields["text"] is None], len(found), "utterances have no transcript")
    return found


def _dialogue(table: Path, recordings: dict[str, Path], words: dict[str, str], lost: list[str]) -> list[Row]:
    lines = [match.groups() for match in map(LINE.match, _lines(table)) if match]
    found = []
    for turn, line in enumerate(sorted(lines, key=lambda line: (float(line[0]), float(line[1]), line[4]))):
        _, _, dialogue, session, letter, number, category, *judged = line
        key = f"{dialogue}_{letter}{number}"
        if key not in recordings:
            lost.append(key)
        else:
            fields: dict[str, Any] = {
                "speaker": session + letter, "gender": letter, "session": session, "dialogue": dialogue, "turn": turn,
                "emotion": CLASSES.get(category, UNLABELLED), "category": category, "text": words.get(key),
                "language": "en", "style": "improvised" if "impro" in dialogue else "scripted",
                **dict(zip(("valence", "arousal", "dominance"), map(float, judged), strict=True))}
            found.append(Row(key, recordings[key], fields=fields, where=f"{table}, {key}"))
    return found


def _words(table: Path) -> dict[str, str]:
    return dict(match.groups() for match in map(WORDS.match, _lines(table)) if match) if table.is_file() else {}


def _lines(table: Path) -> list[str]:
    return read_lines(table, errors="replace")


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    merged = [row for row in rows if row.fields["emotion"] != UNLABELLED]
    plain = [row for row in merged if row.fields["category"] != "exc"]
    sessions = [SPEAKERS[place:place + 2] for place in range(0, 10, 2)]
    there = [name for name in SPEAKERS if any(row.speaker == name for row in merged)]
    partner = {name: name[:5] + ("M" if name[5] == "F" else "F") for name in there}
    folds = [{row.id: "test" if row.speaker == name else "dev" if row.speaker == partner[name] else "train"
              for row in merged} for name in there if partner[name] in there]
    return [speaker_folds("five_sessions", merged, sessions, "each session is the test part once, the next is dev; "
                          "excited counts as happy (5531 utterances)"),
            speaker_folds("five_sessions_unmerged", plain, sessions, "the same without the excited utterances (4490)"),
            Protocol("one_speaker_out", folds, "each actor is the test part once; dev is the partner in the same "
                     "dialogues, train the other sessions; excited counts as happy")]
