"""Utterances as the i-vector machine takes them: speaker features, voiced frames, and the recognizer's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.data.dataset import Item
from steps.features.mfcc import Mfcc, MfccConfig
from steps.features.store import DESCRIPTION, FeatureStore
from steps.ivector.occupancies import HeadAlone, Utterance
from steps.ivector.speaker_features import SpeakerFeaturesConfig, dimension, speaker_features
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.features.extractor import Extractor


class Speech:
    """Reads one utterance after the other, from feature archives where a data set has them, else from its audio.

    Attributes:
        dim: columns D of the speaker features.
    """

    def __init__(self, cepstra: Mfcc, config: SpeakerFeaturesConfig, recognizer: Recognizer | HeadAlone | None,
                 data: Path | None = None):
        """
        Args:
            recognizer: None where only speaker features are wanted.
            data: the data set whose archives (DATA/speaker_mfcc, DATA/fbank) are read; None: always from audio.

        Raises:
            UserError: an archive that was extracted with other options.
        """
        self.config = config
        self.dim = dimension(cepstra.dim, config)
        self._sources = [_Source(cepstra, data)]
        if recognizer is not None:
            self._sources.append(_Source(recognizer.extractor, data))

    def of(self, item: Item) -> Utterance:
        """
        Raises:
            CannotCompute: the utterance is too short. UserError: the recording cannot be read.
        """
        samples = None
        if any(source.store is None for source in self._sources):
            from steps.data.audio import load_audio

            if item.path is None:
                raise UserError(f"{item.id} has no recording to compute its features from")
            samples, _ = load_audio(item)
        cepstra, *rest = (source.features(item.id, samples) for source in self._sources)
        return self._utterance(item.id, cepstra, rest)

    def heard(self, key: str, compute: Callable[[Extractor], np.ndarray]) -> Utterance:
        """An utterance of no data set; `compute` gives an extractor's features of it.

        Raises:
            CannotCompute: the utterance is too short.
        """
        cepstra, *rest = (compute(source.extractor) for source in self._sources)
        return self._utterance(key, cepstra, rest)

    def _utterance(self, key: str, cepstra: np.ndarray, rest: list[np.ndarray]) -> Utterance:
        features, voiced = speaker_features(cepstra, self.config)
        return Utterance(key, features, voiced, rest[0] if rest else None)

    def told(self) -> str:
        """Where the features come from, for a log."""
        return ", ".join(f"{source.extractor.name} from {'its archives' if source.store else 'the audio'}"
                         for source in self._sources)


class _Source:
    """One kind of features."""

    def __init__(self, extractor: Extractor, data: Path | None):
        self.extractor = extractor
        path = None if data is None else data / extractor.name
        stored = path is not None and (path / DESCRIPTION).is_file()
        self.store = FeatureStore.open(path, {"options": extractor.options}) if stored else None

    def features(self, key: str, samples: np.ndarray | None) -> np.ndarray:
        from steps.features.extractor import CannotCompute

        if self.store is None:
            return self.extractor.extract(samples)
        try:
            return self.store[key]
        except KeyError as error:
            raise CannotCompute(str(error.args[0])) from error


def cepstra_of(name: str, options: Mapping[str, Any]) -> Mfcc:
    """The cepstra with the options that an extractor was trained with, whatever conf/ says today."""
    return Mfcc(name, MfccConfig(**options))
