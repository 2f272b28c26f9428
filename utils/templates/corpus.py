"""@corpus@: where it comes from, its license, and what its file names say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target
from utils.errors import UserError
from utils.folds import default_protocols

CORPUS = Corpus(
    name="@corpus@",
    # What is predicted; classes in the order of every score table.
    targets=(Target("emotion", classes=("angry", "happy", "neutral", "sad")),),
    language="en",
    published={},  # e.g. {"utterances": 535, "speakers": 10}: then a corpus that is not whole is noticed
    source="where a reader gets it, and its license",
)


def rows(corpus_dir: Path) -> Iterable[Row]:
    """Raw layout -> utterance rows. Here: <speaker>/<emotion>/<name>.wav; write what your corpus has."""
    found = sorted(corpus_dir.glob("*/*/*.wav"))
    if not found:
        raise UserError(f"{corpus_dir}: no <speaker>/<emotion>/<name>.wav there")
    for path in found:
        speaker, emotion = path.parts[-3:-1]
        yield Row(f"{speaker}-{path.stem}", path, fields={"speaker": speaker, "emotion": emotion})


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    """Folds: those published for the corpus; else whole speakers apart (utils/folds.py, utils/corpus.py)."""
    return default_protocols(rows)
