"""The options of the GRU on tracks, and what it takes, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from steps.models.config import TrackGruConfig
from steps.subsystems.contract import ExperimentConfig
from steps.training.config import TrainingConfig
from utils.config import option


@dataclass
class TrackTraining(TrainingConfig):
    """`metric` CCC is the mean over the targets of the CCC over the concatenation of dev's
    items."""

    metric: str = option("CCC", choices=("CCC", "loss"))
    loss: str = option("mse", choices=("mse", "ccc"),
                       help="squared error of each step, or 1 - CCC of all steps of a batch, which "
                       "takes one process and accumulate 1")


@dataclass
class TrackGruExperimentConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on
    dev."""

    model: TrackGruConfig = field(default_factory=TrackGruConfig)
    training: TrackTraining = field(default_factory=TrackTraining)
