"""The comparison of two checkouts' score tables sees what it must see."""

from pathlib import Path

import pytest

from tests.soak.same_scores import differences, tables_of

HEAD, ROWS = "id\tlabel\tglad\tsad\n", ["a\tglad\t-0.1\t-2.3\n", "b\tsad\t-1.0\t-0.4\n"]


def recipe(root: Path, *lines: str, part: str = "test.tsv") -> dict[str, Path]:
    path = root / "tiny/exp/svm/folds/norm-global/fold1/seed0/scores" / part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return tables_of(root)


def test_a_new_place_an_added_column_and_another_order_of_columns_are_the_same(tmp_path):
    before = recipe(tmp_path / "before", HEAD, *ROWS)
    assert list(before) == ["svm/folds/norm-global/fold1/seed0 test.tsv"]
    after = recipe(tmp_path / "after", "id\tsad\tglad\tlabel\tnew\n", "b\t-0.4\t-1.0\tsad\t1\n",
                   "a\t-2.3\t-0.1\tglad\t1\n", part="emotion/test.tsv")
    assert differences(before, after) == []


@pytest.mark.parametrize(("lines", "says"), [
    ((HEAD, ROWS[0], "b\tsad\t-1.0\t-0.40001\n"), "b: sad -0.4 before, -0.40001 after"),
    ((HEAD, ROWS[0], "b\tglad\t-1.0\t-0.4\n"), "b: label sad before, glad after"),
    ((HEAD, ROWS[0]), "other items: [('b',)]"),
    (("id\tlabel\tglad\n", "a\tglad\t-0.1\n", "b\tsad\t-1.0\n"), "a: sad -2.3 before, None after")])
def test_another_value_label_item_or_a_lost_column_is_named(tmp_path, lines, says):
    before, after = recipe(tmp_path / "before", HEAD, *ROWS), recipe(tmp_path / "after", *lines)
    assert differences(before, after) == [f"svm/folds/norm-global/fold1/seed0 test.tsv: {says}"]


def test_a_lost_table_and_no_table_at_all_are_named(tmp_path):
    before = recipe(tmp_path / "before", HEAD, *ROWS)
    assert differences(before, {}) == ["svm/folds/norm-global/fold1/seed0 test.tsv: not there after"]
    assert differences({}, {}) == ["there are no score tables"]
