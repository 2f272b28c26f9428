"""Tables of a corpus: cells, columns, and what is wrong with a file."""

import pytest

from utils.csv_table import TAB, read_table
from utils.errors import UserError


def test_cells_come_under_their_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfName, Age \r\n"a, b", 3 \r\nc\r\nd,4,too,many\r\n')
    assert list(read_table(path, ["name", "Age"])) == [
        (2, {"name": "a, b", "Age": "3"}), (3, {"name": "c", "Age": ""}), (4, {"name": "d", "Age": "4"})]


def test_with_tabs_a_quotation_mark_is_a_letter(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('a\tb\n"x\ty"\n')
    assert list(read_table(path, ["b"], TAB)) == [(2, {"a": '"x', "b": 'y"'})]


@pytest.mark.parametrize(("content", "says"), [
    (b"name;age\nx;3\n", "t.csv: no column name; expected name, age, with commas between; it has: name;age"),
    (b"", "t.csv: no column name; .* it has: nothing"),
    (b"name,age\n\xe9,3\n", "t.csv, line 2: not UTF-8 .*; save it as UTF-8"),
    (b"PK\x03\x04" + bytes(range(256)), "t.csv: no text file"),
    ("name,age\nx,3\n".encode("utf-16"), "t.csv: not UTF-8 but UTF-16")])
def test_what_is_no_such_table_is_named(tmp_path, content, says):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=says):
        list(read_table(tmp_path / "t.csv", ["name", "age"]))
