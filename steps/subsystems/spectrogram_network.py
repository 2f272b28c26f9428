"""Convolutional networks on spectrograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from steps.features.masking import spec_augment
from steps.models.heads.branches import Outputs
from steps.models.spectrogram_network import SpectrogramNetwork
from steps.semi_supervised.views import Change
from steps.subsystems.network_config import SpectrogramFramesConfig, SpectrogramNetworkExperimentConfig
from steps.subsystems.sequence_network import SequenceNetworkLearner, SequencePredictor, Sequences


class Spectrograms(Sequences):
    """Sequences that share one length in each training batch: the median of the batch's, within the limits."""

    config: SpectrogramFramesConfig

    def training_batch(self, chosen: np.ndarray, batch: np.ndarray,
                       randoms: Mapping[int, np.random.Generator]) -> dict[str, Tensor]:
        length = self._length(batch)
        rows = [spec_augment(of_length(self[position], length, randoms[position]), self.config, randoms[position])
                for position in chosen.tolist()]
        return {"x": torch.from_numpy(np.stack(rows)), "lengths": torch.full((len(rows),), length)}

    def view(self, positions: Sequence[int], change: Change,
             randoms: Sequence[np.random.Generator]) -> dict[str, Tensor]:
        """Changed copies of the utterances, of one length."""
        length = self._length(np.asarray(positions))
        rows = [of_length(change(self[position], random), length, random)
                for position, random in zip(positions, randoms, strict=True)]
        return {"x": torch.from_numpy(np.stack(rows)), "lengths": torch.full((len(rows),), length)}

    def _length(self, batch: np.ndarray) -> int:
        """Frames that the utterances at these positions share."""
        length = max(self.config.min_crop, int(np.median(self.lengths()[batch])))
        return min(length, self.config.max_crop) if self.config.max_crop else length


def of_length(frames: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """(T, F) -> (length, F) from a random place: a stretch of a longer utterance, a shorter one again and again."""
    if len(frames) >= length:
        start = int(random.integers(0, len(frames) - length + 1))
        return frames[start:start + length]
    return frames[(int(random.integers(0, len(frames))) + np.arange(length)) % len(frames)]


class SpectrogramPredictor(SequencePredictor):
    """A network on spectrograms."""

    reads = Spectrograms


class SpectrogramNetworkLearner(SequenceNetworkLearner):
    """PyResNet, ResNet and others (steps/models/spectrogram_network.py)."""

    Predictor = SpectrogramPredictor

    @staticmethod
    def build(config: SpectrogramNetworkExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> SpectrogramNetwork:
        return SpectrogramNetwork(config.frames.stack * inputs, outputs, config.model, weights)
