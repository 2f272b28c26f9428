"""VGG of 11 and 16 layers with batch norm on spectrograms, without their heads (Simonyan & Zisserman, ICLR 2015).

Configurations A and D as torchvision has them: convolutions of 3x3 with bias, each with batch norm and ReLU, and a
max-pool of 2x2 after each stage. Of 128 mel 4 bins are left. In place of the published average to 7x7 stands the head
of steps/models/spectrogram_network.py; the published layers behind it are its `branch: [4096, 4096]`, `dropout: 0.5`.

A frame that a pool would leave over is pooled with zeros, so that one frame of input leaves one: as it comes behind a
ReLU, a zero never wins, and padding changes nothing.
"""

from __future__ import annotations

from torch import Tensor, nn

from steps.models.pyresnet import hide, shortened

# Layers a stage, by depth (the three fully connected ones count).
LAYERS = {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
CHANNELS = (64, 128, 256, 512, 512)


class HalfPool(nn.Module):
    """(N, C, F, T), zero or more -> (N, C, floor(F / 2), ceil(T / 2)): the largest of 2x2."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(nn.functional.pad(x, (0, x.shape[3] % 2)), 2)


class Vgg(nn.Module):
    """Spectrograms (N, 1, F, T) with lengths (N,), None: all T -> (N, C, F', T') and the lengths there.

    Args:
        depth: 11 or 16. width: 1 is as published, 0.25 a quarter of the channels.
    """

    def __init__(self, depth: int, width: float = 1.0):
        super().__init__()
        self.stages, self.pool = nn.ModuleList(), HalfPool()
        inputs = 1
        for layers, full in zip(LAYERS[depth], CHANNELS, strict=True):
            channels = max(1, round(width * full))
            stage = nn.ModuleList()
            for _ in range(layers):
                stage.append(nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels),
                                           nn.ReLU()))
                inputs = channels
            self.stages.append(stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for stage in self.stages:
            for layer in stage:  # type: ignore[attr-defined]
                x = layer(hide(x, lengths))
            x, lengths = self.pool(hide(x, lengths)), shortened(lengths, 2)
        return x, lengths
