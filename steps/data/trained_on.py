"""What a component was trained on: the records that the leak audit holds against every dev and test part.

A recognizer, language model, phone-state head, UBM, total variability matrix or LDA is trained outside the emotion
corpora, so its directory says on what. A record is plain JSON, and a component has a list of them:

    {"component": "recognizer", "corpus": "speechocean762", "utterances": 2250,
     "speakers": names, "sentences": digests of plain texts, "recordings": digests of decoded audio, or corpus/id}

`"sentences_may_be_shared": true` says that shared sentences are listed and are no leak, as between train and test.
An empty list says that there are none (a language model has no speakers), null that they are not known.
They stand under the key "trained_on" of the component's own JSON files, or in a file trained_on.json beside them; the
latter is also how the owner of a foreign model says what it was trained on.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.components.directory import TRAINED_ON
from steps.data.dataset import Dataset, Item
from utils.errors import UserError
from utils.files import write_json
from utils.names import plain_name
from utils.text_files import read_text

KEY = "trained_on"
LISTS = ("speakers", "sentences", "recordings")
DIGITS = 16  # of a digest; 64 bits tell millions of sentences apart

Record = dict[str, Any]


def describe_training(data: Dataset, ids: Iterable[str], component: str = "") -> Record:
    """The record of a component that was trained on the utterances `ids` of a data set.

    Args:
        component: what was trained, for messages, e.g. "recognizer".
    """
    items = [data.items[key] for key in ids]
    hashes = read_hashes(data.path / "audio_hashes.tsv")
    return _record(component, data.name, len(items),
                   speakers=_known(item.speaker for item in items),
                   sentences=_known(sentence_digest(item.text) for item in items),
                   recordings=_known(recording_names(data.name, item, hashes)[0] for item in items))


def describe_texts(texts: Iterable[str], corpus: str, component: str = "language model") -> Record:
    """The record of a component that was trained on text alone."""
    digests = [sentence_digest(text) for text in texts]
    return _record(component, corpus, len(digests), speakers=[], sentences=_known(digests), recordings=[])


def _record(component: str, corpus: str, count: int, **lists: list[str] | None) -> Record:
    return {"component": component, "corpus": corpus, "utterances": count, **lists}


def _known(values: Iterable[str | None]) -> list[str] | None:
    """Sorted, each once; None where the corpus does not say."""
    return sorted({value for value in values if value}) or None


def plain_text(text: str) -> str:
    """Letters and digits alone, without case and width: what is the same in two corpora's ways of writing."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def sentence_digest(text: str | None) -> str | None:
    """None for a text without a letter or digit."""
    plain = plain_text(text or "")
    return hashlib.sha256(plain.encode()).hexdigest()[:DIGITS] if plain else None


def recording_names(corpus: str, item: Item, hashes: Mapping[str, str]) -> list[str]:
    """What a recording may be called in a record: the digest of its samples where they were hashed, and corpus/id."""
    named = f"{corpus}/{item.id}"
    return [hashes[item.id][:DIGITS], named] if item.id in hashes else [named]


def write_training(directory: Path, records: Record | Sequence[Record]) -> None:
    """Write directory/trained_on.json."""
    write_json(directory / TRAINED_ON, records_of(records), indent=None)


def read_training(path: Path) -> list[Record] | None:
    """The records of a component, each once; None where it does not say.

    Args:
        path: a JSON file, or a directory with such files in it or one level below (a recognizer may hold its decoding
            graph).

    Raises:
        UserError: not JSON, or no records.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or directory; it should say what a component was trained on")
    found: list[Record] | None = None
    for file in [path] if path.is_file() else sorted([*path.glob("*.json"), *path.glob("*/*.json")]):
        text = read_text(file)
        if file.name != TRAINED_ON and f'"{KEY}"' not in text:
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UserError(f"{file} is damaged: no valid JSON ({error})") from error
        if file.name != TRAINED_ON:
            value = value.get(KEY) if isinstance(value, dict) else None
        if value is not None:
            found = found or []
            found += [record for record in records_of(value, str(file)) if record not in found]
    return found


def records_of(value: Any, where: str = KEY) -> list[Record]:
    """One record, or a list of them, as a checked list.

    Raises:
        UserError: something else.
    """
    records = [value] if isinstance(value, Mapping) else value
    if not isinstance(records, (list, tuple)):
        raise UserError(f"{where}: expected records of what was trained on; found {value!r:.60}")
    for record in records:
        fits = isinstance(record, Mapping) and isinstance(record.get("corpus"), str) and all(
            isinstance(record.get(name) or [], list) and all(isinstance(entry, str) for entry in record.get(name) or [])
            for name in LISTS)
        if not fits:
            raise UserError(f"{where}: a record needs a corpus, and lists of names for {', '.join(LISTS)}; see "
                            "steps/data/trained_on.py")
    return [_plain(record) for record in records]


def _plain(record: Mapping[str, Any]) -> Record:
    """The record with its names plain, as a data set has them."""
    speakers = record.get("speakers")
    known = {"speakers": sorted({plain_name(name) for name in speakers})} if speakers else {}
    return {**record, "corpus": plain_name(record["corpus"]), **known}


def read_hashes(path: Path) -> dict[str, str]:
    """audio_hashes.tsv (`id  sha256`), written by validation; {} where there is none.

    Raises:
        UserError: a line that is not two columns.
    """
    if not path.is_file():
        return {}
    hashes = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.split("\t")
        if len(cells) != 2:
            raise UserError(f"{path}, line {number}: expected id and hash; run steps/validate_data.sh again")
        if number > 1 or cells[0] != "id":
            hashes[cells[0]] = cells[1]
    return hashes
