"""A convolutional network of three branches with different scales of time, without its head.

Multi-time-scale convolution (Guizzo, Weyde & Leveson, ICASSP 2020, arXiv 2003.03375): the kernels of a layer are also
stretched and shrunk along time by linear interpolation, all are applied to the same input, and of the maps the
largest value is taken at each place. The branches share one set of weights, so that a layer has as many parameters as
a plain one. The network is the AlexNet of the authors' experiments, whose first two layers are of that kind, here of
three branches: 0.7, 1 and 1.428 of the kernel's time.

Gradients pass through the interpolation, where the authors average kernels that were updated apart. The first layer has
AlexNet's stride of 4, which the authors' code leaves out: a sixteenth of the work. Every layer is padded by half its
kernel, which aligns the branches, and one frame of input leaves one. Of 128 mel 4 bins are left.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steps.models.pyresnet import hide, shortened

SCALES = (1.0, 0.7, 1.428)  # of time, one a branch


class TimeScaleConv(nn.Conv2d):
    """(N, C, F, T) -> (N, outputs, ceil(F / stride), ceil(T / stride)): the maximum over the branches.

    Args:
        kernel: bins and frames of the unscaled kernel, odd, and its scaled ones are (11 and 5 are).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)
        self.frames = [int(scale * kernel) for scale in SCALES]

    def forward(self, x: Tensor) -> Tensor:
        found = None
        for frames in self.frames:
            bins = self.weight.shape[2]
            weight = self.weight if frames == self.weight.shape[3] else nn.functional.interpolate(
                self.weight, (bins, frames), mode="bilinear", align_corners=False)
            branch = nn.functional.conv2d(x, weight, self.bias, self.stride, (bins // 2, frames // 2))
            found = branch if found is None else torch.maximum(found, branch)
        assert found is not None
        return found


class MultiTimeScale(nn.Module):
    """Spectrograms (N, 1, F, T) with lengths (N,), None: all T -> (N, C, F', T') and the lengths there.

    Args:
        width: 1 is as published, 0.25 a quarter of the channels.
    """

    def __init__(self, width: float = 1.0):
        super().__init__()
        a, b, c, d, e = (max(1, round(width * channels)) for channels in (64, 192, 384, 256, 256))
        self.convs = nn.ModuleList([TimeScaleConv(1, a, 11, 4), TimeScaleConv(a, b, 5), nn.Conv2d(b, c, 3, padding=1),
                                    nn.Conv2d(c, d, 3, padding=1), nn.Conv2d(d, e, 3, padding=1)])
        self.pooled = (0, 1, 4)  # the layers with a pool behind them
        self.pool = nn.MaxPool2d(3, 2, 1)
        for module in self.convs:  # there is no batch norm to mend a scale
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # type: ignore[arg-type]
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for number, conv in enumerate(self.convs):
            x, lengths = torch.relu(conv(hide(x, lengths))), shortened(lengths, conv.stride[1])  # type: ignore[index]
            if number in self.pooled:
                x, lengths = self.pool(hide(x, lengths)), shortened(lengths, 2)
        return x, lengths
