"""The options of networks as kinds of subsystem, and what they take: all that a plan needs to know, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from steps.asr.units import UnitsConfig
from steps.examples.tasks import TARGETS
from steps.models.config import (
    AttentionRnnConfig,
    ContextBigruConfig,
    ImageCnnConfig,
    LeafCnnConfig,
    MultitaskDnnConfig,
    SpectrogramNetworkConfig,
    TextBigruConfig,
    WaveformCnnConfig,
)
from steps.semi_supervised.config import ObjectiveOptions
from steps.subsystems.contract import ExperimentConfig
from steps.text.source import ASR, SOURCES
from steps.training.config import TrainingConfig
from utils.config import option


@dataclass
class NetworkTraining(ObjectiveOptions, TrainingConfig):
    """How a network is trained as a subsystem; see steps/examples/tasks.py."""

    per_unit: int = option(0, min=0, max=10**9,
                           help="utterances that an epoch draws of each dialogue or session that carries a "
                           "label, so that long ones have no more weight; 0: all")
    backbone_lr_scale: float = option(1.0, min=0.0, max=1.0, help="learning rate of the trunk as a share of the "
                                      "heads'; for a network that starts from another model; 0: its weights stay as "
                                      "they are")
    workers: int = option(0, min=0, max=64, help="threads that read frames ahead of training; 0: they are read when "
                          "wanted. No score depends on it")
    targets: str = option("labels", choices=TARGETS, help="what the main task learns: the label, or the annotators' "
                          "votes for each class (emotion_votes)")


@dataclass
class NetworkConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    model: MultitaskDnnConfig = field(default_factory=MultitaskDnnConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class FramesConfig:
    """How a network sees frames, and what hides some of them in training.

    `stack` frames side by side become one, and of these every `every`-th is kept: 3 and 3 give a third of the steps of
    recurrence with nothing lost.
    """

    stack: int = option(1, min=1, max=100, help="consecutive frames that become one vector")
    stride: int = option(1, min=1, max=100, help="every so many-th of these vectors is kept")
    normalize_utterance: bool = option(False, help="z-normalize each utterance on itself, after --norms")
    frequency_masks: int = option(0, min=0, max=100)
    max_frequency_mask_bins: int = option(10, min=0, max=10000, help="widest mask, columns")
    time_masks: int = option(0, min=0, max=1000)
    max_time_mask_fraction: float = option(0.1, min=0.0, max=1.0, help="widest mask, share of the utterance")

    @property
    def masked(self) -> bool:
        return self.frequency_masks > 0 or self.time_masks > 0


@dataclass
class SequenceNetworkConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    frames: FramesConfig = field(default_factory=FramesConfig)
    model: AttentionRnnConfig = field(default_factory=AttentionRnnConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class ContextBigruExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    model: ContextBigruConfig = field(default_factory=ContextBigruConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class SamplesConfig:
    """How a network sees a recording."""

    normalize_utterance: bool = option(True, help="mean 0 and deviation 1 over each utterance, so that its level does "
                                       "not count")


@dataclass
class WaveformExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    frames: SamplesConfig = field(default_factory=SamplesConfig)
    model: WaveformCnnConfig = field(default_factory=WaveformCnnConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class LeafSamplesConfig(SamplesConfig):
    """In training the recordings of a batch have one length, so that batch norm sees no padding."""

    max_seconds: float = option(0.0, min=0.0, max=3600.0,
                                help="of a recording that a training step sees at most; 0: no limit")


@dataclass
class LeafCnnExperimentConfig(ExperimentConfig):
    """As WaveformExperimentConfig, of LEAF-CNN."""

    frames: LeafSamplesConfig = field(default_factory=LeafSamplesConfig)
    model: LeafCnnConfig = field(default_factory=LeafCnnConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class ImagesConfig:
    """How a network sees the images of an utterance."""

    flip: bool = option(True, help="in training half of the utterances are mirrored")
    most: int = option(0, min=0, max=10**6, help="images that a training step sees of an utterance at most, evenly "
                       "spaced; 0: all")


@dataclass
class ImageExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    frames: ImagesConfig = field(default_factory=ImagesConfig)
    model: ImageCnnConfig = field(default_factory=ImageCnnConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class TextNetworkConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev; the units are
    learned anew on both."""

    source: str = option(ASR, choices=SOURCES, help="asr: the recognizer's text; nbest: the likeliest text of its "
                         "n-best list; reference: the reference text, an upper bound")
    units: UnitsConfig = field(default_factory=lambda: UnitsConfig(vocabulary=2000))
    max_units: int = option(256, min=1, max=10**6, help="units of a text that are read; what follows is cut off")
    unit_dropout: float = option(0.0, min=0.0, max=0.9, help="share of the units that training replaces by the "
                                 "unknown one")
    model: TextBigruConfig = field(default_factory=TextBigruConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)


@dataclass
class SpectrogramFramesConfig(FramesConfig):
    """In training the utterances of a batch have one length, so that batch norm never sees padding.

    The shortest is what leaves a trunk that divides time by 32 one frame; of less, the bfloat16 gradient of a strided
    convolution is not a number on a CPU (torch 2.13).
    """

    min_crop: int = option(32, min=1, max=10**6,
                           help="frames of an utterance that a training step sees at least, by repetition")
    max_crop: int = option(0, min=0, max=10**6,
                          help="frames of an utterance that a training step sees at most; 0: no limit")


@dataclass
class SpectrogramNetworkExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    frames: SpectrogramFramesConfig = field(default_factory=SpectrogramFramesConfig)
    model: SpectrogramNetworkConfig = field(default_factory=SpectrogramNetworkConfig)
    training: NetworkTraining = field(default_factory=NetworkTraining)
