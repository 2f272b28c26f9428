"""ResNet and PyResNet of 50, 101 and 152 layers on spectrograms, without their heads.

ResNet: He et al., CVPR 2016, with the stride in the 3x3 convolution. PyResNet: Duta et al., "Pyramidal Convolution"
(arXiv 2006.11538), as LSSED (Fan et al., ICASSP 2021) takes it: no max-pool behind the stem, a stride of 2 in every
stage, and in place of each 3x3 convolution several of different kernels and groups side by side:

    planes    64   kernels 3 5 7 9, groups 1 4 8 16, a quarter of the channels each
             128   kernels 3 5 7,   groups 1 4 8,    a half of the channels for the last, a quarter for the others
             256   kernels 3 5,     groups 1 4,      a half each
             512   kernel  3,       group  1

A spectrogram of 128 mel leaves either with 4 bins of frequency. What an utterance gives does not depend on its
batch: before each layer that looks at neighbors, what stands behind the utterance's end is set to zero, which is
also what such a layer finds behind the end of an unpadded one.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn

EXPANSION = 4  # channels that leave a block, for each of its planes
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
PLANES = (64, 128, 256, 512)
# planes -> (kernel, groups, share of the planes)
PYRAMID = {64: ((3, 1, 0.25), (5, 4, 0.25), (7, 8, 0.25), (9, 16, 0.25)),
           128: ((3, 1, 0.25), (5, 4, 0.25), (7, 8, 0.5)),
           256: ((3, 1, 0.5), (5, 4, 0.5)),
           512: ((3, 1, 1.0),)}


def hide(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (N, C, F, T), zero from frame `lengths` (N,) on; None: nothing is padded."""
    if lengths is None:
        return x
    there = torch.arange(x.shape[3], device=x.device) < lengths[:, None]  # (N, T)
    return x * there[:, None, None, :].to(x.dtype)


def shortened(lengths: Tensor | None, stride: int) -> Tensor | None:
    """Frames that a layer of this stride leaves of so many: ceil(lengths / stride)."""
    return None if lengths is None else (lengths + stride - 1) // stride


class PyramidalConv(nn.Module):
    """(N, C, F, T) -> (N, planes, ceil(F / stride), ceil(T / stride)): the convolutions of PYRAMID side by side.

    Args:
        full: planes of the whole network, which choose the pyramid. planes: those of this one, `width` of them. A
            narrow network has fewer groups where its channels do not go into so many.
    """

    def __init__(self, full: int, planes: int, stride: int):
        super().__init__()
        self.convs = nn.ModuleList()
        for kernel, groups, share in PYRAMID[full]:
            out = round(share * planes)
            self.convs.append(nn.Conv2d(planes, out, kernel, stride, kernel // 2, groups=gcd(groups, gcd(planes, out)),
                                        bias=False))

    def forward(self, x: Tensor) -> Tensor:
        if len(self.convs) == 1:
            return self.convs[0](x)
        return torch.cat([conv(x) for conv in self.convs], dim=1)


class Bottleneck(nn.Module):
    """1x1, 3x3 (or pyramid), 1x1 convolutions beside a shortcut.

    Args:
        inputs: channels that enter. full, planes: see PyramidalConv. pooled: the shortcut of a strided block goes
            through a max-pool of 3x3 (PyResNet) in place of a strided convolution (ResNet).
    """

    def __init__(self, inputs: int, full: int, planes: int, stride: int, pyramidal: bool, pooled: bool):
        super().__init__()
        self.stride, outputs = stride, EXPANSION * planes
        self.reduce = nn.Conv2d(inputs, planes, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(planes)
        self.spread = (PyramidalConv(full, planes, stride) if pyramidal
                       else nn.Conv2d(planes, planes, 3, stride, 1, bias=False))
        self.norm2 = nn.BatchNorm2d(planes)
        self.expand = nn.Conv2d(planes, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d(3, stride, 1) if pooled and stride > 1 else None
        self.shortcut: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            step = 1 if self.pool is not None else stride
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, step, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """x (N, C, F, T), zero or more as it comes from a ReLU: so that zeros behind an end never win in the pool."""
        y = torch.relu(self.norm1(self.reduce(x)))
        y = torch.relu(self.norm2(self.spread(hide(y, lengths))))
        y = self.norm3(self.expand(y))
        if self.pool is not None:
            x = self.pool(hide(x, lengths))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return torch.relu(y + x), shortened(lengths, self.stride)


class ResNet(nn.Module):
    """Spectrograms (N, 1, F, T) with lengths (N,), None: all T -> (N, C, F', T') and the lengths there.

    Args:
        depth: 50, 101 or 152. pyramidal: PyResNet. width: 1 is as published, 0.25 a quarter of the channels.
    """

    def __init__(self, depth: int, pyramidal: bool, width: float = 1.0):
        super().__init__()
        channels = [4 * max(1, round(width * planes / 4)) for planes in PLANES]  # a quarter is a whole number
        self.stem = nn.Conv2d(1, channels[0], 7, 2, 3, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        self.pool = None if pyramidal else nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.ModuleList()
        inputs = channels[0]
        for stage, (full, planes, blocks) in enumerate(zip(PLANES, channels, BLOCKS[depth], strict=True)):
            for block in range(blocks):
                stride = 2 if block == 0 and (pyramidal or stage > 0) else 1
                self.blocks.append(Bottleneck(inputs, full, planes, stride, pyramidal, pooled=pyramidal))
                inputs = EXPANSION * planes
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for block in self.blocks:  # each block begins as its shortcut (Goyal et al., arXiv 1706.02677)
            nn.init.zeros_(block.norm3.weight)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = torch.relu(self.norm(self.stem(hide(x, lengths))))
        lengths = shortened(lengths, 2)
        if self.pool is not None:
            x, lengths = self.pool(hide(x, lengths)), shortened(lengths, 2)
        for block in self.blocks:
            x, lengths = block(x, lengths)
        return x, lengths
