"""A convolutional network on spectrograms of any length: a trunk, an average over time, one branch a task.

LSSED's head (Fan et al., ICASSP 2021) averages over time alone: the bins of frequency that the trunk leaves stay apart,
of PyResNet 2048 x 4 = 8192 values. A new trunk is a module, a line in TRUNKS and its name in config.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from steps.models.asr_encoder import AsrEncoder
from steps.models.config import ASR_ENCODER, ConformerConfig, SpectrogramNetworkConfig
from steps.models.head_fusion import HeadFusion
from steps.models.heads.branches import Outputs, TaskBranches, TaskNetwork
from steps.models.mts import MultiTimeScale
from steps.models.pyresnet import ResNet
from steps.models.vgg import Vgg
from utils.errors import UserError

# name -> trunk of that width: (N, 1, F, T) with lengths (N,), None for all T -> (N, C, F', T') with lengths there. What
# stands behind an utterance's end must not change what it gives, and is anything.
TRUNKS: dict[str, Callable[[float], nn.Module]] = {
    **{f"resnet{depth}": lambda width, depth=depth: ResNet(depth, False, width) for depth in (50, 101, 152)},
    **{f"pyresnet{depth}": lambda width, depth=depth: ResNet(depth, True, width) for depth in (50, 101, 152)},
    **{f"vgg{depth}": lambda width, depth=depth: Vgg(depth, width) for depth in (11, 16)},
    "mts": MultiTimeScale,
    "head_fusion": HeadFusion,
}
FEWEST = 64  # bins that every trunk can take


def make_trunk(config: SpectrogramNetworkConfig, inputs: int) -> nn.Module:
    """
    Args:
        inputs: number of bins F.
    """
    if config.architecture == ASR_ENCODER:
        return AsrEncoder(inputs, config.encoder or ConformerConfig())
    return TRUNKS[config.architecture](config.width)


class SpectrogramNetwork(TaskNetwork):
    """Frames (N, T, F) with lengths (N,) -> task -> (N, C) logits.

    Args:
        inputs: number of bins F.
        outputs: task -> see TaskBranches; tasks of the configuration that are not here are left out.
        class_weights: task -> (C,) weights of the classes in the loss.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], config: SpectrogramNetworkConfig,
                 class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.trunk, self.head = make_trunk(config, inputs), config.head
        self.dropout = nn.Dropout(config.dropout)
        chosen = {task: outputs[task] for task in config.tasks if task in outputs}
        self.heads = TaskBranches(self._width(inputs, config.architecture), chosen, config.branch, config.tasks,
                                  config.dropout, class_weights)
        self.to(memory_format=torch.channels_last)  # convolutions take about half the time on CPU and GPU

    def trunk_layers(self) -> nn.Module:
        return self.trunk

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """x (N, T, F), anything behind `lengths` (N,), each 1 or more -> task -> logits (N, C)."""
        return self.heads(self.dropout(self.shared(x, lengths)))

    def shared(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """As forward -> (N, inputs of the branches)."""
        padded = None if bool((lengths == x.shape[1]).all()) else lengths
        return self._pooled(x.transpose(1, 2)[:, None], padded)

    def _pooled(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, 1, F, T) -> (N, inputs of the branches)."""
        x, lengths = self.trunk(x, lengths)
        x = average(x, lengths)  # (N, C, F')
        return x.flatten(1) if self.head == "time_average" else x.mean(dim=2)

    def _width(self, inputs: int, architecture: str) -> int:
        """Values that the trunk leaves of spectrograms with so many bins.

        Raises:
            UserError: nothing is left.
        """
        training = self.training
        self.eval()  # or batch norm would learn from these zeros
        try:
            with torch.no_grad():
                width = self._pooled(torch.zeros(1, 1, inputs, 32), None).shape[1]
        except RuntimeError as error:
            if inputs >= FEWEST:
                raise
            raise UserError(f"features of {inputs} columns are too narrow for model.architecture={architecture}, whose "
                            "pooling leaves nothing of them; take wider ones, or pyresnet50") from error
        self.train(training)
        return width


def average(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(N, C, F, T) -> (N, C, F) in float32: the mean over the frames before `lengths` (N,), None: all."""
    x = x.float()
    if lengths is None:
        return x.mean(dim=3)
    there = torch.arange(x.shape[3], device=x.device) < lengths[:, None]  # (N, T)
    x = torch.where(there[:, None, None, :], x, torch.zeros((), device=x.device))
    return x.sum(dim=3) / lengths[:, None, None]
