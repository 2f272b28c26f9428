"""Options of semi-supervised training, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

from utils.config import group_type, option
from utils.errors import UsageError

# Objectives that learn from unlabelled utterances, too: name -> class, made with (network, its
# options, main task).
OBJECTIVES = {"fixmatch": "steps.semi_supervised.fixmatch:FixMatch"}
SUPERVISED = "supervised"


@dataclass
class ViewsConfig:
    """Which unlabelled utterances a batch has, and the two views of each.

    `weak` and `strong` are lists of one-key mappings `name: size`, see
    steps/semi_supervised/views.py.
    """

    ratio: int = option(4, min=1, max=1000,
                        help="unlabelled utterances in a batch for each labelled one")
    passes: int = option(0, min=0, max=10**6,
                         help="times that an epoch goes through the labelled utterances; 0: as "
                         "often as it takes to see as many unlabelled ones as there are")
    weak: list[dict[str, float]] = option([{"noise": 0.05}], min=0.0, max=100.0)
    strong: list[dict[str, float]] = option([{"noise": 0.3}, {"drop": 0.2}], min=0.0, max=100.0,
                                            least=1)


@dataclass
class FixMatchConfig(ViewsConfig):
    """FixMatch (Sohn et al., NeurIPS 2020): a confident guess on a weakly changed utterance is the
    label of a strongly changed copy."""

    threshold: float = option(0.95, min=0.0, max=1.0,
                              help="least posterior of a guess that counts as a label")
    weight: float = option(1.0, min=0.0, max=1000.0, help="of the loss on unlabelled utterances")


@dataclass
class SelfTrainingConfig:
    """Rounds of self-training, see steps/semi_supervised/self_training.py."""

    rounds: int = option(2, min=1, max=100,
                         help="after the first, which learns from the labels alone")
    threshold: float = option(0.8, above=0.0, max=1.0,
                              help="least posterior of a guess that counts as a label")
    most: int = option(0, min=0, max=10**9, help="guesses of each class that count at most; 0: all")


@dataclass
class ObjectiveOptions:
    """What a training minimizes. The options of an objective stand in the group of its name; null:
    it is not chosen."""

    objective: str = option(SUPERVISED, choices=(SUPERVISED, *OBJECTIVES))
    fixmatch: FixMatchConfig | None = None

    def __post_init__(self) -> None:
        for name in OBJECTIVES:
            if name == self.objective:
                setattr(self, name,
                        getattr(self, name) or group_type(get_type_hints(type(self))[name])())
            elif getattr(self, name) is not None:
                raise UsageError(f"training.{name} has options, but training.objective is "
                                 f"{self.objective}: set training.objective={name}, or leave them "
                                 "out")
