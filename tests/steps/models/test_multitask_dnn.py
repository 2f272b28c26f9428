"""The multitask network: published shapes, gradients, masks and class weights."""

import math

import pytest
import torch

from steps.models.heads.branches import TaskBranches, balanced_weights
from steps.models.multitask_dnn import MultitaskDnn, MultitaskDnnConfig

SMALL = MultitaskDnnConfig(trunk=[16, 16], branch=[8])
CLASSES = {"emotion": 4, "speaker": 5, "gender": 2}


def test_published_sizes_on_is10():
    with torch.device("meta"):
        model = MultitaskDnn(1582, {"emotion": 8, "speaker": 16, "gender": 2}, MultitaskDnnConfig())
    # Counted by hand: trunk 1582-4096-4096, then per task 4096-1024-C.
    trunk = 1582 * 4096 + 4096 + 4096 * 4096 + 4096
    branches = sum(4096 * 1024 + 1024 + 1024 * c + c for c in (8, 16, 2))
    assert sum(p.numel() for p in model.parameters()) == trunk + branches == 35_877_914
    linear = [tuple(m.weight.shape) for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert linear[:2] == [(4096, 1582), (4096, 4096)]
    assert sorted(linear[2:]) == sorted([(1024, 4096)] * 3 + [(8, 1024), (16, 1024), (2, 1024)])
    assert model.heads.weights == {"emotion": 1.0, "speaker": 0.3, "gender": 0.6}


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = MultitaskDnn(6, CLASSES, SMALL)
    batch = {"x": torch.randn(32, 6), "targets": {task: torch.randint(0, c, (32,)) for task, c in CLASSES.items()}}
    model.loss(batch)["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_tasks_without_classes_are_left_out():
    model = MultitaskDnn(6, {"emotion": 4, "gender": 2}, SMALL)
    assert set(model(torch.randn(3, 6))) == {"emotion", "gender"}


def test_unlabelled_items_of_a_task_do_not_count():
    torch.manual_seed(1)
    model = MultitaskDnn(6, CLASSES, SMALL)
    x = torch.randn(3, 6)
    targets = {"emotion": torch.tensor([0, 3, 1]), "speaker": torch.tensor([-1, 2, -1]),
               "gender": torch.tensor([-1, -1, -1])}
    losses = model.loss({"x": x, "targets": targets})
    logits = model(x)
    speaker = -torch.log_softmax(logits["speaker"][1], 0)[2] / 3
    emotion = -sum(torch.log_softmax(logits["emotion"][i], 0)[c] for i, c in enumerate((0, 3, 1))) / 3
    assert losses["loss_gender"].item() == 0.0
    assert losses["loss_speaker"].item() == pytest.approx(speaker.item(), rel=1e-5)
    assert losses["loss"].item() == pytest.approx((emotion + 0.3 * speaker).item(), rel=1e-5)
    losses["loss"].backward()
    assert model.heads.branches["gender"][0].weight.grad.abs().sum() == 0


def test_dropout_and_noise_only_while_training():
    model = MultitaskDnn(6, CLASSES, MultitaskDnnConfig(trunk=[16], branch=[8], dropout=0.5, input_noise=0.5))
    x = torch.randn(4, 6)
    model.train()
    assert not torch.equal(model(x)["emotion"], model(x)["emotion"])
    model.eval()
    assert torch.equal(model(x)["emotion"], model(x)["emotion"])


def test_input_noise_has_the_configured_deviation():
    model = MultitaskDnn(4, {"emotion": 4}, MultitaskDnnConfig(trunk=[4], branch=[], input_noise=0.25))
    seen = []
    model.trunk = torch.nn.Identity()
    model.heads.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    torch.manual_seed(0)
    model.train()
    model(torch.zeros(20000, 4))
    assert seen[0].std().item() == pytest.approx(0.25, rel=0.02)


def test_balanced_weights_give_each_class_the_same_sum():
    labels = torch.tensor([0] * 6 + [1] * 3 + [3] * 1 + [-1] * 5)
    weights = balanced_weights(labels, 4)
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 0.0, 10 / 3])
    assert sum(weights[c].item() * n for c, n in ((0, 6), (1, 3), (3, 1))) == pytest.approx(10)


def test_class_weights_scale_the_items_of_a_class():
    weights = {"emotion": torch.tensor([1.0, 3.0])}
    branches = TaskBranches(2, {"emotion": 2}, [], {"emotion": 1.0}, class_weights=weights)
    logits = {"emotion": torch.zeros(2, 2)}
    assert branches.loss(logits, {"emotion": torch.tensor([0, 0])})["loss"].item() == pytest.approx(math.log(2))
    assert branches.loss(logits, {"emotion": torch.tensor([0, 1])})["loss"].item() == pytest.approx(2 * math.log(2))
    assert "heads.class_weight_emotion" not in branches.state_dict()
