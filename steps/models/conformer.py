"""Conformer encoder (Gulati et al., Interspeech 2020) for filter banks, with 4x subsampling.

As published: half-step feed-forward, self-attention, convolution module, half-step feed-forward, layer norm. Different,
each for a reason: rotary positions (Su et al. 2021) in place of relative ones, which need no table and export cleanly;
layer norm in place of batch norm in the convolution module, so that what an utterance gives does not depend on its
batch, its padding or the number of processes; a depthwise-separable second convolution in the subsampling, whose cost
would otherwise exceed that of all layers of the small encoder; dropout on what a module adds to its input only, because
drawing masks for its wide inner layers costs a CPU a quarter of the training time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steps.models.config import ConformerConfig

SUBSAMPLING = 4
FEWEST_FRAMES = 7  # input frames that give one output frame


def output_lengths(lengths: Tensor) -> Tensor:
    """Frames after subsampling: two convolutions of 3 frames, stride 2, without padding."""
    return (((lengths - 1) // 2 - 1) // 2).clamp(min=0)


def output_length(frames: int) -> int:
    """The same of one utterance."""
    return int(output_lengths(torch.tensor(frames)))


def padding_mask(lengths: Tensor, frames: int) -> Tensor:
    """(N,) -> bool (N, T), True on frames that are there."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


class Subsampling(nn.Module):
    """(N, T, F) -> (N, T', D), T' = ((T - 1) // 2 - 1) // 2."""

    def __init__(self, inputs: int, channels: int, dim: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, channels, 3, stride=2), nn.SiLU(),
            nn.Conv2d(channels, channels, 3, stride=2, groups=channels), nn.Conv2d(channels, channels, 1), nn.SiLU())
        self.project = nn.Linear(channels * (((inputs - 1) // 2 - 1) // 2), dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(x[:, None])  # (N, C, T', F')
        return self.project(x.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """(N, T, D) -> (N, T, D)."""

    def __init__(self, dim: int, expansion: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, expansion * dim), nn.SiLU(),
                                    nn.Linear(expansion * dim, dim), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def rotary_angles(frames: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, width / 2) of position times frequency 10000^(-2 i / width)."""
    frequencies = 10000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * frequencies[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i + d/2}) of (N, H, T, d) by its angle."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions; padded frames are attended by none."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(f"dim {dim} must be a multiple of twice the heads, {2 * heads}")
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm, self.inputs, self.output = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (N, T, D), mask bool (N, T) -> (N, T, D)."""
        n, t, d = x.shape
        query, key, value = self.inputs(self.norm(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        cosines, sines = rotary_angles(t, d // self.heads, x.device)
        query, key = rotate(query, cosines, sines), rotate(key, cosines, sines)
        # (N, H, T, T)
        scores = query.to(value.dtype) @ key.to(value.dtype).transpose(-1, -2) * (d // self.heads) ** -0.5
        scores = scores.masked_fill(~mask[:, None, None, :], -1e4)  # not -inf: an utterance of no frame has no NaN
        return self.dropout(self.output((scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(n, t, d)))


class ConvolutionModule(nn.Module):
    """Pointwise, gate, depthwise over time, layer norm, SiLU, pointwise; exact under padding."""

    def __init__(self, dim: int, kernel: int, dropout: float):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} must be odd")
        self.norm, self.gate = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.inner_norm = nn.LayerNorm(dim)
        self.output, self.dropout = nn.Linear(dim, dim), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (N, T, D), mask bool (N, T) -> (N, T, D)."""
        x = nn.functional.glu(self.gate(self.norm(x)), dim=-1).masked_fill(~mask[:, :, None], 0.0)
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.output(nn.functional.silu(self.inner_norm(x))))


class ConformerLayer(nn.Module):
    """(N, T, D) -> (N, T, D)."""

    def __init__(self, config: ConformerConfig):
        super().__init__()
        self.first = FeedForward(config.dim, config.expansion, config.dropout)
        self.attention = SelfAttention(config.dim, config.heads, config.dropout)
        self.convolution = ConvolutionModule(config.dim, config.kernel, config.dropout)
        self.second = FeedForward(config.dim, config.expansion, config.dropout)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + 0.5 * self.first(x)
        x = x + self.attention(x, mask)
        x = x + self.convolution(x, mask)
        return self.norm(x + 0.5 * self.second(x))


class Conformer(nn.Module):
    """The encoder.

    Args:
        inputs: features a frame F.
    """

    def __init__(self, inputs: int, config: ConformerConfig):
        super().__init__()
        self.dim = config.dim
        self.subsampling = Subsampling(inputs, config.channels, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, lengths: Tensor, also: int | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """
        Args:
            x: (N, T, F), T at least FEWEST_FRAMES. lengths: (N,) frames that are there.
            also: number of layers after which the states are wanted too.

        Returns:
            states (N, T', D), their lengths (N,), and the states after `also` layers (None where it is None).
        """
        lengths = output_lengths(lengths)
        x = self.dropout(self.subsampling(x))
        mask = padding_mask(lengths, x.shape[1])
        between = None
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, mask)
            if number == also:
                between = x
        return x, lengths, between
