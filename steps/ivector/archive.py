"""Statistics and sums on disk.

The statistics of a task's utterances are an archive as features are (steps/features/store.py): a row for each component
that an utterance has, float32 (component, frames, sums of the D features). It is memory-mapped when read, so an
iteration holds no more than a batch of utterances. Utterances without statistics stand in failed.<j>.tsv.
Sums (totals, accumulators, models) are float64 in safetensors files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from steps.features.store import archive_path, index_path, read_index
from steps.ivector.statistics import Pack, Statistics
from utils.arrays import read_safetensors
from utils.errors import UserError
from utils.files import atomic_path

COMPONENT, FRAMES, SUMS = 0, 1, 2  # columns of a row; the sums fill the rest


def rows_of(statistics: Statistics) -> np.ndarray:
    """float32 (K, 2 + D): how the archive holds an utterance."""
    return np.concatenate([statistics.components[:, None], statistics.n[:, None], statistics.f], axis=1,
                          dtype=np.float32, casting="unsafe")


def packs(directory: Path, tasks: Iterator[int] | list[int], mapping: np.ndarray,
          batch: int) -> Iterator[tuple[list[str], Pack]]:
    """Ids and statistics of `batch` utterances at a time, in the order of the tasks' archives.

    Args:
        mapping: new component of each of the archive's components, int (C,); see steps/ivector/supervised_ubm.py.

    Raises:
        UserError: an archive is missing or damaged.
    """
    for task in tasks:
        try:
            entries = list(read_index(index_path(directory, task)))
            if not entries:  # an empty file cannot be mapped
                continue
            archive = np.load(archive_path(directory, task), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{archive_path(directory, task)} or its index is missing or damaged ({error}); remove "
                            f"{index_path(directory, task)} and run the same command again") from error
        for begin in range(0, len(entries), batch):
            some = entries[begin:begin + batch]
            yield [key for key, _, _ in some], _pack(archive, some, mapping)


def _pack(archive: np.ndarray, entries: list[tuple[str, int, int]], mapping: np.ndarray) -> Pack:
    """Utterances that lie one after the other in the archive."""
    first, end = entries[0][1], entries[-1][1] + entries[-1][2]
    rows = np.asarray(archive[first:end], dtype=np.float64)
    sizes = np.array([count for _, _, count in entries])
    return merged(np.repeat(np.arange(len(entries)), sizes), rows[:, COMPONENT].astype(np.int64), rows[:, FRAMES],
                  rows[:, SUMS:], mapping, len(entries))


def merged(utterances: np.ndarray, components: np.ndarray, n: np.ndarray, f: np.ndarray, mapping: np.ndarray,
           count: int) -> Pack:
    """Statistics after components were merged: entries of one utterance that come to the same component are added.

    Args:
        utterances: int (K,), rising, below `count`. components: int (K,). n: (K,). f: (K, D).
    """
    width = int(mapping.max(initial=-1)) + 1
    new = mapping[components]
    known = new >= 0
    keys, place = np.unique(utterances[known] * max(width, 1) + new[known], return_inverse=True)
    frames, sums = np.zeros(len(keys)), np.zeros((len(keys), f.shape[1]))
    np.add.at(frames, place, n[known])
    np.add.at(sums, place, f[known])
    sizes = np.bincount(keys // max(width, 1), minlength=count)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Pack(indptr, (keys % max(width, 1)).astype(np.int32), frames, sums, width)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A safetensors file, atomically."""
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """
    Raises:
        UserError: the file is missing or damaged.
    """
    return read_safetensors(path, advice="remove it and run the same command again")


def prefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names with a prefix, so that several things share a file."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def unprefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those with the prefix, without it."""
    return {name.removeprefix(f"{prefix}."): array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
