"""Networks on the images of an utterance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from steps.models.heads.branches import Outputs
from steps.models.image_cnn import ImageCnn
from steps.subsystems.network_config import ImageExperimentConfig, ImagesConfig
from steps.subsystems.sequence_network import SequenceNetworkLearner, SequencePredictor, Sequences, padded


class Images(Sequences):
    """The images of a part by position, uint8 (I, H, W, C) each."""

    layout = "images"
    config: ImagesConfig

    def read(self, position: int) -> np.ndarray:
        return self.features[position]

    def batch(self, positions: np.ndarray, masks: Mapping[int, np.random.Generator] | None = None) -> dict[str, Tensor]:
        """{"x": uint8 (N, I, H, W, C), zero behind "lengths" (N,)}; masks: a generator a position, in training."""
        rows = [self[position] for position in positions.tolist()]
        if masks is not None:
            rows = [self.changed(row, masks[position]) for position, row in zip(positions.tolist(), rows, strict=True)]
        return padded(rows)

    def changed(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """What a training step sees of an utterance."""
        if self.config.most and len(images) > self.config.most:
            step = len(images) / self.config.most
            images = images[((np.arange(self.config.most) + random.random()) * step).astype(int)]
        return images[:, :, ::-1] if self.config.flip and random.random() < 0.5 else images


class ImagePredictor(SequencePredictor):
    """A network on images."""

    reads = Images


class ImageCnnLearner(SequenceNetworkLearner):
    """A plain convolutional network (steps/models/image_cnn.py)."""

    Predictor = ImagePredictor

    @staticmethod
    def build(config: ImageExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> ImageCnn:
        return ImageCnn(inputs, outputs, config.model, weights)
