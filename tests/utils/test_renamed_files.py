"""Files that an earlier version wrote are read under their earlier names."""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file

from steps.training import checkpoint
from utils.files import read_json
from utils.renamed import FILES, present_content, present_path, present_tensors


def test_the_earlier_file_is_taken_only_where_the_present_one_is_missing(tmp_path):
    for present, earlier in FILES.items():
        assert present_path(tmp_path / present) == tmp_path / present
        (tmp_path / earlier).write_text("earlier")
        assert present_path(tmp_path / present) == tmp_path / earlier
        (tmp_path / present).write_text("present")
        assert present_path(tmp_path / present) == tmp_path / present


def test_other_files_keep_their_names(tmp_path):
    (tmp_path / "model.yaml").write_text("")
    assert present_path(tmp_path / "model.yaml") == tmp_path / "model.yaml"
    assert present_path(tmp_path / "nothing") == tmp_path / "nothing"


def test_keys_and_extractors_of_earlier_files_get_their_present_names(tmp_path):
    (tmp_path / "feature.json").write_text(json.dumps(
        {"options": {"extractor": "given_vectors"}, "parts": [{"recogniser": "a1"}], "note": "given"}))
    assert read_json(tmp_path / "feature.json") == {
        "options": {"extractor": "precomputed_vectors"}, "parts": [{"recognizer": "a1"}], "note": "given"}
    assert present_content({"optimiser": {"extractor": 3}}) == {"optimizer": {"extractor": 3}}


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path):
    checkpoint.save(tmp_path / "checkpoint", {"optimizer": {}}, {"optimiser": {"a": torch.ones(2)}})
    assert torch.equal(checkpoint.load_tensors(tmp_path / "checkpoint", "optimizer")["a"], torch.ones(2))


def test_tensors_of_an_earlier_version_have_their_present_names(tmp_path):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("std", torch.ones(2))

    save_file({"mean": torch.tensor([1.0, 2.0]), "deviation": torch.tensor([3.0, 4.0])}, tmp_path / "w.safetensors")
    assert checkpoint.load_module(Scaled, tmp_path / "w.safetensors").std.tolist() == [3.0, 4.0]
    assert present_tensors({"trunk.hidden_deviation": 1, "deviations": 2}) == {"trunk.hidden_std": 1, "deviations": 2}
