"""What others named is shown without acting on a terminal or a spreadsheet."""

import io
import json
from contextlib import redirect_stderr

import numpy as np
import pytest

from utils.errors import UserError, run_main
from utils.printable import printable, spreadsheet_cell

NASTY = "a\x1b[2Jb\x9b1m\rc\x7f\u202ed"


def test_only_what_acts_is_escaped():
    assert printable(NASTY) == "a\\x1b[2Jb\\x9b1m\\rc\\x7f\\u202ed"
    assert printable("a\x1b[2J\n") == "a\\x1b[2J\\n"  # of ASCII alone
    for text in ("Füße 愤怒 \U0001f600", "a\u200db", "x\xa0y", "", "\udcff"):  # the last: a byte of a file name
        assert printable(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+49", "-3", "@x"])
def test_a_formula_is_text_to_a_spreadsheet(text):
    assert spreadsheet_cell(text) == f"'{text}"
    assert spreadsheet_cell(f"a{text}") == f"a{text}"


def test_an_error_shows_names_escaped():
    def fail(_):
        raise UserError(f"{NASTY}: no file")

    def fail_in_the_system(_):
        raise FileNotFoundError(2, "no", NASTY)

    for main in (fail, fail_in_the_system):
        with redirect_stderr(io.StringIO()) as err:
            assert run_main(main, []) == 1
        assert err.getvalue()[:-1].isprintable() and "a\\x1b[2Jb" in err.getvalue()


def test_records_of_recordings_are_harmless_and_still_say_the_name():
    from steps.inference.output import Json, Table
    from steps.inference.outputs import Classes

    record = {"file": f"={NASTY}", "emotion": "-a", "posteriors": {"-a": 1.0}, "subsystems": {"s": {"-a": 1.0}},
              "transcript": "@all", "seconds": 1.0}
    [line] = Json().pieces(record)
    assert line[:-1].isprintable() and json.loads(line) == record
    head, line = Table(Classes(["-a"]), ["s"]).pieces(record)
    assert all(text[:-1].replace("\t", " ").isprintable() for text in (head, line))
    cells = line.split("\t")
    assert cells[0] == "'=a\\x1b[2Jb\\x9b1m c\\x7f\\u202ed" and cells[2] == "'-a" and "'@all" in cells
    assert head.split("\t")[3] == "'-a"


def test_score_tables_hold_no_formula_and_come_back(tmp_path):
    from steps.scoring.scores import read_predictions, read_scores, write_regression, write_scores

    ids = ["'=x", "''+y", "'plain", "+1", "-", "-5", "=1+1", "@a", "b=c"]
    classes = ["=cmd", "'-sad"]
    path = tmp_path / "scores.tsv"
    write_scores(path, ids, [*classes * 4, None], classes, np.log(np.full((9, 2), 0.5)))
    cells = [cell for line in path.read_text().splitlines() for cell in line.split("\t")[:2]]
    assert not any(cell.startswith(("=", "+", "@")) or (cell.startswith("-") and cell != "-") for cell in cells)
    found = read_scores(path)
    assert sorted(found.ids) == sorted(ids) and found.classes == classes
    assert dict(zip(found.ids, found.labels, strict=True)) == dict(zip(ids, [*classes * 4, None], strict=True))
    write_regression(path, ["-a", "b"], [-0.5, None], [0.0, 1.0])
    assert path.read_text().splitlines()[1] == "'-a\t-0.5\t0.000000"
    assert read_predictions(path).ids == ["-a", "b"] and read_predictions(path).labels[0] == -0.5
