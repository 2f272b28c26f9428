"""ESD, the emotional speech data set: ten Mandarin and ten English speakers say 350 sentences each of their language in
five emotions (Zhou et al. 2022).

Layout: DIR/0011/Angry/test/0011_000371.wav (or .flac): speaker, emotion, list of the official split (train, evaluation,
test; copies without these folders have no official protocol), number. DIR/0011/0011.txt has a line a recording: name,
text and emotion, in an encoding of its own (GB 2312, UTF-16, UTF-8, Windows 1252); some lines lack their tabs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, notice_some, speaker_folds
from utils.errors import UsageError

EMOTIONS = {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad", "Surprise": "surprise"}
PARTS = {"train": "train", "evaluation": "dev", "test": "test"}
SENTENCES = 350  # numbers run through them five times, once an emotion
MALE = ("0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020")
FOLDS = {"zh": (("0001", "0004"), ("0002", "0005"), ("0003", "0006"), ("0007", "0008"), ("0009", "0010")),
         "en": (("0015", "0011"), ("0016", "0012"), ("0017", "0013"), ("0018", "0014"), ("0019", "0020"))}
LANGUAGES = {speaker: language for language, folds in FOLDS.items() for fold in folds for speaker in fold}

CORPUS = Corpus(
    name="esd",
    targets=(Target(classes=tuple(EMOTIONS.values())),),
    published={"utterances": 35000, "speakers": 20, "emotion": dict.fromkeys(EMOTIONS.values(), 7000)},
    fields={"list": {"type": "str", "choices": list(PARTS), "help": "the published list that has the utterance"}},
    source="https://github.com/HLTSingapore/Emotional-Speech-Data, for research, by agreement",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no speakers' directories.
    """
    speakers = sorted(corpus_dir.glob("00[0-2][0-9]")) or sorted(corpus_dir.glob("*/00[0-2][0-9]"))
    found = [row for directory in speakers if directory.name in LANGUAGES for row in _speaker(directory)]
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no recordings 0001/Angry/train/0001_000401.wav ... there; "
                         f"ESD is at {CORPUS.source}")
    notice_some([row.id for row in found if "text" not in row.fields], len(found), "recordings have no text")
    return found


def _speaker(directory: Path) -> list[Row]:
    speaker, language = directory.name, LANGUAGES[directory.name]
    texts = _texts(directory / f"{speaker}.txt", language)
    found = []
    for path in sorted([*directory.glob("*/*/*_*"), *directory.glob("*/*_*")]):
        folders = path.relative_to(directory).parts[:-1]
        name, _, number = path.stem.partition("_")
        if (path.suffix.lower() not in (".wav", ".flac") or name != speaker or not number.isdecimal()
                or folders[0] not in EMOTIONS):
            continue
        fields = {"speaker": speaker, "gender": "male" if speaker in MALE else "female", "language": language,
                  "emotion": EMOTIONS[folders[0]], "text": texts.get(path.stem), "style": "acted",
                  "sentence": f"{language}{(int(number) - 1) % SENTENCES + 1:03d}",
                  "list": folders[1] if folders[1:] and folders[1] in PARTS else None}
        found.append(Row(path.stem, path, fields={key: value for key, value in fields.items() if value}))
    return found


def _texts(table: Path, language: str) -> dict[str, str]:
    raw = table.read_bytes() if table.is_file() else b""
    fallback = "gb18030" if language == "zh" else "cp1252"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode(fallback, errors="replace")
    lines = [line.split("\t") for line in text.splitlines()]
    return {line[0].strip(): line[1].strip() for line in lines if len(line) == 3}


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    text = "five folds of a woman and a man who speak {}; dev is the next fold's speakers"
    found = [speaker_folds(f"{language}_folds", rows, folds, text.format(language))
             for language, folds in FOLDS.items()]
    for language in FOLDS:
        fold = {row.id: PARTS[row.fields["list"]] for row in rows
                if row.fields["language"] == language and "list" in row.fields}
        if set(fold.values()) == set(PARTS.values()):
            found.append(Protocol(f"{language}_official", [fold], "the published lists: other sentences, the same "
                                  "speakers in train, dev and test", speaker_overlap=True))
    return [protocol for protocol in found if len(protocol.folds) > 2 or protocol.speaker_overlap]
