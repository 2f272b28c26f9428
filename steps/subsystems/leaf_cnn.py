"""LEAF-CNN (steps/models/leaf_cnn.py) on recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from steps.examples.part import Features
from steps.models.front_end import RATE
from steps.models.heads.branches import Outputs
from steps.models.leaf_cnn import LeafCnn
from steps.subsystems.network_config import LeafCnnExperimentConfig, LeafSamplesConfig
from steps.subsystems.sequence_network import Room, SequenceNetworkLearner, SequencePredictor
from steps.subsystems.spectrogram_network import of_length
from steps.subsystems.waveform_network import Waveforms
from utils.errors import UserError

ROWS = 16  # recordings that are scored at once: half a minute of each fits


class EqualWaveforms(Waveforms):
    """Recordings that share one length in each training batch, the median of the batch's within the
    limit, so that batch norm never sees padding.

    Raises:
        UserError: of another rate than RATE.
    """

    config: LeafSamplesConfig

    def __init__(self, features: Features, config: LeafSamplesConfig, room: Room | None = None):
        super().__init__(features, config, room)
        step = getattr(features, "shift", None)
        if step is not None and round(1 / step) != RATE:
            raise UserError(f"leaf_cnn reads {RATE} samples a second, this input has "
                            f"{round(1 / step)}: use --inputs waveform", 2)

    def training_batch(self, chosen: np.ndarray, batch: np.ndarray,
                       randoms: Mapping[int, np.random.Generator]) -> dict[str, Tensor]:
        length = int(np.median(self.lengths()[batch]))
        if self.config.max_seconds:
            length = min(length, round(self.config.max_seconds * RATE))
        rows = [of_length(self[position], length, randoms[position]) for position in chosen.tolist()]
        return {"x": torch.from_numpy(np.stack(rows)), "lengths": torch.full((len(rows),), length)}


class LeafCnnPredictor(SequencePredictor):
    """LEAF-CNN."""

    reads = EqualWaveforms

    def _values(self, prepared: Waveforms, compute: Callable[..., dict[str, Tensor]],  # type: ignore[override]
                names: list[str], rows: int = ROWS) -> dict[str, np.ndarray]:
        return super()._values(prepared, compute, names, rows)


class LeafCnnLearner(SequenceNetworkLearner):
    """A front end, learned or of mel filters, and a convolutional network on its frames."""

    Predictor = LeafCnnPredictor

    @staticmethod
    def build(config: LeafCnnExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> LeafCnn:
        return LeafCnn(outputs, config.model, weights)
