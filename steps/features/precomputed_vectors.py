"""Vectors of utterances that were made elsewhere (i-vectors, x-vectors): a table, or an archive of Kaldi's.

    <name>.tsv, .txt     `id v1 v2 ...`, separated by tabs or spaces; Kaldi's text archives (`id  [ v1 v2 ... ]`) too
    <name>.ark, .scp     Kaldi's vectors, read by kaldi-native-io

`steps/extract_features.sh --features precomputed_vectors --from FILE DATA`; another name for them is another
conf/NAME.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.data.dataset import Item
from steps.features.extractor import CannotCompute, Extractor
from utils.config import option
from utils.errors import UsageError, UserError
from utils.names import plain_name
from utils.text_files import read_keyed, read_lines

TABLES, ARCHIVES = (".tsv", ".txt"), (".ark", ".scp")
EXAMPLES = 5


@dataclass
class GivenVectorsConfig:
    """Options. directory: the file with the vectors (--from sets it). dim: length of each; none: as the first."""

    extractor: str = option("precomputed_vectors", choices=["precomputed_vectors"])
    directory: Path | None = None
    dim: int | None = option(None, min=1, max=10**5)


class PrecomputedVectors(Extractor):
    """One vector an utterance, from one file. Utterances that it does not have are listed as failed."""

    Config = GivenVectorsConfig
    packages = ("numpy",)
    needs_audio = False
    config: GivenVectorsConfig

    def __init__(self, name: str, config: GivenVectorsConfig):
        super().__init__(name, config)
        self.kind = "utterance"
        self._vectors: dict[str, np.ndarray] = {}

    def bind(self, items: Mapping[str, Item]) -> None:
        """Read the vectors of these utterances; others in the file are passed over.

        Raises:
            UserError: no such file, a line that cannot be read, vectors of two lengths, or none of the utterances'.
        """
        path = self.config.directory
        if path is None:
            raise UsageError(f"{self.name}: no file of vectors is named; give --from FILE "
                             f"({', '.join([*TABLES, *ARCHIVES])})")
        others: list[str] = []
        length, first = self.config.dim, "dim of the configuration"
        for key, vector in read_vectors(path):
            if key not in items:
                others.append(key)
                continue
            if key in self._vectors:
                raise UserError(f"{path}: {key} comes twice; remove one of its vectors")
            if length is None:
                length, first = len(vector), key
            if len(vector) != length:
                raise UserError(f"{path}: the vector of {key} has {len(vector)} values, expected {length} ({first}); "
                                "all must be alike")
            self._vectors[key] = vector
        if not self._vectors:
            raise UserError(f"{path} has a vector of none of the {len(items)} utterances; it has "
                            f"{', '.join(others[:EXAMPLES]) or 'no vectors'}")
        self.dim = int(length or 0)
        self.columns = []

    def extract_item(self, item: Item) -> tuple[np.ndarray, tuple[str, ...]]:
        if item.id not in self._vectors:
            raise CannotCompute(f"{self.config.directory} has no vector of it")
        return self._vectors[item.id], ()


def read_vectors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(id, float32 (F,)) of each line or entry.

    Raises:
        UserError: no such file, or an entry that is no vector; names file and line.
    """
    if path.suffix not in (*TABLES, *ARCHIVES):
        raise UsageError(f"{path}: vectors are read from {', '.join([*TABLES, *ARCHIVES])}")
    if not path.is_file():
        raise UserError(f"{path} does not exist; --from names the file of vectors", 2)
    yield from _table(path) if path.suffix in TABLES else _archive(path)


def _table(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for number, key, rest in read_keyed(path):
        try:
            vector = np.array(rest.replace("[", " ").replace("]", " ").split(), dtype=np.float32)
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}; expected an id and numbers") from error
        if not len(vector):
            raise UserError(f"{path}, line {number}: {key} has no values")
        yield key, vector


def _archive(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """By kaldi-native-io, which would run a command where a name ends in a pipe: such names are refused."""
    try:
        import kaldi_native_io
    except ImportError as error:
        raise UserError(f"{path}: reading Kaldi's archives needs kaldi_native_io; pip install kaldi_native_io, or give "
                        "a table `id v1 v2 ...`") from error
    if path.suffix == ".scp":
        for number, line in enumerate(read_lines(path), start=1):
            if "|" in line:
                raise UserError(f"{path}, line {number}: reads from a command; only files are read")
    # An absolute name ends in its suffix, so it is neither standard input nor a pipe.
    try:
        with kaldi_native_io.SequentialFloatVectorReader(f"{path.suffix[1:]}:{path.resolve()}") as reader:
            for key, vector in reader:
                yield plain_name(key), np.array(vector, dtype=np.float32)
    except RuntimeError as error:
        raise UserError(f"{path}: not an archive of vectors that can be read (matrices are not taken)") from error
