"""Layers: fields beside a data set, written whole, of its own utterances alone."""

import json
import os
import signal
import subprocess
import sys

import pytest

from steps.data.dataset import Dataset
from steps.data.layers import layer_path, layers_of, write_layer
from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
from utils.errors import UserError
from utils.files import ROOT


@pytest.fixture
def data(tmp_path):
    rows = utterances(2, 1)
    return Dataset.open(write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 2)}))


def add(data, name="asr", fields=("asr_text",), **rows):
    rows = rows or {key: {fields[0]: f"text of {key}"} for key in data.items}
    return write_layer(data.path, name, fields, data.items, rows, {})


def test_utterances_have_the_fields_of_the_layers_that_are_named(data):
    first = next(iter(data.items))
    add(data)
    add(data, "face", ("asr_confidence",), **{first: {"asr_confidence": 0.5}})
    assert layers_of(data.path) == ["asr", "face"]
    assert "asr_text" not in Dataset.open(data.path).items[first].fields
    both = Dataset.open(data.path, layers=("asr", "face")).items
    assert both[first].fields["asr_text"] == f"text of {first}" and both[first].fields["asr_confidence"] == 0.5
    assert [key for key, item in both.items() if "asr_confidence" in item.fields] == [first]


def test_what_does_not_fit_is_one_line(data):
    for rows, fields, message in (
            ({"nobody": {"asr_text": "a"}}, ("asr_text",), "'nobody' is no utterance"),
            ({}, ("asr_txt",), "did you mean asr_text"), ({}, ("speaker",), "belongs to the data")):
        with pytest.raises(UserError, match=message):
            write_layer(data.path, "asr", fields, data.items, rows, {})
    with pytest.raises(UserError, match="asr_confidence is 2; accepted: float, 0 to 1"):
        add(data, "asr", ("asr_confidence",), **{next(iter(data.items)): {"asr_confidence": 2}})
    with pytest.raises(UserError, match="has no layer 'asr'; it has none"):
        assert Dataset.open(data.path, layers=("asr",)).items


def test_two_layers_with_one_field_are_refused(data):
    add(data)
    add(data, "other")
    with pytest.raises(UserError, match="the layers asr and other both have the field asr_text"):
        assert Dataset.open(data.path, layers=("asr", "other")).items


def test_a_layer_of_other_recordings_is_refused(data, tmp_path):
    add(data)
    rows = utterances(2, 1)
    rows[0]["duration"] = 7.5
    changed = write_data(tmp_path / "changed", rows, {"folds": folds_by_speaker(rows, 2)})
    (changed / "layers").mkdir()
    os.rename(layer_path(data.path, "asr"), layer_path(changed, "asr"))
    with pytest.raises(UserError, match="is of other utterances or recordings than"):
        assert Dataset.open(changed, layers=("asr",)).items


def test_a_layer_of_other_audio_is_refused_where_validation_hashed_both(data):
    hashes = data.path / "audio_hashes.tsv"
    hashes.unlink(missing_ok=True)
    add(data)  # before validation
    hashes.write_text("id\tsha256\n")
    assert Dataset.open(data.path, layers=("asr",)).items
    add(data)
    hashes.write_text("id\tsha256\ns00-0-0\tab\n")
    with pytest.raises(UserError, match="is of other audio than .* has now"):
        assert Dataset.open(data.path, layers=("asr",)).items


def test_a_data_set_that_is_derived_anew_has_no_layers_of_its_earlier_audio(data, tmp_path):
    from steps.data.derived import read_cuts, write_derived

    for _ in range(2):
        write_derived(data, tmp_path / "noisy", data.info, read_cuts(data))
        noisy = Dataset.open(tmp_path / "noisy")
        assert layers_of(noisy.path) == []
        add(noisy)


def test_a_damaged_layer_is_one_line(data):
    add(data)
    path = layer_path(data.path, "asr") / "fields.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="fields.jsonl.gz is damaged"):
        assert Dataset.open(data.path, layers=("asr",)).items


@pytest.mark.parametrize("window", ["trained_on.json", "fields.jsonl.gz", "layer.json"])
def test_a_layer_that_was_killed_while_it_was_written_is_not_there(data, tmp_path, window):
    add(data)
    code = ("import sys; from steps.data.dataset import Dataset; from steps.data.layers import write_layer; "
            "data = Dataset.open(sys.argv[1]); write_layer(data.path, 'asr', ('asr_text',), data.items, {}, {}, "
            "trained_on=[{'corpus': 'speech'}])")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EMOTION_FAULT": f"asr/{window}",
                   "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    done = subprocess.run([sys.executable, "-c", code, str(data.path)], env=environment)
    assert done.returncode == -signal.SIGKILL and layers_of(data.path) == []
    add(data)
    assert json.loads((layer_path(data.path, "asr") / "layer.json").read_text())["fields"] == ["asr_text"]
