"""What a recognizer is trained on: the train and dev parts of a data set, or lazily read sets of thousands of hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steps.asr.config import AsrConfig
from steps.asr.large.lazy_cuts import SpeechSets
from steps.asr.train.data import ComputedFeatures, Cut, FeatureSource, StoredFeatures, text_of
from steps.data.dataset import Dataset
from steps.features import registry
from steps.features.normalize import Moments
from steps.features.store import FeatureStore
from steps.training.random_state import generator
from utils.errors import UserError

SPEED_STORES = {1.0: "{}", 0.9: "{}_slow", 1.1: "{}_fast"}
MOMENTS_OF = 500  # training utterances whose features give mean and deviation


@dataclass
class Speech:
    """Training cuts, in memory or on disk, and the dev part.

    Attributes:
        seconds: durations of `cuts` (N,). shards: (first, end) numbers of cuts that lie together.
        features: name of the features. trained_on: records for the leak audit (steps/data/trained_on.py).
        left_out: reason -> ids of training utterances that cannot be used.
    """

    cuts: Sequence[Cut]
    seconds: np.ndarray
    shards: Sequence[tuple[int, int]]
    source: FeatureSource
    features: str
    dev: list[Cut]
    trained_on: list[dict[str, Any]]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def texts(self) -> Iterator[str]:
        """The normalized transcripts of the training part."""
        return (text_of(self.cuts[number]) for number in range(len(self.cuts)))

    def moments(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (F,) over random training utterances."""
        count = len(self.cuts)
        chosen = generator(seed, "moments").choice(count, min(count, MOMENTS_OF), replace=False)
        moments = Moments()
        for number in np.sort(chosen).tolist():
            moments.add(self.source.features(self.cuts[number], 1.0))
        return moments.mean.astype(np.float32), np.maximum(moments.std, 1e-3).astype(np.float32)


def of_dataset(path: Path, protocol: str, features: str, config: AsrConfig) -> Speech:
    """Fold 1 of a protocol of a prepared data set, with features in archives beside it.

    Raises:
        UserError: a part without transcripts, or features of a speed that were not extracted.
    """
    from steps.data.trained_on import describe_training

    data = Dataset.open(path)
    split, items = data.split(protocol), data.items
    cuts = {cut.id: cut for cut in data.cuts()}
    stores = {}
    for speed in sorted({1.0, *config.augmentation.speeds}):
        if speed not in SPEED_STORES:
            raise UserError(f"augmentation.speeds has {speed}; features are stored at speeds "
                            f"{', '.join(map(str, SPEED_STORES))}", 2)
        stores[speed] = FeatureStore.open(path / SPEED_STORES[speed].format(features))
    source = StoredFeatures(stores)
    left_out: dict[str, list[str]] = {}
    kept = []
    for key in split.ids(1, "train"):
        reason = _unusable(cuts[key], config, all(key in store for store in stores.values()))
        if reason:
            left_out.setdefault(reason, []).append(key)
        else:
            kept.append(cuts[key])
    if not kept:
        raise UserError(f"{path}, protocol {protocol}: no training utterance can be used; " + "; ".join(
            f"{reason}: {len(keys)}, the first {keys[0]}" for reason, keys in left_out.items()))
    dev = [cuts[key] for key in split.ids(1, "dev") if key in stores[1.0] and items[key].text]
    records = [describe_training(data, [cut.id for cut in kept], "recognizer")]
    return Speech(kept, np.array([cut.duration for cut in kept]), [(0, len(kept))], source, features,
                  dev[:config.dev_utterances], records, left_out)


def _unusable(cut: Cut, config: AsrConfig, has_features: bool) -> str:
    """Why a training utterance cannot be used; "" if it can."""
    if not text_of(cut):
        return "empty transcript"
    if cut.duration < config.sampling.min_seconds:
        return f"shorter than {config.sampling.min_seconds} s"
    if cut.duration > config.sampling.max_seconds:
        return f"longer than {config.sampling.max_seconds} s"
    return "" if has_features else "no features"


def of_sets(train: Sequence[Path], dev: Sequence[Path], features: str, config: AsrConfig) -> Speech:
    """Sets on disk (lazy_cuts.py), of thousands of hours: features are computed on the fly."""
    sets, listened = SpeechSets(train), SpeechSets(dev)
    records = [record for part in sets.sets for record in part.about.get("trained_on", [])]
    return Speech(sets, sets.seconds, sets.shards, ComputedFeatures(registry.create(features)), features,
                  [listened[number] for number in spread(len(listened), config.dev_utterances)], records)


def spread(count: int, most: int) -> list[int]:
    """At most `most` numbers below `count`, evenly spread, so that each of several sets has its share."""
    return [number * count // min(count, most) for number in range(min(count, most))]
