"""A model that learned from features that came with a corpus: exported with the extractor that makes the same."""

import json
import shutil

import pytest

from steps.features.registry import create
from steps.inference import export
from steps.inference.model import EmotionModel
from tests.integration.box import tone
from tests.lab import run, train
from utils.files import write_json

NETWORK = ("keep_model=true model.width=0.02 training.epochs=1 training.tensorboard=false refit=false "
           "frames.max_crop=32")


@pytest.fixture(scope="module")
def given(lab, tmp_path_factory):
    """The laboratory's spectrograms as if they had come with it, and a network trained on them."""
    root = tmp_path_factory.mktemp("precomputed")
    data, exp = root / "data" / "lab", root / "exp"
    shutil.copytree(lab.data, data)
    from steps.features import extract

    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert run(extract.main, "--features", "fbank_lssed", data, "--set", "num_mel_bins=32", *step) == 0
    (data / "fbank_lssed").rename(data / "precomputed")
    described = json.loads((data / "precomputed/feature.json").read_text())
    write_json(data / "precomputed/feature.json", described | {
        "name": "precomputed", "version": "numpy 2", "options": {"extractor": "precomputed", "directory": None}})
    train(data, exp, "pyresnet", "pyresnet", NETWORK, "precomputed", "global")
    return data, exp / "pyresnet" / "official" / "norm-global"


def test_without_a_word_of_whose_features_it_is_refused(given, tmp_path, capsys):
    data, experiment = given
    assert run(export.main, "--data", data, experiment, tmp_path / "model") == 2
    assert "was given, not computed here" in (told := capsys.readouterr().err) and "--precomputed-as NAME" in told


def test_features_of_another_width_are_refused(given, tmp_path, capsys):
    data, experiment = given
    words = ("--data", data, "--precomputed-as", "fbank_lssed", experiment, tmp_path / "model")
    assert run(export.main, *words) == 2
    assert "--precomputed-as fbank_lssed makes 128 columns, frames" in capsys.readouterr().err


def test_a_stand_in_for_features_that_were_not_given_is_refused(lab, tmp_path, capsys):
    words = ("--data", lab.data, "--precomputed-as", "fbank_lssed", lab.exp / "svm_is10/official/norm-global")
    assert run(export.main, *words, tmp_path / "model") == 2
    assert "--precomputed-as fbank_lssed: nothing in svm_is10/" in capsys.readouterr().err


def test_the_model_hears_by_the_extractor_that_was_named(given, tmp_path, monkeypatch):
    from steps.features import registry

    data, experiment = given
    extractor = create("fbank_lssed", ["num_mel_bins=32"])
    make = registry.create
    with monkeypatch.context() as patch:
        patch.setattr(registry, "create",
                      lambda name, words=(): extractor if name == "fbank_lssed" else make(name, words))
        assert run(export.main, "--data", data, "--precomputed-as", "fbank_lssed", experiment, tmp_path / "model") == 0
    model = EmotionModel.open(tmp_path / "model")
    assert model.graph.nodes["precomputed"].about["options"]["gain"] == 2.0
    record = model.classify(tone(tmp_path / "a.wav", 3, seconds=0.4))
    assert set(record["posteriors"]) == {"glad", "sad"} and "prior" not in record
