"""The optimizer of a training."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import nn

from steps.training.config import TrainingConfig
from utils.errors import UsageError

# Older releases have no fused optimizer on a CPU.
FUSED = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 4)


class WithTrunk(Protocol):
    """A network that says which of its layers may learn at a rate of their own."""

    def trunk_layers(self) -> nn.Module | None:
        """The layers that may start from another model; None: the network has none."""


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer; fused, which on a CPU is about nine times as fast as the loop over 36 M parameters.

    Raises:
        UsageError: training.backbone_lr_scale is for a network with a trunk, and this one has none.
    """
    options = config.optimizer
    fused = {"fused": True} if FUSED else {}
    parameters: list[Any] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    share = getattr(config, "backbone_lr_scale", 1.0)  # of networks with a trunk (steps/subsystems/network.py)
    if share != 1.0:
        layers = cast(WithTrunk, model).trunk_layers()
        if layers is None:
            raise UsageError(f"training.backbone_lr_scale is {share}, but {type(model).__name__} has no trunk: "
                             "leave it at 1")
        trunk = set(layers.parameters())
        parameters = [{"params": [one for one in parameters if one in trunk], "share": share},
                      {"params": [one for one in parameters if one not in trunk], "share": 1.0}]
    if options.kind == "sgd":
        return torch.optim.SGD(parameters, lr=options.learning_rate, momentum=options.momentum,
                               weight_decay=options.weight_decay, **fused)
    return torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay, **fused)
