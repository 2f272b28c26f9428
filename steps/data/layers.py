"""Layers: fields that a stage adds beside a data set, never in a copy of it.

    DATA/layers/<name>/fields.jsonl.gz    a line an utterance: {"id": ..., "fields": {...}}, sorted by id
    DATA/layers/<name>/trained_on.json    what made the fields was trained on this (steps/data/trained_on.py)
    DATA/layers/<name>/layer.json         what the layer is; written last, it vouches for the other files

`Dataset.open(path, layers=("asr",))` gives utterances with these fields.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.components.directory import TRAINED_ON
from steps.data.fields import check_name, check_value, load_fields
from utils.errors import UserError, reading
from utils.files import atomic_path, read_json, write_json
from utils.shape import Maybe

LAYERS, ABOUT, FIELDS, HASHES = "layers", "layer.json", "fields.jsonl.gz", "audio_hashes.tsv"
FORM = {"name": str, "of": str, "sound?": Maybe(str), "fields": [str], "utterances": int}  # of layer.json
AGAIN = "run the stage that makes it again"

Fields = Mapping[str, Any]


def layer_path(data: Path, name: str) -> Path:
    return data / LAYERS / name


def layers_of(data: Path) -> list[str]:
    """The names of the layers that a data set has."""
    return sorted(path.parent.name for path in (data / LAYERS).glob(f"*/{ABOUT}"))


def read_about(data: Path, name: str) -> dict[str, Any]:
    """layer.json.

    Raises:
        UserError: no such layer, or it is damaged.
    """
    path = layer_path(data, name) / ABOUT
    if not path.is_file():
        known = ", ".join(layers_of(data)) or "none"
        raise UserError(f"{data} has no layer {name!r}; it has {known}", 2)
    return read_json(path, FORM, AGAIN)


def identity_of(items: Iterable[Any]) -> str:
    """A digest of what layers annotate: ids, recordings and the stretch of each that is an utterance."""
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        recording = "" if item.path is None else Path(item.path).name
        digest.update(json.dumps([item.id, recording, item.start, item.duration]).encode())
    return digest.hexdigest()


def sound_of(data: Path) -> str | None:
    """A digest of the samples of all recordings, as validation hashed them; None before validation."""
    path = data / HASHES
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else None


def remove_layer(data: Path, name: str) -> None:
    """Without layer.json, which goes first, a layer is not there."""
    for file in (ABOUT, TRAINED_ON, FIELDS):
        (layer_path(data, name) / file).unlink(missing_ok=True)


def write_layer(data: Path, name: str, names: Sequence[str], items: Mapping[str, Any], rows: Mapping[str, Fields],
                about: Fields, registered: Mapping[str, Fields] | None = None,
                trained_on: Sequence[Fields] = ()) -> dict[str, Any]:
    """Write a layer; layer.json comes last.

    Args:
        names: of the layer's fields; what the data set itself says of them does not count any more.
        items: of the data set, sorted by id. rows: {utterance: its fields}; an utterance may lack some, or all.
        about: what layer.json says beside FORM. registered: further fields, as a corpus module registers them.
        trained_on: records of what made the fields (steps/data/trained_on.py).

    Returns:
        layer.json.

    Raises:
        UserError: an id that the data set lacks, a field that is not registered, or a value that does not fit it.
    """
    registry, directory = load_fields(registered), layer_path(data, name)
    foreign = next((key for key in rows if key not in items), None)
    if foreign is not None:
        raise UserError(f"layer {name}: {foreign!r} is no utterance of {data}")
    for field in dict.fromkeys([*names, *(field for fields in rows.values() for field in fields)]):
        check_name(registry, field, f"layer {name}")
        if registry[field].native or field not in names:
            raise UserError(f"layer {name}: {field} belongs to the data set itself; a layer has "
                            "fields of its own, which it names")
    directory.mkdir(parents=True, exist_ok=True)
    remove_layer(data, name)
    if trained_on:
        write_json(directory / TRAINED_ON, list(trained_on), indent=None)
    with atomic_path(directory / FIELDS) as temporary, open(temporary, "wb") as raw, \
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as stream:
        for key in items:
            checked = {field: check_value(registry[field], field, value, f"layer {name}, {key}")
                       for field, value in rows.get(key, {}).items()}
            stream.write(json.dumps({"id": key, "fields": checked}, ensure_ascii=False).encode() + b"\n")
    whole = {"name": name, "of": identity_of(items.values()), "sound": sound_of(data), "fields": list(names),
             "utterances": len(items), **about}
    write_json(directory / ABOUT, whole)
    return whole


def read_layers(data: Path, names: Sequence[str], items: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{utterance: the fields of these layers}; a field without a value is None.

    Raises:
        UserError: a layer is missing or damaged, of other utterances or recordings, or has a field of another one.
    """
    merged: dict[str, dict[str, Any]] = {key: {} for key in items}
    owner: dict[str, str] = {}
    for name in names:
        about = read_about(data, name)
        if about["of"] != identity_of(items.values()):
            raise UserError(f"{layer_path(data, name)} is of other utterances or recordings than {data} has now; "
                            f"{AGAIN}")
        if None not in (sounds := (about.get("sound"), sound_of(data))) and sounds[0] != sounds[1]:
            raise UserError(f"{layer_path(data, name)} is of other audio than {data} has now ({HASHES}); {AGAIN}")
        for field in about["fields"]:
            if owner.setdefault(field, name) != name:
                raise UserError(f"{data}: the layers {owner[field]} and {name} both have the field {field}; name one")
        for key, fields in _rows(layer_path(data, name) / FIELDS):
            if key not in merged:
                raise UserError(f"{layer_path(data, name) / FIELDS}: {key!r} is no utterance of {data}; {AGAIN}")
            merged[key].update({**dict.fromkeys(about["fields"]), **fields})
    return merged


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with reading(path, AGAIN, OSError, zlib.error), gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            yield row["id"], row["fields"]
