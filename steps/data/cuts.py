"""A corpus module's rows as lines of cuts.jsonl.gz, in lhotse's own JSON, and their checks against the files.

Representation, one MonoCut an utterance (cut id = supervision id = utterance id):

    recording     absolute path, rate, samples and channels from the header. A recording of several channels keeps them
                  all in `recording`; the cut names channel 0, and steps/data/audio mixes down by the mean.
    features      instead of a recording, where a corpus comes as features only: a lhotse Features entry of storage
                  type numpy_files, a .npy of (T, F); (F,) is one row as long as the utterance.
    neither       where a corpus may come as text only; the duration is 0 where nobody knows it.
    supervision   speaker, gender, language, text in lhotse's own places; all other fields in `custom` under their
                  registered names. The fields of targets are always there; "-" is unlabelled.
    track         a value that moves: custom["valence"] = {"step": 0.1, "values": [...]}, seconds from the cut's start.

The JSON is written directly: it is the same for every lhotse version, and needs no import of it.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from steps.data.audio import (
    AudioInfo,
    GitLfsPointer,
    audio_info,
    is_companion,
    is_pointer,
    pointers_line,
    show_path,
)
from steps.data.dataset import NATIVE
from steps.data.fields import FieldSpec
from steps.data.precomputed_arrays import load_precomputed
from utils.corpus import UNLABELLED, Corpus, Row
from utils.errors import UserError
from utils.files import atomic_open
from utils.names import Finder

# A segment may end this much after its recording (tables round to 10 ms); it is cut to the recording's end.
SLACK = 0.02


def row_where(row: Row) -> str:
    """Where a row stands, for messages."""
    return row.where or f"utterance {row.id}"


def located(rows: Iterable[Row], registry: Mapping[str, FieldSpec]) -> list[Row]:
    """The rows with absolute paths, those in fields too, as the disk spells them (utils/names.py)."""
    finder, paths = Finder(), [name for name, spec in registry.items() if spec.type == "path"]

    def place(path: Path | None) -> Path | None:
        return finder.find(Path(os.path.abspath(path))) if path is not None else None

    def fields(row: Row) -> dict[str, Any]:
        return {**row.fields, **{name: str(place(Path(row.fields[name]))) for name in paths if row.fields.get(name)}}

    return [dataclasses.replace(row, path=place(row.path), features=place(row.features), fields=fields(row))
            for row in rows]


def without_companions(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows but for `._x`, which macOS leaves beside every x on a foreign disk; and a line that counts them."""
    kept = [row for row in rows if row.path is None or not is_companion(row.path)]
    passed = len(rows) - len(kept)
    return kept, [f"{passed} files ._*, which macOS leaves beside others, are passed over"] if passed else []


def stop_at_pointers(rows: Sequence[Row]) -> None:
    """
    Raises:
        UserError: git-lfs has not fetched recordings; one line for all.
    """
    paths = list(dict.fromkeys(row.path for row in rows if row.path is not None))
    if pointers := [path for path in paths if is_pointer(path)]:
        raise UserError(pointers_line(pointers, len(paths)))


def read_headers(rows: Sequence[Row], nj: int) -> tuple[dict[Path, AudioInfo], list[str]]:
    """The header of every recording that the rows name, and a line for each that cannot be used (one for all that
    git-lfs has not fetched)."""
    wanted = {row.path: row for row in reversed(rows) if row.path is not None}
    paths, finder = list(reversed(wanted)), Finder()

    def look(path: Path) -> AudioInfo | GitLfsPointer | str:
        try:
            return audio_info(path)
        except GitLfsPointer as pointer:
            return pointer
        except UserError as error:
            hint = f"; {alike}" if not path.exists() and (alike := finder.hint(path)) else ""
            where = f" ({wanted[path].where})" if wanted[path].where else ""
            return f"{error}{hint}{where}"

    with ThreadPoolExecutor(max(1, nj)) as pool:
        found = dict(zip(paths, pool.map(look, paths), strict=True))
    problems = [text for text in found.values() if isinstance(text, str)]
    if pointers := [path for path, what in found.items() if isinstance(what, GitLfsPointer)]:
        problems.insert(0, pointers_line(pointers, len(paths)))
    return {path: info for path, info in found.items() if isinstance(info, AudioInfo)}, problems


