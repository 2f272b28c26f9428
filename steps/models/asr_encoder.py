"""The encoder of the repository's recognizer as a trunk: what it takes to start from a recognizer (Fan et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steps.models.conformer import FEWEST_FRAMES, Conformer, ConformerConfig


class AsrEncoder(nn.Module):
    """Filter banks (N, 1, F, T) with lengths (N,), None for all T -> states (N, D, 1, T') with their lengths.

    The mean and deviation that a recognizer was trained with are buffers, as in steps/asr/model.py; 0 and 1 in
    a network that starts from random weights: its features are normalized before.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, inputs: int, config: ConformerConfig):
        super().__init__()
        self.encoder = Conformer(inputs, config)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        rows = (x[:, 0].transpose(1, 2) - self.mean) / self.std  # (N, T, F)
        there = torch.full((len(rows),), rows.shape[1], device=rows.device) if lengths is None else lengths
        # An utterance that is too short for one state gets silence behind it, whatever stands there.
        rows = rows.masked_fill((torch.arange(rows.shape[1], device=rows.device) >= there[:, None])[:, :, None], 0.0)
        if rows.shape[1] < FEWEST_FRAMES:
            rows = nn.functional.pad(rows, (0, 0, 0, FEWEST_FRAMES - rows.shape[1]))
        states, left, _ = self.encoder(rows, there.clamp(min=FEWEST_FRAMES))
        return states.transpose(1, 2)[:, :, None], None if lengths is None else left
