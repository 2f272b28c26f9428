"""A bidirectional GRU over the units of a text (Dutta & Ganapathy, ICASSP 2022, section 2.2).

Embeddings of the units, two recurrent layers, one vector a text, one embedding of the utterance,
branches. What a text gives does not depend on the batch it is in: padding is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.config import TextBigruConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork
from steps.models.track_gru import Gru


class TextBigru(TaskNetwork):
    """Units (N, L) with lengths (N,) -> task -> logits (N, C).

    Args:
        inputs: number of units.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: TextBigruConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.pooling = config.pooling
        self.units = nn.Embedding(inputs, config.unit_embedding)
        nn.init.normal_(self.units.weight, std=config.unit_embedding**-0.5)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.recurrent = nn.ModuleList(
            Gru(config.unit_embedding if layer == 0 else 2 * config.hidden, config.hidden)
            for layer in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.embedding = nn.Linear(2 * config.hidden, config.embedding)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(config.embedding, chosen, config.branch, config.tasks,
                                  config.dropout, class_weights)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x int64 (N, L), any unit behind `lengths` (N,), each 1 or more -> task -> (N, C)."""
        return self.heads(self.dropout(self.shared(x, lengths)))  # type: ignore[no-any-return]

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> the embedding of the utterance (N, E)."""
        states = self.input_dropout(self.units(x))
        for layer in self.recurrent:
            states = self.dropout(layer(states, lengths))
        pooled = last_states(states, lengths) if self.pooling == "last" else \
            mean_states(states, lengths)
        return self.embedding(pooled).relu()  # type: ignore[no-any-return]


def last_states(states: Tensor, lengths: Tensor) -> Tensor:
    """(N, L, 2 H) of a bidirectional layer -> (N, 2 H): where each direction has read everything."""
    hidden = states.shape[2] // 2
    ahead = states[torch.arange(len(states), device=states.device), lengths - 1, :hidden]
    return torch.cat([ahead, states[:, 0, hidden:]], dim=-1)


def mean_states(states: Tensor, lengths: Tensor) -> Tensor:
    """(N, L, F) -> (N, F): the mean over what is not padding."""
    inside = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
    return torch.where(inside[:, :, None], states, 0.0).sum(dim=1) / lengths[:, None]
