"""A convolutional network on the images of an utterance: the mean of their embeddings.

What an utterance gives does not depend on its batch: images that only fill the batch are left out
before the first layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.config import ImageCnnConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork


class ImageCnn(TaskNetwork):
    """Images uint8 (N, I, H, W, C) with lengths (N,) -> task -> logits (N, classes).

    Args:
        inputs: channels C of an image.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (classes,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: ImageCnnConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        layers: list[nn.Module] = []
        for count in config.channels:
            layers += [nn.Conv2d(inputs, count, 3, padding=1, bias=False), nn.BatchNorm2d(count), nn.ReLU(),
                       nn.MaxPool2d(2, ceil_mode=True)]
            inputs = count
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Linear(inputs, config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(config.embedding, chosen, config.branch, config.tasks, config.dropout,
                                  class_weights)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (N, I, H, W, C), anything behind `lengths` (N,), each 1 or more -> task -> (N, classes)."""
        return self.heads(self.dropout(self.shared(x, lengths)))  # type: ignore[no-any-return]

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> the embedding of the utterance (N, E)."""
        inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        images = x[inside].permute(0, 3, 1, 2).to(self.embedding.weight.dtype) / 127.5 - 1  # (M, C, H, W)
        vectors = self.embedding(self.layers(images).mean(dim=(2, 3))).relu()  # (M, E)
        owner = torch.repeat_interleave(torch.arange(len(x), device=x.device), lengths)
        total = vectors.new_zeros(len(x), vectors.shape[1]).index_add(0, owner, vectors)
        return total / lengths[:, None]
