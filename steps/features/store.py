"""Feature archives on disk: one archive a task, keyed by utterance id, memory-mapped when read.

A feature directory `<data>/<name>/` holds

    feature.json         what was extracted, how, and how many came out; written last, by the front end
    archive.<j>.npy      float32 or float16 (rows of all utterances of task j, F); read as float32
    index.<j>.tsv        `id  start  rows`; its presence says that task j is whole, so it is written last of the three
    failed.<j>.tsv       `id  reason`: utterances whose features cannot be computed

An utterance of kind "utterance" has one row, one of kind "frames" as many as it has frames.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from utils.differences import differences
from utils.errors import UserError
from utils.files import atomic_open, atomic_path, check_regular, read_exact_text, read_json
from utils.shape import Maybe, Number, OneOf

DESCRIPTION = "feature.json"
KINDS = ("frames", "utterance")
DTYPES = {"float32": "<f4", "float16": "<f2"}  # how an archive may hold its values: their type in the file
FORM = {  # of feature.json
    "name": str, "kind": OneOf(*KINDS), "dim": Number(1, 10**7, whole=True), "archives": Number(0, 10**6, whole=True),
    "dtype?": OneOf(*DTYPES), "frame_shift?": Maybe(Number(1e-9, 1e6)), "columns?": Maybe([str]),
    "options?": {str: Any}}
_HEADER_BYTES = 128  # a fixed size, so that the number of rows can be filled in at the end


def archive_path(directory: Path, task: int) -> Path:
    return directory / f"archive.{task}.npy"


def index_path(directory: Path, task: int) -> Path:
    return directory / f"index.{task}.tsv"


def failed_path(directory: Path, task: int) -> Path:
    return directory / f"failed.{task}.tsv"


class ArchiveWriter:
    """Write the three files of one task; nothing is there under its own name before `commit`.

    Rows go to disk as they come, so a task's memory does not grow with its archive.

        with ArchiveWriter(directory, task=1, dim=1582) as writer:
            writer.add("a1", features)       # (T, F) or (F,)
            writer.fail("a2", "too short")
            writer.commit()

    Leaving without `commit` (an error) leaves no new file.
    """

    def __init__(self, directory: Path, task: int, dim: int, dtype: str = "float32"):
        self.directory, self.task, self.dim, self.dtype = directory, task, dim, dtype
        self.rows = 0
        self._index: dict[str, tuple[int, int]] = {}
        self._failed: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> ArchiveWriter:
        self.directory.mkdir(parents=True, exist_ok=True)
        # A former attempt's index must not vouch for the archive that replaces its own.
        index_path(self.directory, self.task).unlink(missing_ok=True)
        for leftover in self.directory.glob(f".tmp.*.archive.{self.task}.npy"):  # of an attempt that was killed
            leftover.unlink()
        self._temporary = self._stack.enter_context(atomic_path(archive_path(self.directory, self.task)))
        self._stream = self._stack.enter_context(open(self._temporary, "wb"))
        self._stream.write(b"\0" * _HEADER_BYTES)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        forgotten = RuntimeError("left without commit") if kind is None and not self._stream.closed else None
        self._stack.__exit__(kind or (RuntimeError if forgotten else None), error or forgotten, trace)
        if forgotten is not None:
            raise forgotten

    def add(self, key: str, features: np.ndarray) -> None:
        """Append one utterance: (T, F), or (F,) for one vector.

        Raises:
            UserError: the shape does not fit the other utterances', or a value is not finite.
        """
        self._check_key(key)
        with np.errstate(over="ignore"):  # what is too large for float16 is told below
            block = np.atleast_2d(np.asarray(features, dtype=DTYPES[self.dtype]))
        if block.ndim != 2 or block.shape[1] != self.dim or not len(block):
            raise UserError(f"features of {key}: shape {np.shape(features)}, expected (frames, {self.dim})")
        if not np.isfinite(block).all():
            bad = int((~np.isfinite(block)).sum())
            raise UserError(f"features of {key}: {bad} of {block.size} values are not finite"
                            + (" in float16, which ends at 65504" if self.dtype == "float16" else ""))
        self._stream.write(np.ascontiguousarray(block).data)
        self._index[key] = (self.rows, len(block))
        self.rows += len(block)

    def fail(self, key: str, reason: str) -> None:
        """Note that the features of `key` cannot be computed, and why (one line)."""
        self._check_key(key)
        self._failed[key] = " ".join(reason.split())

    def commit(self) -> None:
        """Make the archive, the list of failures and then the index appear."""
        self._stream.seek(0)
        self._stream.write(npy_header(self.rows, self.dim, DTYPES[self.dtype]))
        self._stream.close()
        with atomic_open(failed_path(self.directory, self.task)) as stream:
            stream.writelines(f"{key}\t{reason}\n" for key, reason in self._failed.items())
        self._stack.close()  # renames the archive
        with atomic_open(index_path(self.directory, self.task)) as stream:
            stream.writelines(f"{key}\t{start}\t{rows}\n" for key, (start, rows) in self._index.items())

    def _check_key(self, key: str) -> None:
        if key in self._index or key in self._failed:
            raise UserError(f"{self.directory}: the utterance {key} came twice in task {self.task}")
        if not key or any(character in key for character in "\t\n\r"):
            raise UserError(f"{self.directory}: the utterance id {key!r} is empty or holds a tab or a line end")


def npy_header(rows: int, columns: int, descr: str = DTYPES["float32"]) -> bytes:
    """The 128-byte header of a .npy file (format 1.0) with (rows, columns) of type `descr`."""
    text = repr({"descr": descr, "fortran_order": False, "shape": (rows, columns)})
    room = _HEADER_BYTES - 10
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1).encode("ascii") + b"\n"


def finished_tasks(directory: Path) -> list[int]:
    """The tasks that are whole, by number."""
    found = (re.fullmatch(r"index\.([0-9]+)\.tsv", path.name) for path in directory.glob("index.*.tsv"))
    return sorted(int(match[1]) for match in found if match)


def read_index(path: Path) -> Iterator[tuple[str, int, int]]:
    """Lines of index.<j>.tsv: id, first row, number of rows.

    Raises:
        UserError: naming file and line.
    """
    for number, line in enumerate(_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) != 3 or not all(re.fullmatch("[0-9]{1,15}", cell) for cell in cells[1:]):
            raise UserError(f"{path}, line {number}: expected id, start and rows; found {line.rstrip()!r}; "
                            "extract these features again")
        yield cells[0], int(cells[1]), int(cells[2])


def read_failed(path: Path) -> dict[str, str]:
    """failed.<j>.tsv: {id: reason}.

    Raises:
        UserError: naming file and line.
    """
    found = {}
    for number, line in enumerate(_lines(path), start=1):
        key, tab, found[key] = line.partition("\t")
        if not tab:
            raise UserError(f"{path}, line {number}: expected id and reason; extract these features again")
    return found


def _lines(path: Path) -> Iterator[str]:
    """Lines of UTF-8 text; the last must be whole."""
    *lines, rest = read_exact_text(path).split("\n")
    yield from lines
    if rest:
        raise UserError(f"{path}: its last line is cut off; extract these features again")


class FeatureStore:
    """Features of a data set, read-only. Open it with `FeatureStore.open`."""

    def __init__(self, path: Path, description: dict[str, Any]):
        self.path, self.description = path, description
        self.name: str = description["name"]
        self.kind: str = description["kind"]
        self.dim: int = description["dim"]
        self.frame_shift: float | None = description.get("frame_shift")
        self.columns: list[str] = list(description.get("columns") or [])
        self.failed: dict[str, str] = {}
        self._archives: list[np.ndarray] = []
        self._where: dict[str, tuple[int, int, int]] = {}
        for task in range(1, description["archives"] + 1):
            self._read_task(task)
        self.ids: list[str] = sorted(self._where)

    @classmethod
    def open(cls, path: str | Path, expect: Mapping[str, Any] | None = None) -> FeatureStore:
        """
        Args:
            expect: what feature.json must say, e.g. {"name": "is10", "options": {"deltas": False}}; a nested mapping
                is compared key by key, keys that it does not name are free.

        Raises:
            UserError: not extracted, damaged, or extracted otherwise than `expect` says (names the key).
        """
        path = Path(path)
        try:
            description = read_json(path / DESCRIPTION, FORM, "extract these features again")
        except FileNotFoundError as error:
            raise UserError(f"{path} holds no finished features ({DESCRIPTION} is missing); run "
                            f"steps/extract_features.sh --features {path.name} {path.parent}") from error
        for key, found, wanted in differences(description, expect or {}):
            raise UserError(f"{path}: {key} is {json.dumps(found)}, expected {json.dumps(wanted)}; extract these "
                            f"features again with steps/extract_features.sh, or set {key} accordingly")
        return cls(path, description)

    def _read_task(self, task: int) -> None:
        archive = archive_path(self.path, task)
        try:
            rows = _map(archive)
            entries = list(read_index(index_path(self.path, task)))
            failed = read_failed(failed_path(self.path, task))
        except UserError:
            raise
        except (OSError, ValueError, EOFError) as error:
            if getattr(error, "errno", None) == errno.ENOMEM:
                raise UserError(f"{archive} has {archive.stat().st_size / 2**30:.1f} GiB, for which the job's limit on "
                                "virtual memory leaves no addresses (ulimit -v; h_vmem of Grid Engine counts mapped "
                                "files whole): ask for more, or none; see conf/cluster/sge.yaml") from error
            raise UserError(f"{archive} or its index is missing or damaged ({error}); extract these features "
                            "again") from error
        ends = list(itertools.accumulate(count for _, _, count in entries))
        wanted = np.dtype(DTYPES[self.description.get("dtype", "float32")])
        if rows.dtype != wanted or rows.shape != (ends[-1] if ends else 0, self.dim) or \
                any(start + count != end for (_, start, count), end in zip(entries, ends, strict=True)):
            raise UserError(f"{archive} has shape {rows.shape}, which its index does not describe; extract these "
                            "features again")
        number = len(self._archives)
        self._archives.append(rows)
        self._where.update((key, (number, start, count)) for key, start, count in entries)
        self.failed.update(failed)

    def __contains__(self, key: object) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __getitem__(self, key: str) -> np.ndarray:
        """float32 (T, F), or (F,) for kind "utterance"; memory-mapped, where the archive is float32.

        Raises:
            KeyError: the utterance is not there or its features could not be computed (the message says which).
        """
        number, start, rows = self._find(key)
        archive = self._archives[number]
        found = archive[start] if self.kind == "utterance" else archive[start:start + rows]
        return found if found.dtype == np.float32 else found.astype(np.float32)

    def rows(self, key: str) -> int:
        """Number of frames of an utterance (1 for kind "utterance")."""
        return self._find(key)[2]

    def matrix(self, ids: Iterable[str]) -> np.ndarray:
        """Features of kind "utterance" in the order of `ids`: float32 (N, F), in memory."""
        if self.kind != "utterance":
            raise UserError(f"{self.path} holds {self.kind}; one vector an utterance is needed here")
        places = [self._find(key) for key in ids]
        out = np.empty((len(places), self.dim), dtype=np.float32)
        numbers = np.array([place[0] for place in places], dtype=np.int64)
        starts = np.array([place[1] for place in places], dtype=np.int64)
        for number, archive in enumerate(self._archives):
            chosen = np.flatnonzero(numbers == number)
            out[chosen] = archive[starts[chosen]]
        return out

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that have no features: they score the class prior."""
        return [key for key in ids if key not in self._where]

    def joined(self, other: FeatureStore, rename: Callable[[str], str]) -> FeatureStore:
        """This store and another of the same features, whose utterances get the names `rename` gives them."""
        both = copy.copy(self)
        both._archives = [*self._archives, *other._archives]
        both._where = self._where | {rename(key): (number + len(self._archives), start, rows)
                                     for key, (number, start, rows) in other._where.items()}
        both.failed = self.failed | {rename(key): reason for key, reason in other.failed.items()}
        both.ids = sorted(both._where)
        return both

    def _find(self, key: str) -> tuple[int, int, int]:
        try:
            return self._where[key]
        except KeyError:
            reason = self.failed.get(key, "it is not in this data set")
            raise KeyError(f"{self.path} has no features of {key}: {reason}") from None


def _map(path: Path) -> np.ndarray:
    """The archive as a plain array over the mapped file; an archive of failures only has no bytes to map."""
    check_regular(path)
    if path.stat().st_size <= _HEADER_BYTES:
        return np.load(path, allow_pickle=False)
    return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
