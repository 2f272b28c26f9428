"""The weights of decoding are chosen on dev, stored with the graph, and taken from there."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from steps.asr.decode import decode_task, tune_decoding
from steps.asr.decode.graph import Graph
from steps.asr.decode.make_graph import build
from steps.features.store import ArchiveWriter
from tests.steps.asr.decode.test_graph import ARPA, SPELLINGS, UNITS
from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
from utils.errors import UserError
from utils.files import write_json


class Hesitant:
    """The blank of this recognizer hides the second unit; a penalty of the blank uncovers it."""

    units, frame_shift, fingerprint = UNITS, 0.04, "abc"
    extractor = SimpleNamespace(name="fbank", kind="frames", dim=5, options={})

    def log_posteriors(self, features):
        return [np.asarray(rows) for rows in features]


def frames():
    """The units of "a" and "b", the latter behind a blank that is e^4 times as likely."""
    rows = np.full((4, 5), -12.0)
    rows[0, 2] = rows[1, 0] = rows[3, 0] = 0.0
    rows[2, 4], rows[2, 0] = -4.0, 0.0
    return (rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "graph", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    rows = [{**row, "text": "a b"} for row in utterances(3, 1)]
    path = write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})
    with ArchiveWriter(path / "fbank", 1, 5) as writer:
        for row in sorted(rows, key=lambda row: row["id"]):
            writer.add(row["id"], frames())
        writer.commit()
    write_json(path / "fbank" / "feature.json", {"name": "fbank", "version": "1", "options": {}, "kind": "frames",
                                                 "dim": 5, "frame_shift": 0.01, "archives": 1})
    from steps.data.dataset import Dataset

    return Graph.open(tmp_path / "graph", UNITS), Dataset.open(path)


def test_the_setting_of_fewest_errors_is_kept_with_all_that_was_tried(parts):
    graph, data = parts
    assert {item.text for item in data.items.values()} == {"a b"}
    found = tune_decoding.tune(Hesitant(), graph, data, "folds", data.path / "fbank")
    rates = {(entry["lm_scale"], entry["blank_penalty"]): entry["WER"] for entry in found["tried"]}
    best = (found["chosen"]["lm_scale"], found["chosen"]["blank_penalty"])
    assert rates[best] == min(rates.values()) == found["dev_WER"]
    assert max(rates.values()) > min(rates.values())
    assert json.loads((graph.directory / "decoding.json").read_text())["chosen"] == found["chosen"]


def test_decoding_starts_from_what_was_chosen_and_set_has_the_last_word(parts, tmp_path, monkeypatch):
    graph, data = parts
    write_json(graph.directory / "decoding.json", {"chosen": {"lm_scale": 0.25, "blank_penalty": 1.5}})
    monkeypatch.setattr("steps.asr.recognizers.recognizer.open_recognizer", lambda *arguments: Hesitant())
    words = ["--asr", "asr", "--method", "graph", "--graph", str(graph.directory), "--prepare",
             str(data.path), str(tmp_path / "out")]
    config = decode_task.open_work(decode_task.parse(words)).config
    assert (config.lm_scale, config.blank_penalty) == (0.25, 1.5)
    config = decode_task.open_work(decode_task.parse([*words, "--set", "lm_scale=0.9"])).config
    assert (config.lm_scale, config.blank_penalty) == (0.9, 1.5)


def test_a_graph_that_nobody_tuned_changes_nothing(parts):
    assert tune_decoding.settings(parts[0].directory) == [] and tune_decoding.settings(None) == []


def test_a_damaged_choice_is_told(parts):
    (parts[0].directory / "decoding.json").write_text("{")
    with pytest.raises(UserError, match="decoding.json is damaged"):
        tune_decoding.settings(parts[0].directory)
