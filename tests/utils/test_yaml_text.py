"""YAML of others: what would fill the memory or the stack is one clear line, and what people write is read."""

import pytest

from utils import yaml_text
from utils.config import read_yaml
from utils.errors import UsageError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True))
MERGED = "a: &a {k: 1}\n" + "b: &b {" + ", ".join(f"k{n}: *a" for n in range(400)) + "}\n" + \
    "c: [" + ", ".join(["*b"] * 400) + "]\n"


@pytest.mark.parametrize(("text", "says"), [
    (BOMB, "more than 100000 values"),
    (MERGED, "more than 100000 values"),
    ("a: &a [*a]", "an alias of what it stands in"),
    ("[" * 5000, "more than 50 levels"),
    ("- " * 200 + "x", "more than 50 levels"),
    ("x" * (yaml_text.MOST_CHARACTERS + 1), "1048577 characters"),
    ("a: 2024-13-45", "a value that cannot be read"),
    ("a: " + "9" * 5000, "a value that cannot be read"),
    ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
    ("a: 1\na: 2", "the key a comes twice"),
    ("? [a]\n: 1", "found unhashable key"),
    ("- 1", "expected a mapping"),
    ("\x01", "not valid YAML"),
])
def test_what_cannot_be_meant_is_one_line(tmp_path, text, says):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        read_yaml(path)
    assert says in str(raised.value) and str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_anchors_that_people_write_are_read():
    text = "base: &base {rate: 1.0e-3, sizes: [1, 2]}\nmine: {<<: *base, rate: 2}\nagain: *base\n"
    base = {"rate": 1e-3, "sizes": [1, 2]}
    assert yaml_text.load(text) == {"base": base, "mine": {**base, "rate": 2}, "again": base}


def test_a_pipe_and_a_file_of_other_letters_are_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UsageError, match="pipe.yaml is no regular file"):
        read_yaml(tmp_path / "pipe.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: \xe4".encode("latin-1"))
    with pytest.raises(UsageError, match="latin.yaml, line 1: not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
