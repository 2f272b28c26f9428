"""LEAF-CNN: a learned front end below six convolutions (Dutta and Ganapathy, ICASSP 2022).

Convolutions of 3 x 3 without padding, each with batch norm and ReLU, and a mean over 2 x 2 after
every second one, as in the released code. Of 40 bands one is left. The mean over time of its
channels is the embedding; values that depend on what stands behind an utterance's end do not count.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.config import LeafCnnConfig
from steps.models.front_end import FrontEnd
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork
from utils.errors import UsageError

FEWEST_FRAMES = 36  # and bands: of these one is left
BEFORE_LAST = 5  # convolutions
POOLED = 2  # convolutions before each pool


class LeafCnn(TaskNetwork):
    """Waveforms (N, T) of 16 kHz with lengths (N,) -> task -> (N, C) logits.

    Args:
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left
            out.
        class_weights: task -> (C,) weights of the classes in the loss.

    Raises:
        UsageError: other than five channels, or bands that the mel scale does not have room for.
    """

    def __init__(self, outputs: Mapping[str, Outputs], config: LeafCnnConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        if len(config.channels) != BEFORE_LAST:
            raise UsageError(f"model.channels has {len(config.channels)} entries; accepted: "
                             f"{BEFORE_LAST}")
        self.front_end = FrontEnd(config.front_end)
        self.layers = nn.ModuleList()
        inputs = 1
        for channels in (*config.channels, config.embedding):
            self.layers.append(nn.Sequential(nn.Conv2d(inputs, channels, 3),
                                             nn.BatchNorm2d(channels), nn.ReLU()))
            inputs = channels
        self.pool = nn.AvgPool2d(2)
        self.dropout = nn.Dropout(config.dropout)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(config.embedding, chosen, config.branch, config.tasks,
                                  config.dropout, class_weights)

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (N, T), anything behind `lengths` (N,), each 1 or more -> task -> logits (N, C)."""
        return self.heads(self.dropout(self.shared(x, lengths)))

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> (N, embedding)."""
        y, frames = self.front_end(*self.long_enough(x, lengths))
        y = y[:, None]  # (N, 1, bands, frames)
        for number, layer in enumerate(self.layers):
            y, frames = layer(y), frames - 2
            if number % POOLED == POOLED - 1:
                y, frames = self.pool(y), frames // 2
        y = y.float().mean(dim=2)  # (N, embedding, frames)
        there = torch.arange(y.shape[2], device=y.device) < frames[:, None]
        return torch.where(there[:, None], y, 0.0).sum(dim=2) / frames[:, None]

    def long_enough(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Silence behind utterances that are too short for the convolutions."""
        least = (FEWEST_FRAMES - 1) * self.front_end.stride + 1
        x = x.masked_fill(torch.arange(x.shape[1], device=x.device) >= lengths[:, None], 0.0)
        return nn.functional.pad(x, (0, max(0, least - x.shape[1]))), lengths.clamp(min=least)
