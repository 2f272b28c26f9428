"""Checkpoints come back bit by bit and are whole or not there."""

import json

import pytest
import torch

from steps.training import checkpoint
from utils.errors import UserError


def trained(kind):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True) if kind == "adamw" \
        else torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_round_trip_is_bit_identical_and_training_goes_on_the_same(kind, tmp_path):
    model, optimizer = trained(kind)
    tensors, values = checkpoint.split_optimizer(optimizer)
    checkpoint.save(tmp_path / "checkpoint", {"epoch": 3, "loss": 0.1 + 0.2, "optimizer": values},
                    {"model": model.state_dict(), "optimizer": tensors})
    state = checkpoint.load_state(tmp_path / "checkpoint")
    assert state["loss"] == 0.1 + 0.2
    other, other_optimizer = trained(kind)
    for parameter in other.parameters():
        parameter.data.zero_()
    other.load_state_dict(checkpoint.load_tensors(tmp_path / "checkpoint", "model"))
    checkpoint.join_optimizer(other_optimizer, checkpoint.load_tensors(tmp_path / "checkpoint", "optimizer"),
                              state["optimizer"])
    x = torch.randn(8, 3)
    for net, opt in ((model, optimizer), (other, other_optimizer)):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
    for (name, one), (_, two) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def test_only_safetensors_and_json(tmp_path):
    model, optimizer = trained("adamw")
    tensors, values = checkpoint.split_optimizer(optimizer)
    checkpoint.save(tmp_path / "checkpoint", {"optimizer": values}, {"model": model.state_dict(), "optimizer": tensors})
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["model.safetensors", "optimizer.safetensors", "state.json"]
    json.loads((tmp_path / "checkpoint" / "state.json").read_text())


def test_an_unchanged_file_is_linked_and_survives_the_old_directory(tmp_path):
    directory = tmp_path / "checkpoint"
    checkpoint.save(directory, {"n": 1}, {"best": {"w": torch.ones(3)}})
    inode = (directory / "best.safetensors").stat().st_ino
    checkpoint.save(directory, {"n": 2}, {}, ("best",))
    assert (directory / "best.safetensors").stat().st_ino == inode
    assert torch.equal(checkpoint.load_tensors(directory, "best")["w"], torch.ones(3))


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    directory = tmp_path / "checkpoint"
    checkpoint.save(directory, {"n": 1}, {})
    with pytest.raises(TypeError):
        checkpoint.save(directory, {"n": object()}, {"model": {"w": torch.ones(3)}})
    assert checkpoint.load_state(directory) == {"n": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_directory_killed_between_two_renames_is_mended(tmp_path):
    directory = tmp_path / "checkpoint"
    checkpoint.save(directory, {"n": 1}, {})
    directory.rename(tmp_path / "checkpoint.previous")
    assert checkpoint.load_state(directory) == {"n": 1}


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load_state(tmp_path / "nothing" / "here") is None


def test_damage_is_named(tmp_path):
    directory = tmp_path / "checkpoint"
    checkpoint.save(directory, {"n": 1}, {"model": {"w": torch.ones(100)}})
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        checkpoint.load_tensors(directory, "model")
    (directory / "state.json").write_text('{"n": ')
    with pytest.raises(UserError, match=r"state\.json, line 1: no valid JSON"):
        checkpoint.load_state(directory)
