"""A network that tells phone states at 10 ms frames, from filter banks and a recognizer's hidden states.

Filter banks go through convolutions over time that see 9 frames to each side (a TDNN, Peddinti et al., Interspeech
2015); the recognizer's hidden state of each frame, which knows the whole utterance, is joined to what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from utils.config import option

NO_LABEL = -1
# (kernel, dilation) of the convolutions: they see 2 + 2 + 2 + 3 frames to each side.
LAYERS = ((5, 1), (3, 2), (3, 2), (3, 3))


@dataclass
class PhoneStateNetworkConfig:
    """Sizes and regularization."""

    width: int = option(160, min=1, max=4096, help="channels of the convolutions, and of the hidden states as joined")
    joined: int = option(256, min=1, max=4096, help="width of the layer over both")
    dropout: float = option(0.1, min=0.0, max=0.9)
    hidden_dropout: float = option(0.2, min=0.0, max=0.9, help="on the hidden states as joined")


class PhoneStateNetwork(nn.Module):
    """fbank (N, T, F) and hidden states (N, T, D) -> logits (N, T, C).

    Args:
        inputs: F. hidden: D; 0: the network has filter banks only. classes: number of components C.

    Means and deviations of both inputs are buffers, so that the weights say everything. Frames past an utterance's end
    are zero between all layers: an utterance scores the same alone and in any batch.
    """

    mean: Tensor
    std: Tensor
    hidden_mean: Tensor
    hidden_std: Tensor

    def __init__(self, inputs: int, hidden: int, classes: int, config: PhoneStateNetworkConfig):
        super().__init__()
        self.inputs, self.hidden, self.classes = inputs, hidden, classes
        widths = [inputs] + [config.width] * len(LAYERS)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, padding=dilation * (kernel // 2), dilation=dilation)
            for before, after, (kernel, dilation) in zip(widths[:-1], widths[1:], LAYERS, strict=True))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in LAYERS)
        self.dropout, self.hidden_dropout = nn.Dropout(config.dropout), nn.Dropout(config.hidden_dropout)
        self.from_hidden = nn.Linear(hidden, config.width) if hidden else None
        self.joined = nn.Linear(config.width * (2 if hidden else 1), config.joined)
        self.output = nn.Linear(config.joined, classes)
        for name, size in (("mean", inputs), ("hidden_mean", hidden)):
            self.register_buffer(name, torch.zeros(size))
        for name, size in (("std", inputs), ("hidden_std", hidden)):
            self.register_buffer(name, torch.ones(size))

    def forward(self, features: Tensor, lengths: Tensor, hidden: Tensor | None = None) -> Tensor:
        """features (N, T, F), lengths (N,), hidden (N, T, D) at the frames of the features -> logits (N, T, C)."""
        inside = (torch.arange(features.shape[1], device=features.device) < lengths[:, None]).unsqueeze(2)  # (N, T, 1)
        x = (features - self.mean) / self.std * inside
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = norm(convolution(x.transpose(1, 2)).transpose(1, 2)).relu()
            x = (self.dropout(y) + (x if x.shape == y.shape else 0)) * inside
        if self.from_hidden is not None:
            assert hidden is not None, "this network was made with hidden states"
            context = self.from_hidden((hidden - self.hidden_mean) / self.hidden_std).relu()
            x = torch.cat([x, self.hidden_dropout(context)], dim=2)
        return self.output(self.dropout(self.joined(x).relu()))

    def loss(self, batch: Mapping[str, Tensor]) -> dict[str, object]:
        """The trainer's contract; items are frames.

        Args:
            batch: "features" (N, T, F), "lengths" (N,), "states" (N, T) components, -1 = none; "hidden" (N, T, D) if
                the network has them.
        """
        logits = self.forward(batch["features"], batch["lengths"], batch.get("hidden"))
        states = batch["states"]
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), states.flatten(), ignore_index=NO_LABEL,
                                           reduction="sum")
        frames = (states != NO_LABEL).sum().clamp(min=1)
        return {"loss": loss / frames, "items": float(frames)}
