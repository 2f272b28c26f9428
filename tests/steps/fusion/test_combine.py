"""A fusion is a weighted sum, its file holds all of it, and what does not fit is one line."""

import json

import numpy as np
import pytest

from steps.fusion.combine import Fusion
from utils.errors import UserError

CLASSES = ("angry", "calm", "sad")


def made(how="logistic", weights=(0.7, 0.3), biases=(0.5, 0.0, -0.5), temperature=1.5):
    return Fusion(how, (("svm", "norm-global"), ("text", "asr-text")), CLASSES, np.array(weights), np.array(biases),
                  temperature, {"strength": 25.0})


def scores(items=20, seed=0):
    rng = np.random.default_rng(seed)
    return {name: np.log(rng.dirichlet(np.ones(3), size=items)) for name in ("svm", "text", "other")}


def test_the_sum_is_that_of_a_loop():
    tables, fusion = scores(), made()
    found = fusion.log_posteriors(tables)
    for n in range(20):
        z = [(0.7 * tables["svm"][n, c] + 0.3 * tables["text"][n, c] + fusion.biases[c]) / 1.5 for c in range(3)]
        expected = np.exp(z) / sum(np.exp(z))
        assert np.exp(found[n]) == pytest.approx(expected, abs=1e-5)


def test_posteriors_sum_to_one_above_the_floor():
    certain = np.log(np.array([[1 - 2e-6, 1e-6, 1e-6]]))
    found = np.exp(made(weights=(1.0, 1.0), temperature=0.1).log_posteriors({"svm": certain, "text": certain}))
    assert found.sum() == pytest.approx(1.0) and found.min() == pytest.approx(1e-6, rel=1e-3)


def test_a_saved_fusion_gives_the_same_bits(tmp_path):
    made().save(tmp_path)
    read = Fusion.load(tmp_path)
    assert np.array_equal(read.log_posteriors(scores()), made().log_posteriors(scores()))
    assert read.subsystems == made().subsystems and read.chosen == {"strength": 25.0} and read.how == "logistic"


def test_a_subsystem_that_is_missing_or_of_another_shape_is_named():
    tables = scores()
    with pytest.raises(UserError, match="needs the scores of text too"):
        made().log_posteriors({"svm": tables["svm"]})
    with pytest.raises(UserError, match="scores of text have the shape"):
        made().log_posteriors(tables | {"text": tables["text"][:, :2]})
    with pytest.raises(UserError, match="scores of text have the shape"):
        made().log_posteriors(tables | {"text": tables["text"][:3]})


def test_a_file_that_is_no_fusion_is_told(tmp_path):
    with pytest.raises(UserError, match="model.json does not exist"):
        Fusion.load(tmp_path)
    made().save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**content, "weights": [1.0]}))
    with pytest.raises(UserError, match="2 subsystems and 3 classes, but weights"):
        Fusion.load(tmp_path)
    (tmp_path / "model.json").write_text('{"how": "equal"}')
    with pytest.raises(UserError, match="model.json has no key subsystems; run steps/fuse"):
        Fusion.load(tmp_path)
