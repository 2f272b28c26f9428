"""The optimiser of a training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from steps.training.config import TrainingConfig

# Older releases have no fused optimiser on a CPU.
FUSED = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 4)


def make_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser; fused, which on a CPU is about nine times as fast as the loop over 36 M parameters."""
    options = config.optimiser
    fused = {"fused": True} if FUSED else {}
    parameters: list[Any] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    share = getattr(config, "trunk_rate", 1.0)  # of networks with a trunk (steps/experiments/networks.py)
    if share != 1.0 and hasattr(model, "trunk"):
        trunk = set(model.trunk.parameters())  # type: ignore[operator]
        parameters = [{"params": [one for one in parameters if one in trunk], "share": share},
                      {"params": [one for one in parameters if one not in trunk], "share": 1.0}]
    if options.kind == "sgd":
        return torch.optim.SGD(parameters, lr=options.learning_rate, momentum=options.momentum,
                               weight_decay=options.weight_decay, **fused)
    return torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay, **fused)
