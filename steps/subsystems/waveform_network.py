"""Networks on the samples of a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from steps.models.heads.branches import Outputs
from steps.models.waveform_cnn import WaveformCnn
from steps.subsystems.network_config import WaveformExperimentConfig
from steps.subsystems.sequence_network import SequenceNetworkLearner, SequencePredictor, Sequences, padded


class Waveforms(Sequences):
    """The recordings of a part by position, float32 (T,) each."""

    layout = "waveform"

    def batch(self, positions: np.ndarray, masks: Mapping[int, np.random.Generator] | None = None) -> dict[str, Tensor]:
        """{"x": float32 (N, T), zero behind "lengths" (N,)}; nothing is masked."""
        return padded([self[position] for position in positions.tolist()])


class WaveformPredictor(SequencePredictor):
    """A network on samples."""

    reads = Waveforms


class WaveformCnnLearner(SequenceNetworkLearner):
    """A plain convolutional network (steps/models/waveform_cnn.py)."""

    Predictor = WaveformPredictor

    @staticmethod
    def build(config: WaveformExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> WaveformCnn:
        return WaveformCnn(outputs, config.model, weights)
