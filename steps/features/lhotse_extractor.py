"""The filter bank as a lhotse feature extractor: for on-the-fly features and `cuts.compute_and_store_features`.

Same values as the archives of `--features fbank`. Importing this module registers it under its name, so that lhotse
can read it back from YAML. Works with lhotse 1.31 and later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lhotse.features.base import FeatureExtractor, register_extractor

from steps.features.extractor import RATE
from steps.features.fbank import FbankConfig, FilterBank, prepared

_FLOOR = float(np.finfo(np.float32).eps)  # kaldi-native-fbank's own floor of a mel energy


@register_extractor
class KaldiNativeFbank(FeatureExtractor):
    """Log mel energies of samples in [-1, 1] at 16 kHz."""

    name = "kaldi-native-fbank"
    config_type = FbankConfig

    def __init__(self, config: FbankConfig | None = None):
        super().__init__(config=config)
        self._bank: FilterBank | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Loader workers that are spawned get the configuration and make their own bank."""
        return {**self.__dict__, "_bank": None}

    @property
    def frame_shift(self) -> float:
        """Seconds."""
        return self.config.frame_shift_ms / 1000

    def feature_dim(self, sampling_rate: int) -> int:
        return self.config.num_mel_bins + int(self.config.use_energy)

    def extract(self, samples: Any, sampling_rate: int) -> Any:
        """(T,) or (1, T), array or tensor -> (frames, dim) of the same sort."""
        if sampling_rate != RATE:
            raise ValueError(f"samples at {sampling_rate} Hz; the filter bank takes {RATE}: cuts.resample({RATE})")
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim == 2 and len(array) == 1:
            array = array[0]
        if array.ndim != 1:
            raise ValueError(f"samples of shape {array.shape}; expected one channel")
        if self._bank is None:
            self._bank = FilterBank(self.config)
        features = self._bank(prepared(array, self.config)[0])
        if isinstance(samples, np.ndarray):
            return features
        import torch

        return torch.from_numpy(features)

    @staticmethod
    def mix(features_a: np.ndarray, features_b: np.ndarray, energy_scaling_factor_b: float) -> np.ndarray:
        """Log energies of the sum of two signals that are not correlated."""
        return np.log(np.maximum(_FLOOR, np.exp(features_a) + energy_scaling_factor_b * np.exp(features_b)))

    @staticmethod
    def compute_energy(features: np.ndarray) -> float:
        return float(np.exp(features).sum())

    @staticmethod
    def scale(features: np.ndarray, energy_scaling_factor: float) -> np.ndarray:
        return features + np.log(energy_scaling_factor)
