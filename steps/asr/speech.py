"""What a recogniser is trained on: the train and dev parts of a data set, or lazily read sets of thousands of hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lhotse import CutSet
from lhotse.cut import Cut

from steps.asr.config import AsrConfig
from steps.asr.data import ComputedFeatures, FeatureSource, StoredFeatures, text_of
from steps.data.dataset import Dataset
from steps.features import registry
from steps.features.normalise import Moments
from steps.features.store import FeatureStore
from steps.training.random_state import shuffled
from utils.errors import UserError
from utils.files import read_json

SPEED_STORES = {1.0: "{}", 0.9: "{}_slow", 1.1: "{}_fast"}
SET_ABOUT = "speech.json"  # of a lazily read set: {"seconds": ..., "utterances": ..., "corpus": ...}
MOMENTS_OF = 500  # training utterances whose features give mean and deviation


@dataclass
class Speech:
    """Training cuts (may be lazy) and the dev part.

    Attributes:
        seconds: total duration of `cuts`. features: name of the features.
        left_out: reason -> ids of training utterances that cannot be used, of a set that was looked through.
    """

    cuts: CutSet
    seconds: float
    source: FeatureSource
    features: str
    dev: list[Cut]
    trained_on: list[dict[str, Any]]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def texts(self) -> Iterator[str]:
        """The normalised transcripts of the training part."""
        return (text_of(cut) for cut in self.cuts)

    def moments(self, seed: int, lazy: bool) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (F,) of some training utterances: the first of a lazy set, random ones of another."""
        chosen: list[Cut] = []
        if lazy:
            for cut, _ in zip(self.cuts, range(MOMENTS_OF), strict=False):
                chosen.append(cut)
        else:
            ids = shuffled((cut.id for cut in self.cuts), seed, 0)[:MOMENTS_OF]
            chosen = [self.cuts[key] for key in sorted(ids)]
        moments = Moments()
        for cut in chosen:
            moments.add(self.source.features(cut, 1.0))
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
            raise UserError(f"augmentation.speeds has {speed}; features are stored at {', '.join(map(str, SPEED_STORES))}", 2)
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
    return Speech(CutSet.from_cuts(kept), sum(cut.duration for cut in kept), source, features,
                  dev[:config.dev_utterances], [describe_training(data, [cut.id for cut in kept], "recogniser")], left_out)


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
    """Sets on disk, read lazily: directories of lhotse shar, each with speech.json; features are computed on the fly.

    Several sets are mixed in proportion to their duration, so that a buffer holds something of each.
    """
    about = [read_set_about(path) for path in train]
    weights = [max(1e-6, float(entry["seconds"])) for entry in about]
    opened = [open_set(path) for path in train]
    cuts = opened[0] if len(opened) == 1 else CutSet.mux(*opened, weights=weights, seed=0)
    low, high = config.sampling.min_seconds, config.sampling.max_seconds
    cuts = cuts.filter(_Between(low, high))
    listened = [cut for path in dev for cut, _ in zip(open_set(path), range(config.dev_utterances), strict=False)]
    return Speech(cuts, sum(weights), ComputedFeatures(registry.create(features)), features,
                  listened[:config.dev_utterances], [record for entry in about for record in entry.get("trained_on", [])])


class _Between:
    """A filter that can be sent to worker processes."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    def __call__(self, cut: Cut) -> bool:
        return self.low <= cut.duration <= self.high


def read_set_about(path: Path) -> dict[str, Any]:
    """speech.json of a set.

    Raises:
        UserError: missing; says what makes it.
    """
    if not (path / SET_ABOUT).is_file():
        raise UserError(f"{path} is no set of speech: {SET_ABOUT} is missing; steps/export_shar.sh makes one", 2)
    return read_json(path / SET_ABOUT)


def open_set(path: Path) -> CutSet:
    """A lazily read set: shar fields if there are any, else cuts.jsonl.gz."""
    if any(path.glob("cuts.0*.jsonl*")):
        return CutSet.from_shar(in_dir=path, seed=0)
    return CutSet.from_jsonl_lazy(path / "cuts.jsonl.gz")
