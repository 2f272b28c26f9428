"""Archives: what is written comes back, only whole tasks count, and a store extracted otherwise is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from steps.features.store import ArchiveWriter, FeatureStore, finished_tasks
from utils.errors import UserError
from utils.files import ROOT, write_json


def describe(directory, **changes):
    write_json(directory / "feature.json", {
        "name": "is10", "version": "opensmile 2.6.0", "options": {"level": "functionals", "feature_set": "is10"},
        "kind": "utterance", "dim": 3, "frame_shift": None, "columns": ["a", "b", "c"], "archives": 2, **changes})


def write(directory, task, vectors, failed=()):
    with ArchiveWriter(directory, task, 3) as writer:
        for key, value in vectors.items():
            writer.add(key, value)
        for key in failed:
            writer.fail(key, "too\nshort")
        writer.commit()


@pytest.fixture
def vectors(tmp_path):
    values = {f"u{n}": np.random.default_rng(n).standard_normal(3).astype(np.float32) for n in range(6)}
    write(tmp_path, 1, {key: values[key] for key in ("u0", "u2", "u4")}, failed=["u6"])
    write(tmp_path, 2, {key: values[key] for key in ("u1", "u3", "u5")})
    describe(tmp_path)
    return tmp_path, values


def test_vectors_come_back_by_id_over_all_archives(vectors):
    path, values = vectors
    store = FeatureStore.open(path)
    assert store.ids == sorted(values) and len(store) == 6 and "u6" not in store
    assert store.failed == {"u6": "too short"} and store.columns == ["a", "b", "c"]
    for key, value in values.items():
        np.testing.assert_array_equal(store[key], value)
    order = ["u5", "u0", "u5", "u3"]
    np.testing.assert_array_equal(store.matrix(order), np.stack([values[key] for key in order]))
    assert store.matrix([]).shape == (0, 3)
    assert store.missing(["u1", "u6"]) == ["u6"]


def test_reading_maps_the_file_and_cannot_change_it(vectors):
    row = FeatureStore.open(vectors[0])["u0"]
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1


def test_frames_come_back_with_their_lengths(tmp_path):
    frames = {f"u{n}": np.full((n, 3), n, dtype=np.float32) for n in (1, 7, 2)}
    write(tmp_path, 1, frames)
    describe(tmp_path, kind="frames", frame_shift=0.01, archives=1)
    store = FeatureStore.open(tmp_path)
    for key, value in frames.items():
        np.testing.assert_array_equal(store[key], value)
        assert store.rows(key) == len(value)
    with pytest.raises(UserError, match="one vector an utterance"):
        store.matrix(["u1"])


def test_a_float16_archive_takes_half_the_room_and_is_read_as_float32(tmp_path):
    values = {f"u{n}": np.random.default_rng(n).normal(0, 20, (4, 3)).astype(np.float32) for n in range(3)}
    with ArchiveWriter(tmp_path, 1, 3, "float16") as writer:
        for key, value in values.items():
            writer.add(key, value)
        writer.commit()
    describe(tmp_path, kind="frames", frame_shift=0.01, archives=1, dtype="float16")
    assert np.load(tmp_path / "archive.1.npy").dtype == np.float16
    assert (tmp_path / "archive.1.npy").stat().st_size == 128 + 2 * 36
    store = FeatureStore.open(tmp_path)
    for key, value in values.items():
        assert store[key].dtype == np.float32
        np.testing.assert_allclose(store[key], value, rtol=2**-11)
    describe(tmp_path, kind="frames", frame_shift=0.01, archives=1)  # float32, which the archive is not
    with pytest.raises(UserError, match="which its index does not describe"):
        FeatureStore.open(tmp_path)


def test_a_value_too_large_for_float16_is_told(tmp_path):
    with pytest.raises(UserError, match="1 of 3 values are not finite in float16"), \
            ArchiveWriter(tmp_path, 1, 3, "float16") as writer:
        writer.add("u0", np.array([1.0, 70000.0, 2.0], dtype=np.float32))


def test_the_archive_is_an_ordinary_npy_file(vectors):
    archive = np.load(vectors[0] / "archive.1.npy")
    assert archive.shape == (3, 3) and archive.dtype == np.float32


def test_an_unknown_id_says_why(vectors):
    store = FeatureStore.open(vectors[0])
    with pytest.raises(KeyError, match="too short"):
        store["u6"]
    with pytest.raises(KeyError, match="not in this data set"):
        store["nobody"]


@pytest.mark.parametrize(("expect", "key"), [
    ({"name": "is09"}, "name"), ({"version": "opensmile 2.5.0"}, "version"),
    ({"options": {"level": "lld"}}, "options.level"), ({"options": {"deltas": True}}, "options.deltas")])
def test_features_extracted_otherwise_are_refused_by_key(vectors, expect, key):
    with pytest.raises(UserError, match=f": {key} is "):
        FeatureStore.open(vectors[0], expect)


def test_matching_expectations_are_accepted(vectors):
    FeatureStore.open(vectors[0], {"name": "is10", "options": {"level": "functionals"}})


@pytest.mark.parametrize("name", ["archive.2.npy", "index.2.tsv", "failed.2.tsv", "feature.json"])
def test_a_missing_file_is_one_clear_line(vectors, name):
    (vectors[0] / name).unlink()
    with pytest.raises(UserError, match="extract"):
        FeatureStore.open(vectors[0])


def test_a_truncated_archive_is_refused(vectors):
    archive = vectors[0] / "archive.1.npy"
    archive.write_bytes(archive.read_bytes()[:-4])
    with pytest.raises(UserError, match="again"):
        FeatureStore.open(vectors[0])


def test_an_interrupted_task_leaves_no_new_file(tmp_path):
    with pytest.raises(ZeroDivisionError), ArchiveWriter(tmp_path, 1, 3) as writer:
        writer.add("u0", np.ones(3))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [] and finished_tasks(tmp_path) == []


def test_writing_again_disowns_the_former_archive_first(vectors):
    path = vectors[0]
    assert finished_tasks(path) == [1, 2]
    with pytest.raises(ZeroDivisionError), ArchiveWriter(path, 1, 3):
        raise ZeroDivisionError
    assert finished_tasks(path) == [2]


def test_forgetting_to_commit_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="commit"), ArchiveWriter(tmp_path, 1, 3) as writer:
        writer.add("u0", np.ones(3))
    assert list(tmp_path.iterdir()) == []


def test_a_task_of_failures_only(tmp_path):
    write(tmp_path, 1, {}, failed=["u0"])
    describe(tmp_path, archives=1)
    store = FeatureStore.open(tmp_path)
    assert store.ids == [] and list(store.failed) == ["u0"]


@pytest.mark.parametrize(("key", "value", "message"), [
    ("u0", np.ones(3), "twice"), ("a\tb", np.ones(3), "tab"), ("a\nb", np.ones(3), "line end"),
    ("", np.ones(3), "empty"), ("u1", np.ones(4), "shape"), ("u1", np.array([1, np.nan, 2]), "finite"),
    ("u1", np.ones((0, 3)), "shape")])
def test_what_an_archive_does_not_take(tmp_path, key, value, message):
    with pytest.raises(UserError, match=message), ArchiveWriter(tmp_path, 1, 3) as writer:
        writer.add("u0", np.ones(3))
        writer.add(key, value)


def test_ids_with_spaces_quotes_and_other_scripts(tmp_path):
    ids = ["a b", "it's", "$(touch x)", "愤怒", "ä\u2028b"]
    write(tmp_path, 1, {key: np.full(3, n) for n, key in enumerate(ids)})
    describe(tmp_path, archives=1)
    store = FeatureStore.open(tmp_path)
    assert store.ids == sorted(ids)
    assert [store[key][0] for key in ids] == [0, 1, 2, 3, 4]


def test_an_archive_beyond_a_limit_on_virtual_memory_is_not_called_damaged(tmp_path):
    """As h_vmem of Grid Engine limits a job; the archive is a hole of 2 GiB in a file of no blocks."""
    rows = 2**31 // 12
    np.lib.format.open_memmap(tmp_path / "archive.1.npy", "w+", np.float32, (rows, 3))
    (tmp_path / "index.1.tsv").write_text(f"u\t0\t{rows}\n")
    (tmp_path / "failed.1.tsv").write_text("")
    describe(tmp_path, kind="frames", frame_shift=0.01, archives=1)
    code = ("import resource, sys; from pathlib import Path; from steps.features.store import FeatureStore; "
            "resource.setrlimit(resource.RLIMIT_AS, 2 * (int(sys.argv[2]),)); FeatureStore.open(Path(sys.argv[1]))")

    def opened(limit):
        return subprocess.run([sys.executable, "-c", code, str(tmp_path), str(limit)], capture_output=True, text=True,
                              cwd=ROOT)

    assert opened(2**33).returncode == 0
    said = opened(2**31).stderr
    assert "archive.1.npy has 2.0 GiB" in said and "h_vmem" in said and "damaged" not in said
