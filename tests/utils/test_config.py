"""Configuration: what YAML may not say, and ranges."""

from dataclasses import dataclass

import pytest

from utils.config import from_dict, has_key, load_config, option, parse_scalar, read_yaml, split_settings
from utils.errors import UsageError


@dataclass
class Toy:
    rate: float = option(0.1, min=0.0, max=1.0)
    weights: dict[str, float] = option({"a": 1.0}, min=0.0)
    widths: list[int] = option([4], min=1)


def test_a_key_that_comes_twice_is_no_yaml(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("a: 1\nb: {x: 1, y: 2}\nc: {x: 1, z: 1, x: 2}\n")
    with pytest.raises(UsageError, match="c.yaml:3: not valid YAML: the key x comes twice"):
        read_yaml(path)
    path.write_text("base: &base {x: 1, y: 2}\nown: {<<: *base, x: 3}\n1: one\n")
    assert read_yaml(path)["own"] == {"x": 3, "y": 2}
    with pytest.raises(UsageError, match="cannot read the value"):
        parse_scalar("{a: 1, a: 2}")


def test_a_file_in_another_encoding_is_named(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"a: caf\xe9\n")
    with pytest.raises(UsageError, match="c.yaml, line 1: not UTF-8 .* at byte 6"):
        read_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize(("values", "says"), [
    ({"rate": 1.5}, "rate is 1.5; accepted: 0.0 to 1.0"), ({"rate": float("nan")}, "rate is nan; accepted"),
    ({"weights": {"a": 1, "b": -1}}, "weights is -1.0; accepted: at least 0.0"), ({"widths": [4, 0]}, "widths is 0")])
def test_a_value_out_of_range_is_told(values, says):
    with pytest.raises(UsageError, match=says):
        from_dict(Toy, values)


def test_values_in_range_are_taken():
    found = from_dict(Toy, {"rate": 1, "weights": {"a": 0, "b": 2}, "widths": [1, 2]})
    assert found == Toy(1.0, {"a": 0.0, "b": 2.0}, [1, 2])


@pytest.mark.parametrize(("text", "words"), [
    ("a=1 b:c=x", ["a=1", "b:c=x"]), ("a={b: 1, c: 2} d=[1, 2] e=3", ["a={b: 1, c: 2}", "d=[1, 2]", "e=3"]),
    ("'a={b: 1}' c=2", ["a={b: 1}", "c=2"]), ("a={b: [1, 2], c: {d: 3}} e=4", ["a={b: [1, 2], c: {d: 3}}", "e=4"]),
    ("", [])])
def test_spaces_between_brackets_belong_to_the_value(text, words):
    assert split_settings(text) == words


def test_a_quotation_mark_that_is_not_closed_is_told():
    with pytest.raises(UsageError, match="--set a='b c: no closing quotation"):
        split_settings("a='b c")


def test_the_group_tiny_counts_where_the_size_is_given_alone(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("rate: 0.5\ntiny: {rate: 0.2, weights: {a: 2.0}}\n")
    assert load_config(Toy, str(path)) == Toy(rate=0.5)
    assert load_config(Toy, str(path), ["size=tiny"]) == Toy(rate=0.2, weights={"a": 2.0})
    assert load_config(Toy, str(path), ["rate=0.3", "size=tiny", "weights.a=3.0"]) == Toy(rate=0.2, weights={"a": 3.0})
    path.write_text("tiny: 3\n")
    with pytest.raises(UsageError, match="c.yaml: tiny is 3; expected a group of keys"):
        load_config(Toy, str(path))


def test_a_mistake_in_the_group_tiny_names_it(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("tiny: {rat: 0.2}\n")
    with pytest.raises(UsageError, match="c.yaml: tiny: unknown key rat; did you mean rate"):
        load_config(Toy, str(path), ["size=tiny"])


def test_a_key_of_a_configuration_may_lie_in_a_group():
    @dataclass
    class Outer:
        inner: Toy | None = None

    assert has_key(Outer, "inner.rate") and has_key(Outer, "inner") and has_key(Toy, "weights.a")
    assert not has_key(Outer, "rate") and not has_key(Outer, "inner.rat")
