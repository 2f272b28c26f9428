"""All mistakes are printed at once."""

import pytest

from utils.errors import UserError
from utils.problems import Problems


def test_one_mistake_is_its_own_line(tmp_path, capsys):
    problems = Problems()
    with problems.catch("labels"):
        raise UserError("t.tsv, line 3: emotion is 'sda'")
    with pytest.raises(UserError, match=r"^t.tsv, line 3: emotion is 'sda'$"):
        problems.stop(tmp_path)
    assert capsys.readouterr().err == "" and not (tmp_path / "problems.txt").exists()


def test_of_many_the_first_of_each_kind_are_printed_and_all_are_listed(tmp_path, capsys):
    problems = Problems()
    problems.add("ids", "a twice")
    problems.add("labels", *(f"label {number}" for number in range(5)))
    with pytest.raises(UserError, match=r"^6 mistakes \(1 ids, 5 labels\)") as error:
        problems.stop(tmp_path / "data")
    assert capsys.readouterr().err.splitlines() == [
        "error: a twice", "error: label 0", "error: label 1", "error: label 2"]
    assert str(tmp_path / "data/problems.txt") in str(error.value)
    assert (tmp_path / "data/problems.txt").read_text().splitlines() == [
        "ids: a twice", *(f"labels: label {number}" for number in range(5))]


def test_without_a_mistake_an_older_list_goes(tmp_path):
    (tmp_path / "problems.txt").write_text("ids: a twice\n")
    Problems().stop(tmp_path)
    assert list(tmp_path.iterdir()) == []
