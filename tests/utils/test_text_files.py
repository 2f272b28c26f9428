"""Text files that users bring: marks, line ends, encodings."""

import pytest

from utils.errors import UserError
from utils.text_files import read_keyed, read_lines, read_text


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"a b\nc\n", b"\xef\xbb\xbfa b\r\nc\r\n", b"a b\rc", b"a b\nc"])
def test_lines_are_the_same_whoever_wrote_them(tmp_path, content):
    assert read_lines(write(tmp_path / "t", content)) == ["a b", "c"]


def test_a_line_ends_where_it_ends_and_nowhere_else(tmp_path):
    text = "u1 one\u2028two\x85three\x0bfour\nu2 five\n"
    assert read_lines(write(tmp_path / "t", text.encode())) == text.split("\n")[:2]
    assert read_lines(write(tmp_path / "t", b"")) == []


@pytest.mark.parametrize(("content", "says"), [
    ("a.wav\n".encode("utf-16"), "not UTF-8 but UTF-16"), ("a.wav\n".encode("utf-16-le"), "not UTF-8 but UTF-16"),
    ("a.wav\n".encode("utf-16-be"), "not UTF-8 but UTF-16"),
    (b"a\n\xe9\n", "t, line 2: not UTF-8 (invalid continuation byte at byte 2); save it as UTF-8"),
    (b"PK\x03\x04\x00\x01", "no text file (a workbook of Excel or an archive)"), (b"abc\0d", "it has zero bytes")])
def test_what_is_no_text_in_utf_8_is_told(tmp_path, content, says):
    with pytest.raises(UserError) as error:
        read_text(write(tmp_path / "t", content))
    assert says in str(error.value)


def test_names_that_are_no_unicode_may_be_kept(tmp_path):
    assert read_lines(write(tmp_path / "t", b"\xff.wav\n"), "surrogateescape") == ["\udcff.wav"]


def test_kaldi_tables(tmp_path):
    path = write(tmp_path / "text", "\ufeffu1  one  two \r\n\r\nu2\t\u5317\u4eac\r\nu3\r\n".encode())
    assert list(read_keyed(path)) == [(1, "u1", "one  two"), (3, "u2", "\u5317\u4eac"), (4, "u3", "")]
