"""A kind of node is a class and a line in the table; the exporter and the model need no more."""

import numpy as np
import pytest
import yaml

from steps.inference import export
from steps.inference.kinds import KINDS
from steps.inference.model import EmotionModel
from steps.inference.nodes.features import Features
from tests.lab import PROTOCOL, run


class Doubled(Features):
    """Features, twice as large."""

    def compute(self, *inputs):
        rows = super().compute(*inputs)
        return 2 * rows if isinstance(rows, np.ndarray) else rows


@pytest.fixture
def plain(exported):
    """The model without the new kind: it is made before the table has it."""
    return EmotionModel.open(exported("svm_is10"))


@pytest.fixture
def doubled(plain):
    others = dict(KINDS)
    KINDS.clear()
    KINDS.update({"doubled": f"{__name__}:Doubled"} | others)
    yield
    KINDS.clear()
    KINDS.update(others)


def test_a_new_kind_is_exported_and_used(lab, plain, tmp_path, doubled):
    assert run(export.main, lab.exp / "svm_is10" / PROTOCOL / "norm-global", tmp_path / "model") == 0
    nodes = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())["nodes"]
    assert [node["kind"] for node in nodes] == ["doubled", "subsystem"]
    item, model = lab.items[1], EmotionModel.open(tmp_path / "model")
    rows = 2 * plain.hear(item.path).values["is10"]
    assert np.array_equal(model.hear(item.path).values["is10"], rows)
    logp = plain.graph.nodes["svm_is10"].experiment.log_posteriors([item], [rows])
    assert list(model.classify(item.path)["posteriors"].values()) == np.exp(logp[0]).tolist()