def cut_of_row(row: Row, corpus: Corpus, registry: Mapping[str, FieldSpec], info: AudioInfo | None) -> dict[str, Any]:
    """
    Args:
        row: checked (steps/data/checks.py). info: the header of row.path.

    Raises:
        UserError: a segment outside its recording, or features that cannot be read.
    """
    if row.path is not None:
        assert info is not None
        start, duration = _segment(row, info.duration)
        source: dict[str, Any] = {"recording": _recording(row, info)}
    elif row.features is not None:
        features = _features(row)
        start, duration, source = 0.0, features["duration"], {"features": features}
    elif row.fields.get("images") or (corpus.text_only and row.fields.get("text")):
        start, duration, source = 0.0, row.end or 0.0, {}
    else:
        raise UserError(f"{row_where(row)}: neither a recording nor features nor images")
    supervision: dict[str, Any] = {"id": row.id, "recording_id": row.id, "start": 0.0, "duration": duration,
                                   "channel": 0}
    fields = {"language": corpus.language} | {target.field: UNLABELLED for target in corpus.targets} | dict(row.fields)
    supervision |= {name: fields[name] for name in NATIVE if fields.get(name) is not None}
    supervision["custom"] = {name: value for name, value in sorted(fields.items())
                             if name not in NATIVE and value is not None}
    return {"id": row.id, "start": start, "duration": duration, "channel": 0, "supervisions": [supervision], **source,
            "type": "MonoCut"}


def _segment(row: Row, whole: float) -> tuple[float, float]:
    end = whole if row.end is None else row.end
    if row.start < 0 or row.start >= end:
        raise UserError(f"{row_where(row)}: the segment {row.start:g} to {end:g} s is empty or starts before 0")
    if end > whole + SLACK:
        raise UserError(f"{row_where(row)}: the segment ends at {end:g} s, but {show_path(row.path)} at {whole:g} s")
    end = min(end, whole)
    return row.start, end if row.start == 0 else round(end - row.start, 8)


def _recording(row: Row, info: AudioInfo) -> dict[str, Any]:
    channels = list(range(info.channels))
    return {"id": row.id, "sources": [{"type": "file", "channels": channels, "source": str(row.path)}],
            "sampling_rate": info.rate, "num_samples": info.samples, "duration": info.duration,
            "channel_ids": channels}


def _features(row: Row) -> dict[str, Any]:
    path = row.features
    assert path is not None
    array = load_precomputed(path, f"{row_where(row)}: ", mmap_mode="r")
    if array.ndim not in (1, 2) or array.size == 0 or array.dtype.kind != "f":
        raise UserError(f"{row_where(row)}: {show_path(path)} holds {array.dtype} {array.shape}; expected floats of "
                        "shape (T, F) or (F,)")
    rows, width = array.shape if array.ndim == 2 else (1, array.shape[0])
    if row.end is None and row.frame_shift is None:
        raise UserError(f"{row_where(row)}: features without a recording need frame_shift or end (seconds)")
    shift = row.frame_shift if row.frame_shift is not None else (row.end or 0.0) / rows
    duration = row.end if row.end is not None else round(rows * shift, 8)
    if shift <= 0 or duration <= 0:
        raise UserError(f"{row_where(row)}: frame_shift and end must be more than 0")
    return {"type": "precomputed", "num_frames": rows, "num_features": width, "frame_shift": shift,
            "sampling_rate": 16000, "start": 0.0, "duration": duration, "storage_type": "numpy_files",
            "storage_path": str(path.parent),
            "storage_key": path.name, "recording_id": row.id, "channels": 0}


def write_cuts(path: Path, cuts: Iterable[Mapping[str, Any]]) -> None:
    """Write the cuts sorted by id; the same cuts give the same bytes."""
    with atomic_open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, \
            io.TextIOWrapper(packed, encoding="ascii") as stream:
        for cut in sorted(cuts, key=lambda cut: cut["id"]):
            # ASCII only: file names that are not valid UTF-8 survive as lone surrogates.
            stream.write(json.dumps(cut, ensure_ascii=True) + "\n")
