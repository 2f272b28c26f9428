"""Convolutional networks on spectrograms as a kind of subsystem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from steps.experiments.kinds import ExperimentConfig
from steps.experiments.networks import NetworkTraining
from steps.experiments.sequence_networks import FittedSequenceNetwork, FramesConfig, SequenceNetworkKind, Sequences
from steps.features.masking import spec_augment
from steps.models.heads.branches import Outputs
from steps.models.spectrogram_network import SpectrogramNetwork, SpectrogramNetworkConfig
from utils.config import option


@dataclass
class SpectrogramFramesConfig(FramesConfig):
    """In training the utterances of a batch have one length, so that batch norm never sees padding.

    The shortest is what leaves a trunk that divides time by 32 one frame; of less, the bfloat16 gradient of a strided
    convolution is not a number on a CPU (torch 2.13).
    """

    shortest: int = option(32, min=1, help="frames of an utterance that a training step sees at least, by repetition")
    longest: int = option(0, min=0, help="frames of an utterance that a training step sees at most; 0: no limit")


@dataclass
class SpectrogramNetworkExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    frames: SpectrogramFramesConfig = field(default_factory=SpectrogramFramesConfig)
    model: SpectrogramNetworkConfig = field(default_factory=SpectrogramNetworkConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


class Spectrograms(Sequences):
    """Sequences that share one length in each training batch: the median of the batch's, within the limits."""

    config: SpectrogramFramesConfig

    def training_batch(self, chosen: np.ndarray, batch: np.ndarray,
                       randoms: Mapping[int, np.random.Generator]) -> dict[str, Tensor]:
        length = max(self.config.shortest, int(np.median(self.lengths()[batch])))
        if self.config.longest:
            length = min(length, self.config.longest)
        rows = [spec_augment(of_length(self[position], length, randoms[position]), self.config, randoms[position])
                for position in chosen.tolist()]
        return {"x": torch.from_numpy(np.stack(rows)), "lengths": torch.full((len(rows),), length)}


def of_length(frames: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """(T, F) -> (length, F) from a random place: a stretch of a longer utterance, a shorter one again and again."""
    if len(frames) >= length:
        start = int(random.integers(0, len(frames) - length + 1))
        return frames[start:start + length]
    return frames[(int(random.integers(0, len(frames))) + np.arange(length)) % len(frames)]


class FittedSpectrogramNetwork(FittedSequenceNetwork):
    """A network on spectrograms."""

    reads = Spectrograms


class SpectrogramNetworkKind(SequenceNetworkKind):
    """PyResNet, ResNet and others (steps/models/spectrogram_network.py)."""

    Config = SpectrogramNetworkExperimentConfig
    Fitted = FittedSpectrogramNetwork
    of_trunk = ("architecture", "width", "encoder")

    @staticmethod
    def build(config: SpectrogramNetworkExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> SpectrogramNetwork:
        return SpectrogramNetwork(config.frames.stack * inputs, outputs, config.model, weights)
