"""A bidirectional GRU over the utterances of a dialogue: each is judged with what was said before
and after it.

What a dialogue gives does not depend on the batch it is in: padding is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from steps.models.config import ContextBigruConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork
from steps.models.track_gru import Gru


class ContextBigru(TaskNetwork):
    """Dialogues (D, U, F) with lengths (D,) -> task -> (M, C) logits of their M utterances, dialogue
    by dialogue in order of turn.

    Args:
        inputs: number of values F of an utterance.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: ContextBigruConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout(config.input_dropout)]
        for width in config.projection:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = width
        self.projection = nn.Sequential(*layers)
        self.recurrent = nn.ModuleList(Gru(inputs if layer == 0 else 2 * config.hidden, config.hidden)
                                       for layer in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(2 * config.hidden, chosen, config.branch, config.tasks, config.dropout,
                                  class_weights)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (D, U, F), anything behind `lengths` (D,), each 1 or more -> task -> logits (M, C)."""
        return self.heads(self.shared(x, lengths))  # type: ignore[no-any-return]

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> (M, 2 H)."""
        x = self.projection(x)
        for layer in self.recurrent:
            x = self.dropout(layer(x, lengths))
        return x[torch.arange(x.shape[1], device=x.device) < lengths[:, None]]

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """As TaskNetwork.loss; its items are utterances, context included."""
        return {**super().loss(batch), "items": int(batch["lengths"].sum())}
