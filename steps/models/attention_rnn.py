"""The multitask attention RNN on sequences of frames (Tao, Liu & Zhao, ICASSP 2018; Tao & Liu, ICASSP 2018).

As published: each frame through a layer of 256 ReLU; one bidirectional LSTM of 128 units a direction; pooling over time
weighted by attention, a_t = softmax_t(u . h_t), z = sum_t a_t h_t; then the branches of the multitask DNN. The advanced
LSTM of the second paper is an option, and so are the poolings that attention is compared with.

What an utterance gives does not depend on the batch it is in: padding is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.advanced_lstm import AdvancedLstm, reverse
from steps.models.config import AttentionRnnConfig
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork


class AttentionRnn(TaskNetwork):
    """Frames (N, T, F) with lengths (N,) -> task -> (N, C) logits.

    Args:
        inputs: number of features F.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: AttentionRnnConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.noise = config.input_noise
        layers: list[nn.Module] = [nn.Dropout(config.input_dropout)] if config.input_dropout > 0 else []
        for width in config.projection:
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            if config.dropout > 0:
                layers.append(nn.Dropout(config.dropout))
            inputs = width
        self.projection = nn.Sequential(*layers)
        kind = Lstm if config.cell == "lstm" else AdvancedLstm
        options = {} if config.cell == "lstm" else {"steps_back": config.steps_back}
        self.recurrent = nn.ModuleList(kind(inputs if layer == 0 else 2 * config.hidden, config.hidden, **options)
                                       for layer in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.pooling = config.pooling
        self.score = nn.Linear(2 * config.hidden, 1, bias=False) if config.pooling == "attention" else None
        self.heads = TaskBranches(2 * config.hidden, {task: outputs[task] for task in config.tasks if task in outputs},
                                  config.branch, config.tasks, config.dropout, class_weights)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (N, T, F), anything behind `lengths` (N,), each 1 or more -> task -> logits (N, C)."""
        return self.heads(self.shared(x, lengths))

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> (N, 2 H), pooled over time."""
        if self.training and self.noise > 0:
            x = x + self.noise * torch.randn_like(x)
        x = self.projection(x)
        for layer in self.recurrent:
            x = self.dropout(layer(x, lengths))
        return self.pool(x, lengths)

    def pool(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, 2 H) -> (N, 2 H), over the frames that are there."""
        there = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None]  # (N, T, 1)
        x = torch.where(there, x, torch.zeros((), device=x.device, dtype=x.dtype))
        if self.pooling == "mean":
            return x.sum(dim=1) / lengths[:, None]
        if self.score is None:  # the last state of each direction: the backward one ends at the first frame
            hidden = x.shape[2] // 2
            end = (lengths - 1)[:, None, None].expand(-1, 1, hidden)
            return torch.cat([x[:, :, :hidden].gather(1, end)[:, 0], x[:, 0, hidden:]], dim=1)
        scores = self.score(x).float().masked_fill(~there, -torch.inf)
        return (torch.softmax(scores, dim=1).to(x.dtype) * x).sum(dim=1)


class Lstm(nn.Module):
    """One bidirectional LSTM layer, (N, T, F) with lengths (N,) -> (N, T, 2 H); exact under padding.

    Two layers of one direction each, the second on sequences reversed within their lengths: what stands behind an end
    comes after it in both. On a CPU torch's own packed sequences take up to ten times as long.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.ahead = nn.LSTM(inputs, hidden, batch_first=True)
        self.back = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        backward = reverse(self.back(reverse(x, lengths))[0], lengths)
        return torch.cat([self.ahead(x)[0], backward], dim=-1)
