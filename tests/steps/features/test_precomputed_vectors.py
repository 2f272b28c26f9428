"""Vectors made elsewhere: read from tables and Kaldi's archives alike; what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steps.data.dataset import Item
from steps.features.extractor import CannotCompute
from steps.features.precomputed_vectors import read_vectors
from steps.features.registry import create
from utils.errors import UsageError, UserError

VECTORS = {"a": [1.0, -2.5, 3.25], "b": [0.5, 0.0, 1e-3], "other": [9.0, 9.0, 9.0]}
ITEMS = {key: Item(key) for key in ("a", "b", "c")}


def write(path: Path, vectors: dict[str, list[float]]) -> Path:
    if path.suffix in (".ark", ".scp"):
        kaldi_native_io = pytest.importorskip("kaldi_native_io")
        text = f"ark:{path}" if path.suffix == ".ark" else f"ark,scp:{path.with_suffix('.data')},{path}"
        with kaldi_native_io.FloatVectorWriter(text) as writer:
            for key, vector in vectors.items():
                writer.write(key, np.array(vector, dtype=np.float32))
        return path
    brackets = ("  [ ", " ]") if path.suffix == ".txt" else ("\t", "")
    between = " " if path.suffix == ".txt" else "\t"
    path.write_text("".join(f"{key}{brackets[0]}{between.join(map(str, vector))}{brackets[1]}\n"
                            for key, vector in vectors.items()))
    return path


def bound(path: Path, *overrides: str):
    extractor = create("precomputed_vectors", [f"directory={path}", *overrides])
    extractor.bind(ITEMS)
    return extractor


@pytest.mark.parametrize("name", ["v.tsv", "v.txt", "v.ark", "v.scp"])
def test_every_form_gives_the_same_vectors_and_lists_the_missing(tmp_path, name):
    extractor = bound(write(tmp_path / name, VECTORS))
    assert (extractor.kind, extractor.dim) == ("utterance", 3)
    for key in ("a", "b"):
        np.testing.assert_array_equal(extractor.extract_item(ITEMS[key])[0], np.array(VECTORS[key], np.float32))
    with pytest.raises(CannotCompute, match="has no vector of it"):
        extractor.extract_item(ITEMS["c"])


@pytest.mark.parametrize(("vectors", "overrides", "message"), [
    ({"a": [1.0, 2.0], "b": [1.0]}, [], r"vector of b has 1 values, expected 2 \(a\)"),
    (VECTORS, ["dim=200"], "vector of a has 3 values, expected 200"),
    ({"x": [1.0], "y": [2.0]}, [], "none of the 3 utterances; it has x, y"),
    ({"a": []}, [], "line 1: a has no values")])
def test_what_does_not_fit_is_named(tmp_path, vectors, overrides, message):
    with pytest.raises(UserError, match=message):
        bound(write(tmp_path / "v.tsv", vectors), *overrides)


def test_a_word_among_the_numbers_and_a_doubled_id_are_named(tmp_path):
    path = tmp_path / "v.tsv"
    path.write_text("a 1 2\nb 1 two\n")
    with pytest.raises(UserError, match="line 2"):
        bound(path)
    path.write_text("a 1 2\na 3 4\n")
    with pytest.raises(UserError, match="a comes twice"):
        bound(path)


def test_commands_in_a_scp_are_never_run(tmp_path):
    path, trace = tmp_path / "v.scp", tmp_path / "trace"
    path.write_text(f"a touch {trace} |\n")
    with pytest.raises(UserError, match="line 1: reads from a command"):
        list(read_vectors(path))
    assert not trace.exists()


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"v\.pkl: vectors are read from \.tsv"):
        bound(tmp_path / "v.pkl")
    with pytest.raises(UserError, match=r"v\.ark does not exist"):
        bound(tmp_path / "v.ark")
    with pytest.raises(UsageError, match="--from FILE"):
        create("precomputed_vectors").bind(ITEMS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the library, half opened
def test_a_matrix_is_no_vector(tmp_path):
    kaldi_native_io = pytest.importorskip("kaldi_native_io")
    with kaldi_native_io.FloatMatrixWriter(f"ark:{tmp_path / 'm.ark'}") as writer:
        writer.write("a", np.ones((2, 3), dtype=np.float32))
    with pytest.raises(UserError, match=r"m\.ark: not an archive of vectors"):
        bound(tmp_path / "m.ark")
