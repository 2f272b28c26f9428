"""Options of a recognizer: conf/asr_small.yaml, conf/asr_base.yaml, conf/asr_large.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field

from steps.asr.units import UnitsConfig
from steps.models.config import ConformerConfig
from steps.training.config import TrainingConfig
from utils.config import option


@dataclass
class AugmentationConfig:
    """What is done to the features of a training utterance; every choice derives from (seed, epoch, id).

    Speed perturbation (Ko et al. 2015), noise added in the mel domain, SpecAugment (Park et al. 2019) without warping.
    """

    speeds: list[float] = option([0.9, 1.0, 1.1], least=1, min=0.5, max=2.0, help="one is drawn an epoch; [1.0]: none")
    noise_probability: float = option(0.3, min=0.0, max=1.0, help="half of it stationary noise, half other speakers")
    snr_low: float = option(10.0, min=-20.0, max=60.0, help="dB")
    snr_high: float = option(30.0, min=-20.0, max=60.0, help="dB")
    frequency_masks: int = option(2, min=0, max=100)
    max_frequency_mask_bins: int = option(20, min=0, max=10000, help="widest mask, mel bins")
    time_masks: int = option(6, min=0, max=1000)
    max_time_mask_fraction: float = option(0.05, min=0.0, max=1.0, help="widest mask, share of the utterance")


@dataclass
class SamplingConfig:
    """Batches of like length (epoch_plan.py)."""

    max_duration: float = option(150.0, min=1.0, max=1e6,
                                 help="seconds, padding included, of a batch of one process; lower it "
                                 "if memory ends")
    buckets: int = option(20, min=1, max=10000)
    window: int = option(100_000, min=1, max=10**9, help="utterances that are shuffled at a time")
    min_seconds: float = option(0.3, min=0.0, max=1e6, help="shorter utterances are left out, and counted")
    max_seconds: float = option(20.0, min=0.1, max=1e6, help="longer utterances are left out, and counted")
    workers: int = option(0, min=0, max=64, help="processes that load and augment")


@dataclass
class AsrConfig:
    """A CTC recognizer and its training."""

    units: UnitsConfig = field(default_factory=UnitsConfig)
    model: ConformerConfig = field(default_factory=ConformerConfig)
    intermediate: float = option(0.3, min=0.0, max=0.9, help="weight of the CTC loss half-way up (Lee & Watanabe 2021)")
    alignment: float = option(0.3, min=0.0, max=1000.0,
                              help="weight of the phone states' loss, where an alignment is given")
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    average: list[int] = option([1, 5, 10], least=1, min=1, max=10000,
                                help="numbers of last epochs to average; dev chooses")
    engine: str = option("auto", choices=("auto", "k2", "torch"))
    dev_utterances: int = option(2000, min=1, max=10**9, help="at most so many dev utterances are decoded an epoch")
