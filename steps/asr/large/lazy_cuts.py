"""Sets of speech of thousands of hours on disk: lhotse shar with an index, so that any utterance is found at once.

    SET/speech.json                 {"format": 1, "corpus": ..., "seconds": ..., "utterances": ..., "trained_on": [...]}
    SET/shar/cuts.000000.jsonl      lhotse shar, not compressed: CutSet.from_shar(in_dir=SET/shar) reads it too
    SET/shar/recording.000000.tar
    SET/index/000000.npy            a row an utterance (INDEX): seconds, where its line and its audio lie

lhotse reads shar one cut after the other, and every process decodes what all the others train on. An index of 24 bytes
an utterance lets a process plan an epoch over millions (steps/asr/train/epoch_plan.py) and read only its own share.
"""

from __future__ import annotations

import bisect
import functools
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np

from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json

FORMAT = 1
ABOUT, SHAR, INDEX_DIRECTORY = "speech.json", "shar", "index"
# line, length: of the cut in its cuts file. audio, size: of the encoded recording in its tar; size 0: none is stored.
INDEX = np.dtype([("seconds", "<f4"), ("line", "<u4"), ("length", "<u4"), ("size", "<u4"), ("audio", "<u8")])
SUFFIXES = {"cuts": "jsonl", "recording": "tar"}


def shard_name(field: str, shard: int) -> str:
    """Path of a shard within its set."""
    return f"{SHAR}/{field}.{shard:06d}.{SUFFIXES[field]}"


class IndexWriter:
    """Collects the rows of one shard; `close` writes them, which says that the shard is whole."""

    def __init__(self, directory: Path, shard: int):
        self.path = index_path(directory, shard)
        self.rows: list[tuple[float, int, int, int, int]] = []

    def add(self, seconds: float, line: int, length: int, audio: int, size: int) -> None:
        """One utterance; see INDEX."""
        self.rows.append((seconds, line, length, size, audio))

    def close(self) -> None:
        """Write the index."""
        with atomic_path(self.path) as path, open(path, "wb") as stream:
            np.save(stream, np.array(self.rows, dtype=INDEX))


def index_path(directory: Path, shard: int) -> Path:
    """Where the index of a shard lies."""
    return directory / INDEX_DIRECTORY / f"{shard:06d}.npy"


def write_set_about(directory: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write speech.json over the shards that are there; returns it."""
    rows = [np.load(path) for path in sorted((directory / INDEX_DIRECTORY).glob("*.npy"))]
    about = {"format": FORMAT, **about, "shards": len(rows), "utterances": sum(map(len, rows)),
             "seconds": round(float(sum(shard["seconds"].sum(dtype=np.float64) for shard in rows)), 3),
             "audio_bytes": int(sum(shard["size"].sum(dtype=np.int64) for shard in rows))}
    write_json(directory / ABOUT, about)
    return about


class SpeechSet:
    """One set.

    Attributes:
        seconds: of each utterance, float32 (N,). starts: number of the first utterance of each shard, and N.
    """

    def __init__(self, directory: Path):
        about = read_json(directory / ABOUT) if (directory / ABOUT).is_file() else {}
        if about.get("format") != FORMAT:
            raise UserError(f"{directory} is no set of speech (no {ABOUT} of format {FORMAT}); steps/export_shar.sh "
                            "makes one", 2)
        self.directory, self.about = directory, about
        shards = [np.load(index_path(directory, shard)) for shard in range(about["shards"])]
        self.rows = np.concatenate(shards) if shards else np.zeros(0, INDEX)
        self.starts = np.cumsum([0, *map(len, shards)]).tolist()
        if len(self.rows) != about["utterances"]:
            raise UserError(f"{directory}: {ABOUT} tells of {about['utterances']} utterances, the index of "
                            f"{len(self.rows)}; run steps/export_shar.sh again")

    @property
    def seconds(self) -> np.ndarray:
        return self.rows["seconds"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> LazyCut:
        shard = bisect.bisect_right(self.starts, number) - 1
        row = self.rows[number]
        lines = self.directory / shard_name("cuts", shard)
        fields = json.loads(_read(str(lines), int(row["line"]), int(row["length"])))
        tar = self.directory / shard_name("recording", shard)
        return LazyCut(fields, str(tar), int(row["audio"]), int(row["size"]))


@functools.lru_cache(maxsize=128)
def _opened(path: str) -> IO[bytes]:
    """Open files, since a batch reads from a hundred places; what falls out of the cache is closed with its object."""
    return open(path, "rb", buffering=0)


def _read(path: str, offset: int, size: int) -> bytes:
    """`size` bytes from `offset` on; os.pread moves no position, so processes that were forked may share the file."""
    return os.pread(_opened(path).fileno(), size, offset)


class SpeechSets(Sequence[Any]):
    """Several sets as one; utterances are numbered from 0 over all of them.

    Attributes:
        seconds: float32 (N,). shards: (first, end) utterance numbers of every shard.
    """

    def __init__(self, directories: Sequence[Path]):
        self.sets = [SpeechSet(Path(directory)) for directory in directories]
        self.offsets = np.cumsum([0, *map(len, self.sets)]).tolist()
        self.seconds = np.concatenate([found.seconds for found in self.sets]) if self.sets else np.zeros(0, np.float32)
        self.shards = [(offset + first, offset + end) for offset, found in zip(self.offsets, self.sets, strict=False)
                       for first, end in zip(found.starts, found.starts[1:], strict=False)]

    def __len__(self) -> int:
        return self.offsets[-1]

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        at = bisect.bisect_right(self.offsets, number) - 1
        return self.sets[at][number - self.offsets[at]]


@dataclass
class LazyCut:
    """What training asks of a lhotse cut, without building one; its audio is read when it is wanted.

    Args:
        fields: the cut as JSON. tar, offset, size: where its encoded recording lies.
    """

    fields: dict[str, Any]
    tar: str
    offset: int
    size: int

    @property
    def id(self) -> str:
        return self.fields["id"]

    @property
    def duration(self) -> float:
        return self.fields["duration"]

    @property
    def sampling_rate(self) -> int:
        return self.fields["recording"]["sampling_rate"]

    @property
    def supervisions(self) -> list[SimpleNamespace]:
        """Each with speaker, language and text, as far as they are known."""
        known = {"speaker": None, "language": None, "text": None}
        return [SimpleNamespace(**{**known, **fields}) for fields in self.fields["supervisions"]]

    def load_audio(self) -> np.ndarray:
        """float32 (channels, samples).

        Raises:
            UserError: the tar does not hold it.
        """
        import soundfile

        if not self.size:
            raise UserError(f"{self.id}: no recording is stored in {self.tar}")
        data = _read(self.tar, self.offset, self.size)
        try:
            return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise UserError(f"{self.tar}, byte {self.offset}: the recording of {self.id} cannot be decoded; "
                            "run steps/export_shar.sh again") from error
