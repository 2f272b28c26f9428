"""The reader: light to import, and clear about what is not there."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from steps.data.dataset import Dataset
from utils.corpus import Target
from utils.errors import UserError


def test_opening_a_data_set_imports_nothing_heavy():
    code = ("import sys, steps.data.dataset, steps.data.prepare, steps.data.validate\n"
            "print([m for m in ('torch', 'lhotse', 'numpy', 'scipy', 'soundfile') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_damaged_data_set_says_what_to_do(tmp_path):
    (tmp_path / "corpus.json").write_text('{"name": "x", "targets": []}')
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"cuts\.jsonl\.gz is damaged .* run steps/prepare_data.sh again"):
        _ = Dataset.open(tmp_path).items
    with pytest.raises(UserError, match="has no protocol 'x'; it has none"):
        Dataset.open(tmp_path).split("x")


def test_a_data_set_of_the_earlier_form_is_read(tmp_path):
    (tmp_path / "corpus.json").write_text(json.dumps({
        "name": "x", "task": "classification", "unit": "session", "label": "depression", "classes": ["no", "yes"],
        "positive": "yes", "numbers": {"phq8": 10}}))
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"")
    data = Dataset.open(tmp_path)
    assert data.targets == (Target("depression", "class", ("no", "yes"), "yes", of="session"),
                            Target("phq8", "number", threshold=10, of="session"))
    assert data.target() is data.target("depression")
    with pytest.raises(UserError, match="has no target age to predict; it has depression, phq8"):
        data.target("age")


def test_a_recognizer_needs_no_target(tmp_path):
    (tmp_path / "corpus.json").write_text(
        '{"name": "x", "task": "transcription", "unit": "utterance", "label": "text", "classes": []}')
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"")
    data = Dataset.open(tmp_path)
    assert data.targets == () and data.learned == "text"
    with pytest.raises(UserError, match="has no target to predict; its corpus module declares none"):
        data.target()


def test_groups_are_in_order_of_turn(toy):
    data = Dataset.open(toy)
    turns = {"s0-02": 3, "s0-01": 1, "s0-05": 2}
    for key, turn in turns.items():
        data.items[key] = replace(data.items[key], turn=turn, fields={"dialogue": "d"})
    assert data.groups("dialogue") == {"d": ["s0-01", "s0-05", "s0-02"]}
    assert data.groups("utterance")["s1-01"] == ["s1-01"] and data.group_of("s0-02", "dialogue") == "d"
