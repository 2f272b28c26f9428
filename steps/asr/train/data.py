"""Batches of speech for the trainer; features from archives or computed on the fly.

What an epoch gives is a function of (durations, configuration, seed, epoch, number of processes). Which utterances form
a batch is planned from durations alone (epoch_plan.py), in the main process; workers only load, so that nothing depends
on them, and a resumed epoch passes over what was consumed without reading it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from steps.asr.config import AugmentationConfig, SamplingConfig
from steps.asr.model import batch_of
from steps.asr.phones.state_alignment import StateAlignment
from steps.asr.train.augment import add_noise, stationary_noise
from steps.asr.train.epoch_plan import EpochPlan
from steps.asr.units import Units
from steps.features.extractor import Extractor
from steps.features.masking import spec_augment
from steps.features.store import FeatureStore
from steps.text.normal_form import normalize
from steps.training.distributed import World
from steps.training.random_state import derive, generator


class Cut(Protocol):
    """What is asked of an utterance: a lhotse cut, or lazy_cuts.LazyCut."""

    id: str
    duration: float
    sampling_rate: int
    supervisions: Sequence[Any]

    def load_audio(self) -> np.ndarray:
        """float32 (channels, samples)."""


class FeatureSource(Protocol):
    """Where the features of a cut come from. options: of the extractor."""

    options: dict[str, Any]

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        """float32 (T, F) of the cut spoken `speed` times as fast."""


class StoredFeatures:
    """From archives, one for each speed."""

    def __init__(self, stores: Mapping[float, FeatureStore]):
        self.stores = stores
        self.options: dict[str, Any] = stores[1.0].description["options"]

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        return np.asarray(self.stores[speed][cut.id])


class ComputedFeatures:
    """From the audio, by an extractor (on the fly)."""

    def __init__(self, extractor: Extractor):
        self.extractor = extractor
        self.options = extractor.options

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        from steps.data.audio import resample

        samples = resample(cut.load_audio().mean(axis=0), cut.sampling_rate)
        return self.extractor.extract(resample(samples, round(100 * speed), 100))


def text_of(cut: Cut) -> str:
    """The normalized transcript."""
    supervision = cut.supervisions[0]
    return normalize(supervision.text or "", supervision.language)


class SpeechDataset(torch.utils.data.Dataset):
    """Numbers of the cuts of one batch -> padded tensors, see batch_of."""

    def __init__(self, cuts: Sequence[Any], source: FeatureSource, units: Units, augmentation: AugmentationConfig,
                 seed: int, epoch: int, alignment: StateAlignment | None = None):
        self.cuts, self.source, self.units, self.augmentation = cuts, source, units, augmentation
        self.alignment = alignment
        self.seed, self.epoch = seed, epoch

    def __getitem__(self, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        cuts = [self.cuts[int(number)] for number in numbers]
        features = [self.source.features(cut, self._speed(cut)) for cut in cuts]
        augmented = [self._augment(position, cut, features) for position, cut in enumerate(cuts)]
        batch = batch_of(augmented, [self.units.encode(text_of(cut)) for cut in cuts])
        if self.alignment is not None:
            rows = [torch.from_numpy(self.alignment.at_output(cut.id, len(frames), self._speed(cut)))
                    for cut, frames in zip(cuts, features, strict=True)]
            batch["states"] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        return batch

    def _speed(self, cut: Cut) -> float:
        speeds = self.augmentation.speeds
        return speeds[derive(self.seed, "speed", self.epoch, cut.id) % len(speeds)]

    def _augment(self, position: int, cut: Cut, features: Sequence[np.ndarray]) -> np.ndarray:
        options, random = self.augmentation, generator(self.seed, "augment", self.epoch, cut.id)
        mine = features[position]
        if random.random() < options.noise_probability:
            snr = random.uniform(options.snr_low, options.snr_high)
            if random.random() < 0.5 and len(features) > 1:
                other = features[(position + 1 + int(random.integers(len(features) - 1))) % len(features)]
            else:
                other = stationary_noise(len(mine), mine.shape[1], random)
            mine = add_noise(mine, other, snr)
        return spec_augment(mine, options, random)


class SpeechBatches:
    """See steps/training/trainer.py `Batches`.

    Args:
        cuts: indexable; read when their batch comes. seconds: their durations (N,).
        shards: (first, end) numbers of cuts that lie together on disk; one shard where they lie in memory.
    """

    def __init__(self, cuts: Sequence[Any], seconds: np.ndarray, shards: Sequence[tuple[int, int]],
                 source: FeatureSource, units: Units, sampling: SamplingConfig, augmentation: AugmentationConfig,
                 seed: int, world: World | None = None, alignment: StateAlignment | None = None):
        self.cuts, self.source, self.units, self.alignment = cuts, source, units, alignment
        self.sampling, self.augmentation, self.seed = sampling, augmentation, seed
        self.world = world or World()
        self.plan = EpochPlan(seconds, shards, max_duration=sampling.max_duration, buckets=sampling.buckets,
                              window=sampling.window, shortest=sampling.min_seconds, longest=sampling.max_seconds,
                              world=self.world.size, seed=seed)
        self._counts: dict[int, int] = {}

    def count(self, epoch: int) -> int:
        """Batches of this process; planned whole, which takes seconds for millions of cuts."""
        if epoch not in self._counts:
            self._counts = {epoch: sum(1 for _ in self.plan.groups(epoch))}
        return self._counts[epoch]

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, torch.Tensor]]:
        """The batches of this process from number `start` on."""
        dataset = SpeechDataset(self.cuts, self.source, self.units, self.augmentation, self.seed, epoch,
                                self.alignment)
        planned = self.plan.batches(epoch, self.world.rank, start)
        if self.sampling.workers == 0:
            yield from (dataset[numbers] for numbers in planned)
            return
        loader: Any = torch.utils.data.DataLoader(dataset, batch_size=None, sampler=_Once(planned),
                                                  num_workers=self.sampling.workers)
        yield from loader


class _Once(torch.utils.data.Sampler):
    """An iterator as a sampler that is iterated once."""

    def __init__(self, iterator: Iterator[Any]):
        self.iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        return self.iterator


def needed_frames(target: Sequence[int]) -> int:
    """The fewest output frames that CTC needs: one a unit, and a blank between equal neighbors."""
    return len(target) + sum(a == b for a, b in itertools.pairwise(target))
