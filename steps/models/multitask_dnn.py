"""The multitask DNN on utterance-level features (Tao, Liu & Zhao, ICASSP 2018, arXiv 1803.01122).

As published: a trunk of 2 layers of 4096 ReLU; for each task a branch of 1024 ReLU and a softmax; loss weights
emotion 1.0, speaker 0.3, gender 0.6. A single-task network is `tasks: {emotion: 1.0}`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.config import MultitaskDnnConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork


class MultitaskDnn(TaskNetwork):
    """(N, F) features -> task -> (N, C) logits.

    Args:
        inputs: number of features F.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: MultitaskDnnConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.noise = config.input_noise
        layers: list[nn.Module] = [nn.Dropout(config.input_dropout)] if config.input_dropout > 0 else []
        width = inputs
        for size in config.trunk:
            layers += [nn.Linear(width, size), nn.ReLU()]
            if config.dropout > 0:
                layers.append(nn.Dropout(config.dropout))
            width = size
        self.trunk = nn.Sequential(*layers)
        self.heads = TaskBranches(width, {task: outputs[task] for task in config.tasks if task in outputs},
                                  config.branch, config.tasks, config.dropout, class_weights)

    def trunk_layers(self) -> nn.Module:
        return self.trunk

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (N, F) -> task -> logits (N, C)."""
        return self.heads(self.shared(x))

    def shared(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """x (N, F) -> (N, width of the trunk)."""
        if self.training and self.noise > 0:
            x = x + self.noise * torch.randn_like(x)
        return self.trunk(x)  # type: ignore[no-any-return]

