"""A bidirectional GRU on frames that predicts a value of each target at every step of time.

What an item gives does not depend on the batch it is in: padding is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steps.models.advanced_lstm import reverse
from steps.models.config import TrackGruConfig

Scale = Mapping[str, float]  # {"mean", "std"} of a target over the training part, in its own unit


class TrackGru(nn.Module):
    """Frames (N, T, F) with lengths (N,) -> values (N, T, targets).

    Args:
        inputs: number of features F.
        scales: target -> Scale. The network predicts standardized values, in the order of `scales`.
    """

    def __init__(self, inputs: int, scales: Mapping[str, Scale], config: TrackGruConfig):
        super().__init__()
        for name in ("mean", "std"):
            own = [float(scale[name]) for scale in scales.values()]
            self.register_buffer(name, torch.tensor(own))
        layers: list[nn.Module] = []
        for width in config.projection:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = width
        self.projection = nn.Sequential(*layers)
        self.recurrent = nn.ModuleList(
            Gru(inputs if layer == 0 else 2 * config.hidden, config.hidden)
            for layer in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(2 * config.hidden, len(scales))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (N, T, F), anything behind `lengths` (N,), each 1 or more -> standardized values (N, T,
        targets)."""
        x = self.projection(x)
        for layer in self.recurrent:
            x = self.dropout(layer(x, lengths))
        return self.output(x)

    def values(self, x: Tensor, lengths: Tensor) -> Tensor:
        """As forward, in the targets' own units."""
        return self.mean + self.std * self(x, lengths)


class Gru(nn.Module):
    """One bidirectional GRU layer, (N, T, F) with lengths (N,) -> (N, T, 2 H); exact under
    padding."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.ahead = nn.GRU(inputs, hidden, batch_first=True)
        self.back = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        backward = reverse(self.back(reverse(x, lengths))[0], lengths)
        return torch.cat([self.ahead(x)[0], backward], dim=-1)
