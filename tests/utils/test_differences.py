"""Where two plain values differ, by dotted key."""

from utils.differences import differences


def test_a_tuple_equals_a_json_list():
    assert list(differences({"a": [1, 2]}, {"a": (1, 2)})) == []


def test_keys_within_mappings_are_dotted_and_keys_of_the_found_alone_count_for_nothing():
    found = {"a": {"b": 1, "c": 2}, "old": 3}
    assert list(differences(found, {"a": {"b": 1, "c": 4}, "new": None})) == [("a.c", 2, 4)]
    assert list(differences({"a": 1}, {"a": {"b": 1}})) == [("a.b", None, 1)]
