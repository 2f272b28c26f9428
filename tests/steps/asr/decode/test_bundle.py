"""One directory of a recognizer and its parts."""

import json

import numpy as np
import pytest

from steps.asr.config import AsrConfig
from steps.asr.decode import bundle
from steps.asr.model import CtcModel
from steps.asr.recognizers.recognizer import open_recognizer, save_recognizer
from steps.models.conformer import ConformerConfig
from tests.steps.asr.toy_speech import BINS, toy_units
from utils.errors import run_main

CONFIG = AsrConfig(model=ConformerConfig(dim=16, layers=1, heads=2, kernel=5, channels=4))


def recognizer(directory):
    save_recognizer(directory, CtcModel(BINS, len(toy_units()), CONFIG.model).state_dict(), CONFIG, toy_units(),
                    {"features": "fbank", "inputs": BINS, "trained_on": []})
    (directory / "checkpoint").mkdir()
    (directory / "checkpoint" / "state.json").write_text("{}")
    return directory


def test_the_directory_works_alone_and_leaves_the_checkpoint_behind(tmp_path):
    whole = recognizer(tmp_path / "asr")
    assert run_main(bundle.main, ["--asr", str(whole), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.yaml", "model.safetensors",
                                                                         "recognizer.json", "units"]
    rows = np.random.default_rng(0).normal(size=(50, BINS)).astype(np.float32)
    one, two = (open_recognizer(path).log_posteriors([rows])[0] for path in (whole, tmp_path / "out"))
    np.testing.assert_array_equal(one, two)


def test_a_head_of_another_recognizer_is_refused(tmp_path, capsys):
    whole, head = recognizer(tmp_path / "asr"), tmp_path / "head"
    head.mkdir()
    (head / "phone_states.json").write_text(json.dumps({"recognizer": "another"}))
    assert run_main(bundle.main, ["--asr", str(whole), "--phone-states", str(head), str(tmp_path / "out")]) == 1
    assert "was trained with recognizer another" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--graph", "--phone-states"])
def test_an_empty_part_is_told(tmp_path, capsys, option):
    (tmp_path / "empty").mkdir()
    code = run_main(bundle.main, ["--asr", str(recognizer(tmp_path / "asr")), option, str(tmp_path / "empty"),
                                    str(tmp_path / "out")])
    assert code == 2 and ".json is missing" in capsys.readouterr().err
