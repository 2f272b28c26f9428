"""A convolutional network on samples: learned filters, layers of stride 2, the mean over time.

What a recording gives does not depend on the batch it is in: no layer is padded, normalization is
over the channels of one time step, and only what lies inside an utterance enters the mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.config import WaveformCnnConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork

WIDTH, STRIDE = 3, 2  # of every layer but the first


class WaveformCnn(TaskNetwork):
    """Samples (N, T) with lengths (N,) -> task -> logits (N, C).

    Args:
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, outputs: Mapping[str, Outputs], config: WaveformCnnConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        first, *others = config.channels
        self.layers = nn.ModuleList([nn.Conv1d(1, first, config.kernel, config.stride)])
        for inputs, count in zip(config.channels, others, strict=False):
            self.layers.append(nn.Conv1d(inputs, count, WIDTH, STRIDE))
        self.norms = nn.ModuleList(nn.LayerNorm(count) for count in config.channels)
        self.embedding = nn.Linear(config.channels[-1], config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(config.embedding, chosen, config.branch, config.tasks, config.dropout,
                                  class_weights)

    @property
    def shortest(self) -> int:
        """Samples that leave one time step of the last layer."""
        steps = 1
        for layer in reversed(self.layers):
            steps = (steps - 1) * layer.stride[0] + layer.kernel_size[0]
        return steps

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (N, T), zero behind `lengths` (N,), each 1 or more -> task -> (N, C)."""
        return self.heads(self.dropout(self.shared(x, lengths)))  # type: ignore[no-any-return]

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> the embedding of the utterance (N, E)."""
        shortest = self.shortest
        x = nn.functional.pad(x, (0, max(0, shortest - x.shape[1])))[:, None]
        lengths = lengths.clamp(min=shortest)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(layer(x).transpose(1, 2)).relu().transpose(1, 2)
            lengths = (lengths - layer.kernel_size[0]) // layer.stride[0] + 1
        inside = torch.arange(x.shape[2], device=x.device) < lengths[:, None]
        mean = torch.where(inside[:, None], x, 0.0).sum(dim=2) / lengths[:, None]
        return self.embedding(mean).relu()  # type: ignore[no-any-return]
