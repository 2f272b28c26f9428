"""Batches of speech for the trainer: lhotse cuts, lazily; features from an archive or computed on the fly.

What an epoch gives is a function of (cuts, configuration, seed, epoch, number of processes). The sampler runs in the
main process and workers only load, so that nothing depends on them; a resumed epoch passes over the batches that were
consumed, which reads manifests and no audio.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from lhotse import CutSet
from lhotse.cut import Cut
from lhotse.dataset.sampling import DynamicBucketingSampler

from steps.asr.augment import add_noise, spec_augment, stationary_noise
from steps.asr.config import AugmentationConfig, SamplingConfig
from steps.asr.text import normalise
from steps.asr.units import Units
from steps.features.extractor import Extractor
from steps.features.store import FeatureStore
from steps.training.distributed import World
from steps.training.random_state import derive, generator


class FeatureSource(Protocol):
    """Where the features of a cut come from."""

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        """float32 (T, F) of the cut spoken `speed` times as fast."""


class StoredFeatures:
    """From archives, one for each speed."""

    def __init__(self, stores: Mapping[float, FeatureStore]):
        self.stores = stores

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        return np.asarray(self.stores[speed][cut.id])


class ComputedFeatures:
    """From the audio, by an extractor (on the fly)."""

    def __init__(self, extractor: Extractor):
        self.extractor = extractor

    def features(self, cut: Cut, speed: float) -> np.ndarray:
        from steps.data.audio import resample

        samples = resample(cut.load_audio().mean(axis=0), cut.sampling_rate)
        return self.extractor.extract(resample(samples, round(100 * speed), 100))


def batch_of(features: Sequence[np.ndarray], targets: Sequence[Sequence[int]] = ()) -> dict[str, torch.Tensor]:
    """Pad: "features" (N, T, F), "lengths" (N,), "targets" (S,) one utterance after the other, "target_lengths" (N,)."""
    lengths = torch.tensor([len(rows) for rows in features])
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for row, values in zip(padded, features, strict=True):
        row[:len(values)] = torch.from_numpy(np.array(values, dtype=np.float32))
    return {"features": padded, "lengths": lengths,
            "targets": torch.tensor([unit for target in targets for unit in target], dtype=torch.int64),
            "target_lengths": torch.tensor([len(target) for target in targets], dtype=torch.int64)}


def text_of(cut: Cut) -> str:
    """The normalised transcript."""
    supervision = cut.supervisions[0]
    return normalise(supervision.text or "", supervision.language)


class SpeechDataset(torch.utils.data.Dataset):
    """CutSet of one batch -> padded tensors, see batch_of."""

    def __init__(self, source: FeatureSource, units: Units, augmentation: AugmentationConfig, seed: int, epoch: int):
        self.source, self.units, self.augmentation = source, units, augmentation
        self.seed, self.epoch = seed, epoch

    def __getitem__(self, cuts: CutSet) -> dict[str, torch.Tensor]:
        cuts = list(cuts)
        features = [self.source.features(cut, self._speed(cut)) for cut in cuts]
        augmented = [self._augment(position, cut, features) for position, cut in enumerate(cuts)]
        return batch_of(augmented, [self.units.encode(text_of(cut)) for cut in cuts])

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
    """See steps/training/trainer.py `Batches`. The number of batches of a lazy set is an estimate.

    Args:
        cuts: may be lazy. seconds: their total duration, for the estimate.
    """

    estimated = True

    def __init__(self, cuts: CutSet, seconds: float, source: FeatureSource, units: Units, sampling: SamplingConfig,
                 augmentation: AugmentationConfig, seed: int, world: World | None = None, shuffle: bool = True):
        self.cuts, self.seconds, self.source, self.units = cuts, seconds, source, units
        self.sampling, self.augmentation, self.seed = sampling, augmentation, seed
        self.world, self.shuffle = world or World(), shuffle

    def count(self, epoch: int) -> int:
        """An estimate: buckets fill their batches to about nine tenths."""
        return max(1, math.ceil(self.seconds / (0.9 * self.sampling.max_duration) / self.world.size))

    def sampler(self, epoch: int) -> DynamicBucketingSampler:
        """The sampler of one epoch, this process's share."""
        options = self.sampling
        sampler = DynamicBucketingSampler(
            self.cuts, max_duration=options.max_duration, num_buckets=options.buckets, shuffle=self.shuffle,
            buffer_size=options.buffer, shuffle_buffer_size=options.buffer, seed=derive(self.seed, "order") % 2**31,
            world_size=self.world.size, rank=self.world.rank, drop_last=False)
        sampler.set_epoch(epoch)
        return sampler

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, torch.Tensor]]:
        """The batches of this process from number `start` on."""
        dataset = SpeechDataset(self.source, self.units, self.augmentation, self.seed, epoch)
        rest = itertools.islice(iter(self.sampler(epoch)), start, None)
        if self.sampling.workers == 0:
            yield from (dataset[cuts] for cuts in rest)
            return
        loader: Any = torch.utils.data.DataLoader(dataset, batch_size=None, sampler=_Once(rest),
                                                  num_workers=self.sampling.workers)
        yield from loader


class _Once(torch.utils.data.Sampler):
    """An iterator as a sampler that is iterated once."""

    def __init__(self, iterator: Iterator[CutSet]):
        self.iterator = iterator

    def __iter__(self) -> Iterator[CutSet]:
        return self.iterator


def needed_frames(target: Sequence[int]) -> int:
    """The fewest output frames that CTC needs: one a unit, and a blank between equal neighbours."""
    return len(target) + sum(a == b for a, b in itertools.pairwise(target))
