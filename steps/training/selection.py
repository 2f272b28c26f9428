"""The best epoch of a training by its dev metric, with the weights that it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from steps.training.config import MINIMIZED, TrainingConfig
from utils.errors import UserError

Metrics = dict[str, float]


class Selection:
    """Keeps the weights of the best epoch; without a dev part it counts the last epoch as the best.

    Attributes:
        epoch: the best so far, counted from 1; 0: none yet. metrics: its dev metrics.
        weights: a copy of its weights; None where nothing is judged.
    """

    def __init__(self, config: TrainingConfig, judged: bool):
        self.metric, self.patience, self.judged = config.metric, config.patience, judged
        self.epoch = 0
        self.metrics: Metrics = {}
        self.weights: dict[str, Tensor] | None = None

    def offer(self, epoch: int, row: Mapping[str, Any], kept: nn.Module) -> bool:
        """Copy the weights of `kept` if this epoch is the best so far; equal is not better.

        Args:
            row: of the learning curve; the dev metrics are its entries `dev_<metric>`.
        """
        metrics = {key.removeprefix("dev_"): value for key, value in row.items()
                   if key.startswith("dev_")}
        if self.judged and self.epoch:
            new, old = self._value(metrics), self._value(self.metrics)
            if not (new < old if self.metric in MINIMIZED else new > old):
                return False
        self.epoch, self.metrics = epoch, metrics
        if self.judged:
            self.weights = {key: value.detach().clone() for key, value in kept.state_dict().items()}
        return self.judged

    def exhausted(self, epoch: int) -> bool:
        """Whether `patience` epochs up to this one brought nothing better."""
        counts = self.judged and self.patience > 0 and self.epoch > 0
        return counts and epoch - self.epoch >= self.patience

    def _value(self, metrics: Metrics) -> float:
        if self.metric not in metrics:
            raise UserError(f"training.metric is {self.metric}; the dev metrics are "
                            f"{', '.join(metrics)}", 2)
        return metrics[self.metric]
