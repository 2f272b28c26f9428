"""Two configurations are compared key by key."""

import dataclasses

import pytest

from steps.models.config import ConformerConfig
from steps.training.config import TrainingConfig, first_difference, identity, refuse
from utils.errors import UsageError


def test_the_first_difference_is_named_with_both_values():
    assert first_difference({"a": {"b": 1, "c": [1, 2]}}, {"a": {"b": 1, "c": [1, 3]}}) == ("a.c", [1, 2], [1, 3])
    assert first_difference({"a": 1}, {"a": 1, "b": 2}) == ("b", None, 2)
    assert first_difference({"a": 1, "b": 2}, {"a": 1}) == ("b", 2, None)
    assert first_difference({"a": [1.0, 2]}, {"a": (1, 2)}) is None


def test_what_changes_no_score_is_no_part_of_the_identity():
    one, two = TrainingConfig(checkpoint_every_seconds=1), TrainingConfig(checkpoint_every_seconds=2, tensorboard=False)
    assert identity(one, "training") == identity(two, "training")
    assert identity(TrainingConfig(epochs=3)) != identity(TrainingConfig(epochs=4))
    assert identity({"training": {"tensorboard": True, "epochs": 2}}) == {"training": {"epochs": 2}}


def test_keys_are_left_out_by_their_whole_name():
    options = {"targets": "labels", "tensorboard": True, "encoder": {}, "keep_model": True}
    assert identity({"corpus": options, "model": {"frames": options}}) == {"corpus": options,
                                                                           "model": {"frames": options}}
    assert identity({"training": {"targets": "labels"}, "model": {"encoder": {}}, "keep_model": False}) == {
        "training": {}, "model": {}}
    assert identity({"training": {"targets": "votes"}}) == {"training": {"targets": "votes"}}


def test_the_sizes_of_an_encoder_that_are_defaults_are_no_part_of_the_identity():
    partial = {"model": {"encoder": {"dim": 16, "heads": 4}, "width": 1.0}}  # as an earlier version stored them
    whole = {"model": {"encoder": dataclasses.asdict(ConformerConfig(dim=16)), "width": 1.0}}
    assert identity(partial) == identity(whole) == {"model": {"encoder": {"dim": 16}, "width": 1.0}}
    nothing = [{}, None, dataclasses.asdict(ConformerConfig())]
    assert all(identity({"model": {"encoder": value}}) == {"model": {}} for value in nothing)


def test_a_task_holds_its_configuration_below_config():
    task = {"fold": 1, "config": {"keep_model": True, "training": {"per_unit": 0, "epochs": 2}}}
    assert identity(task) == {"fold": 1, "config": {"training": {"epochs": 2}}}


def test_refusal_names_key_and_values(tmp_path):
    with pytest.raises(UsageError, match=r"training\.epochs = 3, now training\.epochs = 4"):
        refuse({"training": {"epochs": 3}}, {"training": {"epochs": 4}}, tmp_path)


def test_what_was_made_under_an_earlier_name_of_a_key_is_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("utils.renamed.KEYS", {"C": "C", "training.optimizer": "training.optimizer"})
    before = {"fold": 1, "config": {"C": [1.0], "training": {"optimizer": {"kind": "sgd"}}}}
    now = {"fold": 1, "config": {"C": [1.0], "training": {"optimizer": {"kind": "sgd"}}}}
    refuse(before, now, tmp_path)
    assert identity(before) == now
