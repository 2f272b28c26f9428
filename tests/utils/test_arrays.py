"""Arrays of others: what a file declares is looked at before it is read, and a wrong array is named."""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest

from utils.arrays import arrays_digest, read_npz, read_safetensors, tensor_shapes
from utils.errors import DamagedFile

SHAPES = {"w": ("C", "F"), "b": ("C",)}
GOOD = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}


def npy(shape, kind="<f8", body=b""):
    """The bytes of a .npy file that says to hold so much."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue() + body


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_was_saved_comes_back(tmp_path, save):
    save(tmp_path / "a.npz", **GOOD, order=np.asfortranarray(GOOD["w"]))
    found = read_npz(tmp_path / "a.npz", SHAPES)
    assert found.keys() == {"w", "b", "order"}
    for name, array in GOOD.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(("arrays", "says"), [
    ({"w": GOOD["w"]}, "has no array b"),
    ({**GOOD, "b": np.ones(3)}, r"b has the shape \(3,\), expected \(2\)"),
    ({**GOOD, "w": np.ones(2)}, r"w has the shape \(2,\), expected \(C, F\)"),
    ({**GOOD, "b": np.array([1, np.nan])}, "b holds values that are not finite"),
    ({**GOOD, "b": np.array(["x", "y"])}, "b holds no numbers"),
    ({**GOOD, "b": np.array([1j, 2])}, "b holds no numbers"),
])
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, says):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DamagedFile, match=says):
        read_npz(tmp_path / "a.npz", SHAPES)


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([{}], dtype=object))
    with pytest.raises(DamagedFile, match="w is no array of numbers"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(("content", "says"), [
    (npy((1 << 40,)), "declares the shape"),                       # 8 TB in 128 bytes
    (npy((-3, 3), body=b"\0" * 72), "declares the shape"),
    (npy((10**30, 10**30)), "declares the shape"),
    (npy((100_000_000,), "|u1", b"\0" * 100_000_000), "it declares 1000001"),  # 100 MB of zeros, deflated to 100 kB
    (b"\x93NUMPY\x07\x00", "is of format"),
    (b"hello, world", "magic string is not correct"),
])
def test_what_declares_more_than_it_holds_is_refused_before_it_is_read(tmp_path, content, says):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", content)
    with pytest.raises(DamagedFile, match=says):
        read_npz(tmp_path / "a.npz")


def test_what_is_no_archive_is_told(tmp_path):
    for content in (b"", b"PK\x03\x04 cut off", npy((3,), body=b"\0" * 24)):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DamagedFile, match="a.npz is damaged"):
            read_npz(tmp_path / "a.npz")
    with pytest.raises(DamagedFile, match="nowhere.npz is missing"):
        read_npz(tmp_path / "nowhere.npz")


def test_safetensors(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    save_file(GOOD, path)
    assert tensor_shapes(path) == {"w": (2, 3), "b": (2,)}
    np.testing.assert_array_equal(read_safetensors(path, SHAPES)["w"], GOOD["w"])
    save_file({**GOOD, "b": np.full(2, np.inf)}, path)
    with pytest.raises(DamagedFile, match="b holds values that are not finite"):
        read_safetensors(path, SHAPES)
    header = json.dumps({"w": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    for read in (read_safetensors, tensor_shapes):
        with pytest.raises(DamagedFile, match="a.safetensors is damaged"):
            read(path)


def test_a_digest_is_of_names_and_bytes_whatever_their_order():
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3).T, "a": np.int32([7])}
    plain = hashlib.sha256(b"a" + arrays["a"].tobytes() + b"b" + arrays["b"].copy("C").tobytes()).hexdigest()[:16]
    whole = hashlib.sha256(b"a int32 (1,)" + arrays["a"].tobytes() + b"b float32 (3, 2)"
                           + arrays["b"].copy("C").tobytes()).hexdigest()[:16]
    assert arrays_digest(arrays, described=False) == arrays_digest({key: arrays[key] for key in "ab"}, False) == plain
    assert arrays_digest(arrays) == whole
    deeper = {"a": arrays["a"].reshape(1, 1)}
    assert arrays_digest(deeper, described=False) == arrays_digest({"a": arrays["a"]}, described=False)
    assert arrays_digest(deeper) != arrays_digest({"a": arrays["a"]})
