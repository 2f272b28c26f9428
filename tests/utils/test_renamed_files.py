"""Files that an earlier version wrote are read under their earlier names."""

from __future__ import annotations

import json

import torch

from steps.training import checkpoint
from utils.files import read_json
from utils.renamed import FILES, present_content, present_path


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
