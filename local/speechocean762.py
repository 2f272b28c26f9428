"""speechocean762: English read by 250 Mandarin speakers, half of them children (Zhang et al., Interspeech 2021).

Layout: Kaldi data directories DIR/{train,test} with text, utt2spk, spk2gender, spk2age and wav.scp (paths relative to
DIR). Train and test are as published and have different speakers; dev is a tenth of the speakers of train.
245 recordings that have no transcript are in neither list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row
from utils.errors import UsageError, UserError
from utils.folds import carve_dev
from utils.text_files import read_keyed

PARTS = ("train", "test")
GENDERS = {"m": "male", "f": "female"}

CORPUS = Corpus(
    name="speechocean762",
    language="en",
    published={"utterances": 5000, "speakers": 250},
    fields={"list": {"type": "str", "choices": list(PARTS), "help": "the published list that has the utterance"}},
    source="https://www.openslr.org/101, CC BY 4.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: a line that is no `key value`, or a key that is missing.
    """
    if not all((corpus_dir / part / "text").is_file() for part in PARTS):
        raise UsageError(f"--corpus-dir {corpus_dir}: no train/text and test/text there; speechocean762 is at "
                         f"{CORPUS.source}")
    return [row for part in PARTS for row in _part(corpus_dir, part)]


def _part(corpus_dir: Path, part: str) -> list[Row]:
    directory = corpus_dir / part
    tables = {name: _table(directory / name) for name in ("text", "wav.scp", "utt2spk", "spk2gender", "spk2age")}
    found = []
    for number, (key, text) in enumerate(tables["text"].items(), start=1):
        where = f"{directory / 'text'}, line {number}"
        for name in ("wav.scp", "utt2spk"):
            if key not in tables[name]:
                raise UserError(f"{where}: {key} is not in {directory / name}")
        speaker = tables["utt2spk"][key]
        fields = {"speaker": speaker, "text": text, "list": part, "style": "read"}
        if speaker in tables["spk2gender"]:
            fields["gender"] = GENDERS.get(tables["spk2gender"][speaker], "other")
        if speaker in tables["spk2age"]:
            fields["age"] = float(tables["spk2age"][speaker])
        found.append(Row(key, corpus_dir / tables["wav.scp"][key], fields=fields, where=where))
    return found


def _table(path: Path) -> dict[str, str]:
    """A Kaldi table: key, white space, value."""
    table: dict[str, str] = {}
    for number, key, value in read_keyed(path):
        if not value:
            raise UserError(f"{path}, line {number}: expected a key and a value; found {key!r}")
        if key in table:
            raise UserError(f"{path}, line {number}: {key} occurs twice; remove one of its lines")
        table[key] = value
    return table


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    parts = carve_dev({row.id: str(row.fields["list"]) for row in rows}, rows, share=0.1)
    return [Protocol("official", [parts], "published train and test; dev is a tenth of the speakers of train")]
