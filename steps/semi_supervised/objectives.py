"""The objective that a configuration names, and the batches that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from steps.semi_supervised.batches import Inputs, WithUnlabelled
from steps.semi_supervised.config import OBJECTIVES, SUPERVISED, ObjectiveOptions
from steps.training.objective import Objective, Supervised
from steps.training.trainer import Batches
from utils.imports import imported


def make_objective(config: ObjectiveOptions, network: nn.Module, task: str) -> Objective:
    """
    Args:
        task: the main one of the network.
    """
    if config.objective == SUPERVISED:
        return Supervised(network)
    objective: Any = imported(OBJECTIVES[config.objective])
    options = getattr(config, config.objective)
    return objective(network, options, task)  # type: ignore[no-any-return]


def make_batches(config: ObjectiveOptions, labelled: Batches, ids: Sequence[str],
                 inputs: Inputs | None,
                 seed: int) -> Batches:
    """`labelled` where nothing else is needed, or with views of unlabelled utterances.

    Args:
        ids: of the labelled utterances. inputs: of the unlabelled ones; None where the objective is
            supervised.
    """
    if inputs is None:
        return labelled
    return WithUnlabelled(labelled, ids, inputs, getattr(config, config.objective), seed,
                          f"training.{config.objective}")
