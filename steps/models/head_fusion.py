"""The attention CNN with head fusion, without its head (Xu, Zhang & Khan, Interspeech 2020, arXiv 2008.02063).

Two convolutions side by side, one long in frequency (10x2) and one long in time (2x8); four of 3x3 with 32, 48, 64
and 80 channels, a max-pool of 2x2 behind the first two of them, batch norm and ReLU behind each; then 8 heads of
attention, each with a query, a key and a value of 256 channels a place: softmax(query x key) x value, the softmax
over the channels as in the authors' code. The heads are fused into one map, of which the published model takes the
average after a ReLU.

Fused is here the mean over the heads: the average over the authors' map, in which they lie side by side, is the same,
and the frequency bins stay apart for the time-average head. The softmax is multiplied by the number of channels, a
constant that the next layer's weights would have to bring. Time is padded, unlike theirs, so that one frame leaves one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from steps.models.pyresnet import hide, shortened
from steps.models.vgg import HalfPool

HEADS = 8


class HeadFusion(nn.Module):
    """Spectrograms (N, 1, F, T) with lengths (N,), None: all T -> (N, C, F', T') and the lengths there.

    Args:
        width: 1 is as published, 0.25 a quarter of the channels; the heads stay 8.
    """

    def __init__(self, width: float = 1.0):
        super().__init__()
        first, *channels, hidden = (max(1, round(width * full)) for full in (8, 32, 48, 64, 80, 256))
        self.tall = nn.Conv2d(1, first, (10, 2), padding=(4, 0))
        self.long = nn.Conv2d(1, first, (2, 8))
        self.norms = nn.ModuleList(nn.BatchNorm2d(first) for _ in range(2))
        self.layers, inputs = nn.ModuleList(), 2 * first
        for outputs in channels:
            self.layers.append(nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs),
                                             nn.ReLU()))
            inputs = outputs
        self.pool = HalfPool()
        self.heads = nn.ModuleList(nn.Conv2d(inputs, 3 * hidden, 1) for _ in range(HEADS))

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = hide(x, lengths)
        pad = nn.functional.pad
        tall = self.norms[0](self.tall(pad(x, (0, 1))))
        long = self.norms[1](self.long(pad(x, (3, 4))))
        x = torch.relu(torch.cat([tall, long], dim=1))
        for number, layer in enumerate(self.layers):
            x = layer(hide(x, lengths))
            if number < 2:
                x, lengths = self.pool(hide(x, lengths)), shortened(lengths, 2)
        fused = torch.zeros((), device=x.device)
        for head in self.heads:
            # In training a head's maps are computed again when they are needed: 8 x 6 of them are a lot of memory.
            fused = fused + (checkpoint(attend, head, x, use_reentrant=False) if torch.is_grad_enabled()
                             else attend(head, x))
        return fused / HEADS, lengths


def attend(head: nn.Module, x: Tensor) -> Tensor:
    """(N, C, F, T) -> (N, hidden, F, T), zero or more."""
    query, key, value = head(x).chunk(3, dim=1)
    return torch.relu(value.shape[1] * torch.softmax(query * key, dim=1) * value)
