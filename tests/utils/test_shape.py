"""Values of a file against the form that they must have: the first that differs is named with its place."""

import math

import pytest

from utils.errors import DamagedFile
from utils.shape import NAME, Either, Maybe, Number, OneOf, check

FORM = {"name": str, "rate": float, "size": Number(1, 10, whole=True), "names": [NAME], "by": {NAME: {"x": Maybe(int)}},
        "how": OneOf("a", "b", 1), "late?": bool, "task": Either(int, {"mean": float})}
GOOD = {"name": "n", "rate": 1, "size": 3, "names": ["a b", "ä"], "by": {"k": {"x": None, "more": 1}}, "how": "a",
        "task": {"mean": 0.5}}


def test_what_fits_passes():
    check(GOOD, FORM, "f")
    check({**GOOD, "late": True, "task": 4, "by": {}, "names": []}, FORM, "f")


@pytest.mark.parametrize(("key", "value", "says"), [
    ("name", 3, "name is 3; expected text"),
    ("rate", math.nan, "rate is nan; expected a finite number"),
    ("rate", math.inf, "rate is inf; expected a finite number"),
    ("rate", True, "rate is True; expected a finite number"),
    ("rate", 10**400, "rate is a very large number; expected"),
    ("size", 11, "size is 11; expected a whole number from 1 to 10"),
    ("size", 2.5, "size is 2.5"),
    ("names", "ab", "names is 'ab'; expected a list, each entry a name without a directory"),
    ("names", ["a", "../x"], "names[1] is '../x'; expected a name without a directory"),
    ("names", ["a\x1b[2J"], r"names[0] is 'a\x1b[2J'"),
    ("by", {"../../x": {"x": 1}}, "by.../../x is '../../x'; expected a name without a directory as a key"),
    ("by", {"k": {}}, "f has no key by.k.x"),
    ("by", {"k": {"x": True}}, "by.k.x is True; expected a whole number"),
    ("by", {3: {"x": 1}}, "by.3 is 3"),
    ("how", True, "how is True; expected 'a' or 'b' or 1"),
    ("late", None, "late is null; expected true or false"),
    ("task", "x", "task is 'x'; expected a whole number or a mapping with mean"),
])
def test_what_does_not_is_named_with_its_place(key, value, says):
    with pytest.raises(DamagedFile) as raised:
        check({**GOOD, key: value}, FORM, "f", "do so")
    assert says in str(raised.value) and str(raised.value).startswith("f") and str(raised.value).endswith("; do so")


def test_a_value_of_another_kind_and_a_missing_key():
    with pytest.raises(DamagedFile, match=r"^f: it holds a list of 0; expected a mapping with name, rate"):
        check([], FORM, "f")
    with pytest.raises(DamagedFile, match=r"^f has no key rate$"):
        check({"name": "n"}, FORM, "f")
