"""Earlier names of configuration keys."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from utils import renamed
from utils.config import from_dict, load_config


@dataclass
class Inner:
    rate: float = 0.1


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    size: int = 1


@pytest.fixture(autouse=True)
def earlier_names(monkeypatch):
    monkeypatch.setattr(renamed, "KEYS", {"length": "size", "old": "inner", "inner.speed": "inner.rate"})


def test_a_key_and_a_group_of_keys_have_their_present_names():
    assert renamed.present_key("length") == "size"
    assert renamed.present_key("old.speed") == "inner.rate"
    assert renamed.renamed({"old": {"speed": 2.0}, "length": 3}) == {"inner": {"rate": 2.0}, "size": 3}


def test_a_stored_configuration_of_earlier_names_is_read_silently(capsys):
    found = from_dict(Outer, {"old": {"speed": 2.0}, "length": 3})
    assert (found.inner.rate, found.size) == (2.0, 3)
    assert capsys.readouterr().err == ""


def test_a_users_file_and_set_get_one_note_each(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("length: 3\n")
    found = load_config(Outer, str(path), ["old.rate=0.5"])
    assert (found.inner.rate, found.size) == (0.5, 3)
    notes = capsys.readouterr().err.splitlines()
    assert notes == [f"note: {path}: length is now called size",
                     "note: --set old.rate=0.5: old.rate is now called inner.rate"]


def test_every_earlier_name_is_gone_from_our_own_configurations():
    from utils.config import _flatten, read_yaml

    root = Path(__file__).parents[2]
    for path in [*root.glob("conf/*.yaml"), *root.glob("egs/*/*/conf/*.yaml")]:
        for key in _flatten(read_yaml(path)):
            assert renamed.present_key(key) == key, f"{path}: {key}"
