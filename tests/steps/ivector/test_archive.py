"""What goes into the archive comes out again, and merging statistics is merging occupancies."""

from __future__ import annotations

import numpy as np
import pytest

from steps.features.store import ArchiveWriter
from steps.ivector.archive import packs, read_arrays, rows_of, write_arrays
from steps.ivector.sparse import Occupancies
from steps.ivector.statistics import Pack, Statistics
from utils.errors import UserError

COMPONENTS, DIM = 6, 3
MAPPING = np.array([1, 0, 1, -1, 2, 0])


def utterances(count: int = 7) -> dict[str, tuple[np.ndarray, Occupancies]]:
    generator = np.random.default_rng(5)
    found = {}
    for number in range(count):
        posteriors = generator.random((20, COMPONENTS)) * (generator.random((20, COMPONENTS)) < 0.4)
        posteriors[:, 3] = 0  # a component without frames, which the UBM drops
        found[f"u{number}"] = (generator.standard_normal((20, DIM)), Occupancies.of_dense(posteriors, 0.02))
    return found


def write(directory, chosen: dict, task: int) -> None:
    with ArchiveWriter(directory, task, DIM + 2) as writer:
        for key, (features, occupancies) in chosen.items():
            writer.add(key, rows_of(Statistics.of(features, occupancies)))
        writer.fail(f"silent{task}", "no voiced frame")
        writer.commit()


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_merged_statistics_are_those_of_merged_occupancies(tmp_path, batch):
    speech = utterances()
    keys = list(speech)
    write(tmp_path, {key: speech[key] for key in keys[:4]}, 1)
    write(tmp_path, {}, 2)
    write(tmp_path, {key: speech[key] for key in keys[4:]}, 3)
    found = list(packs(tmp_path, [1, 2, 3], MAPPING, batch))
    assert [key for some, _ in found for key in some] == keys
    assert max(len(some) for some, _ in found) <= batch
    number = 0
    for some, pack in found:
        wanted = Pack.of([Statistics.of(features, occupancies.mapped(MAPPING))
                          for features, occupancies in (speech[key] for key in some)], 3, DIM)
        assert pack.count == 3
        for name in ("indptr", "components"):
            np.testing.assert_array_equal(getattr(pack, name), getattr(wanted, name))
        for name in ("n", "f"):
            np.testing.assert_allclose(getattr(pack, name), getattr(wanted, name), rtol=1e-5, atol=1e-5)
        number += len(some)
    assert number == len(keys)


def test_a_damaged_or_missing_archive_is_named(tmp_path):
    write(tmp_path, utterances(), 1)
    (tmp_path / "archive.1.npy").write_bytes(b"half")
    with pytest.raises(UserError, match=r"archive\.1\.npy or its index is missing or damaged.*run the same command"):
        list(packs(tmp_path, [1], MAPPING, 10))
    with pytest.raises(UserError, match=r"archive\.2\.npy"):
        list(packs(tmp_path, [2], MAPPING, 10))


def test_arrays_come_back_and_a_damaged_file_is_named(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([3], dtype=np.int64)}
    write_arrays(tmp_path / "x.safetensors", arrays)
    for name, array in read_arrays(tmp_path / "x.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])
    (tmp_path / "x.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="x.safetensors is damaged"):
        read_arrays(tmp_path / "x.safetensors")
