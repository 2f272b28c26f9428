"""The dev and test parts of the open Mandarin corpora as one data set, for decoding and scoring.

DIR is what steps/prepare_speech.sh wrote: DIR/<corpus>/cuts.{train,dev,test}.jsonl.gz. Test parts are in as a whole, of
dev parts the first utterances, and a few of train, since a protocol has a train part; training itself reads the sets.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row
from utils.errors import UsageError

NATIVE = ("speaker", "gender", "language", "text")
MOST = {"test": None, "dev": 1000, "train": 20}  # utterances of each corpus
CORPUS = Corpus(
    name="mandarin4k", language="zh",
    fields={"list": {"type": "str", "help": "corpus and part"}},
    source="egs/mandarin4k/asr/README.md names the corpora",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: nothing was prepared there.
    """
    found = [row for part, most in MOST.items() for path in sorted(corpus_dir.glob(f"*/cuts.{part}.jsonl.gz"))
             for row in _rows(path, most)]
    if not found:
        raise UsageError(f"--corpus-dir {corpus_dir}: no <corpus>/cuts.test.jsonl.gz there; steps/prepare_speech.sh "
                         "makes it")
    return found


def _rows(path: Path, most: int | None) -> Iterator[Row]:
    part = path.name.split(".")[1]
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for cut in map(json.loads, itertools.islice(stream, most)):
            supervision = cut["supervisions"][0]
            known = {name: supervision[name] for name in NATIVE if name in supervision}
            whole = cut["start"] == 0 and cut["duration"] >= cut["recording"]["duration"] - 1e-6
            end = None if whole else cut["start"] + cut["duration"]
            yield Row(cut["id"], Path(cut["recording"]["sources"][0]["source"]), cut["start"], end,
                      {**known, "list": f"{path.parent.name}/{part}"}, where=str(path))


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    """The published parts; and what an i-vector extractor may learn from: dev, as far as speakers are known."""
    parts = {row.id: str(row.fields["list"]).rpartition("/")[2] for row in rows}
    other = {"dev": "train", "train": "dev", "test": "test"}
    speakers = {row.id: other[parts[row.id]] for row in rows if row.speaker is not None}
    found = [Protocol("official", [parts], "published dev and test parts; training is elsewhere", speaker_overlap=True)]
    if set(speakers.values()) == {"train", "dev", "test"}:
        found.append(Protocol("speakers", [speakers], "for i-vector extractors: the published dev parts that tell "
                              "speakers are its train part", speaker_overlap=True))
    return found
