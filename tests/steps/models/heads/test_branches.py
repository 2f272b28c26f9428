"""Branches of a network: numbers beside classes, distributions in place of classes."""

import math

import numpy as np
import pytest
import torch

from steps.models.heads.branches import TaskBranches, balanced_weights

SCALE = {"mean": 40.0, "std": 8.0}


def heads(**outputs):
    torch.manual_seed(0)
    return TaskBranches(5, outputs, [6], {task: 0.5 for task in outputs})


def test_a_number_is_one_output_and_its_error_is_squared_in_deviations():
    branches = heads(age=SCALE)
    logits = branches(torch.randn(4, 5))
    assert logits["age"].shape == (4, 1)
    age = torch.tensor([32.0, math.nan, 56.0, 40.0])
    losses = branches.loss(logits, {"age": age})
    output = logits["age"][:, 0].tolist()
    by_hand = sum((output[n] - (age[n].item() - 40) / 8) ** 2 for n in (0, 2, 3)) / 4
    assert losses["loss_age"].item() == pytest.approx(by_hand, rel=1e-6)
    assert losses["loss"].item() == pytest.approx(0.5 * by_hand, rel=1e-6)


def test_an_item_without_a_number_gives_no_gradient():
    branches = heads(age=SCALE)
    shared = torch.randn(3, 5, requires_grad=True)
    branches.loss(branches(shared), {"age": torch.tensor([50.0, math.nan, 30.0])})["loss"].backward()
    assert torch.isfinite(shared.grad).all()
    assert shared.grad[1].abs().sum() == 0 < shared.grad[0].abs().sum()


def test_numbers_are_given_in_their_own_unit():
    found = heads(age=SCALE).numbers("age", torch.tensor([[0.0], [1.0], [-2.5]]))
    assert found.tolist() == [40.0, 48.0, 20.0]


def test_a_distribution_is_learned_by_cross_entropy():
    branches = heads(emotion=3)
    logits = branches(torch.randn(3, 5))
    shares = np.array([[0.75, 0.25, 0], [0, 0, 1], [0, 0, 0]], dtype=np.float32)
    losses = branches.loss(logits, {"emotion": torch.from_numpy(shares)})
    scores = logits["emotion"].detach().double().numpy()
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert losses["loss_emotion"].item() == pytest.approx(-(shares * logp).sum() / 3, rel=1e-5)


def test_a_one_hot_distribution_is_the_class():
    weights = {"emotion": torch.tensor([0.5, 2.0, 1.0])}
    torch.manual_seed(0)
    branches = TaskBranches(5, {"emotion": 3}, [], {"emotion": 1.0}, class_weights=weights)
    logits, labels = branches(torch.randn(4, 5)), torch.tensor([2, 0, 1, 1])
    found = [branches.loss(logits, {"emotion": target})["loss"].item()
             for target in (labels, torch.nn.functional.one_hot(labels, 3).float())]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_balanced_weights_of_distributions_count_shares():
    shares = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0], [1, 0, 0]])
    assert balanced_weights(shares, 3).tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1), 0])
