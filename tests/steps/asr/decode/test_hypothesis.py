"""Tables come back as they were; confidences are the shares of the list that agree."""

import math

import pytest

from steps.asr.decode.hypothesis import (
    Hypothesis,
    calibrated,
    matches,
    read_hypotheses,
    with_confidences,
    write_hypotheses,
)
from utils.errors import UserError


def test_a_table_comes_back(tmp_path):
    best = Hypothesis(("it's", "我", "们", "ok"), -0.25, ((0.0, 0.12), (0.2, 0.4), (0.4, 0.6), (0.7, 1.0)),
                      (0.9, 0.5, 0.25, 1.0))
    found = {"b": [best, Hypothesis(("it's",), -2.0)], "a": [], "c": [Hypothesis()]}
    write_hypotheses(tmp_path / "h.tsv", found)
    again = read_hypotheses(tmp_path / "h.tsv")
    assert list(again) == ["a", "b", "c"] and again["a"] == [] and again["c"] == [Hypothesis()]
    assert again["b"][0] == best and (again["b"][1].words, again["b"][1].log_posterior) == (("it's",), -2.0)
    lines = (tmp_path / "h.tsv").read_text().splitlines()
    assert lines[0] == "id\ttext\tconfidence\twords\tnbest"
    assert lines[2].split("\t")[1:3] == ["it's 我们 ok", "0.662500"]


def test_nothing_has_no_confidence():
    assert Hypothesis().confidence == 0 and Hypothesis().text == ""


def test_a_damaged_table_names_file_and_line(tmp_path):
    path = tmp_path / "h.tsv"
    with pytest.raises(UserError, match="does not exist"):
        read_hypotheses(path)
    write_hypotheses(path, {"a": [Hypothesis(("x",), -1.0, ((0, 1),), (0.5,))]})
    whole = path.read_text()
    path.write_text(whole.replace("[[", "[", 1))
    with pytest.raises(UserError, match="line 2"):
        read_hypotheses(path)
    path.write_text(whole[:-5])
    with pytest.raises(UserError, match="whole lines"):
        read_hypotheses(path)


def test_a_word_is_as_sure_as_the_list_that_agrees():
    masses = {("a", "b", "c"): 0.5, ("a", "c"): 0.2, ("x", "a", "b", "d"): 0.1}
    found = with_confidences([Hypothesis(words, math.log(mass)) for words, mass in masses.items()])
    assert found[0].confidences == pytest.approx((1.0, 0.6 / 0.8, 0.7 / 0.8))
    assert found[1].confidences == pytest.approx((1.0, 0.7 / 0.8))
    assert found[2].confidences == pytest.approx((0.1 / 0.8, 1.0, 0.6 / 0.8, 0.1 / 0.8))


def test_places_that_agree():
    assert matches("abcd", "abd") == [0, 1, 3]
    assert matches("aab", "ab") in ([0, 2], [1, 2])
    assert matches("", "ab") == [] and matches("ab", "") == [] and matches("ab", "xy") == []


def test_calibration_is_platt_s():
    assert calibrated(0.3, ()) == 0.3
    assert calibrated(0.3, (1.0, 0.0)) == pytest.approx(0.3)
    assert calibrated(0.8, (0.5, -0.2)) == pytest.approx(1 / (1 + math.exp(-(0.5 * math.log(4) - 0.2))))
    assert 0 < calibrated(0.0, (2.0, 0.0)) < calibrated(1.0, (2.0, 0.0)) < 1
    sure = with_confidences([Hypothesis(("a",), 0.0)], (1.0, -1.0))[0].confidences[0]
    assert sure == pytest.approx(1 / (1 + math.exp(-(math.log((1 - 1e-6) / 1e-6) - 1))))
