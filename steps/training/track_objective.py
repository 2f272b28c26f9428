"""Objectives of networks that predict a value at every step of time: squared error, and
concordance.

A batch is {"x": (N, T, F), "lengths": (N,), "targets": target -> (N, T or more)}: labels are NaN
behind the end of an item and where there is none, and have no share in a loss. The network predicts
(N, T, targets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steps.training.objective import Objective


class TrackObjective(Objective):
    """The mean of the losses of the targets.

    Args:
        network: (x, lengths) -> standardized values (N, T, targets); `mean` and `std` (targets,)
            are its scale.
        targets: in the order of its outputs.
    """

    def __init__(self, network: nn.Module, targets: Sequence[str]):
        super().__init__(network)
        self.targets = tuple(targets)

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """{"loss": mean over the steps of all items, "items": their number, "loss_<target>":
        ...}."""
        found = self.network(batch["x"], batch["lengths"]).float()
        steps = int(batch["lengths"].sum())
        mean, std = self.network.mean, self.network.std
        parts: dict[str, Tensor] = {}
        for number, name in enumerate(self.targets):
            labels = batch["targets"][name][:, :found.shape[1]]
            wanted = (labels - mean[number]) / std[number]  # type: ignore[index]
            parts[f"loss_{name}"] = self.of_target(found[:, :, number], wanted, steps)
        return {"loss": torch.stack(list(parts.values())).mean(), "items": steps, **parts}

    def of_target(self, predictions: Tensor, labels: Tensor, steps: int) -> Tensor:
        """Scalar: the loss of standardized predictions and labels (N, T), of `steps` real steps."""
        raise NotImplementedError


class SquaredError(TrackObjective):
    """The mean squared error over the real steps. A step without label counts as an error of 0, so
    that the mean over batches is the mean over steps, however the labels fall into batches."""

    def of_target(self, predictions: Tensor, labels: Tensor, steps: int) -> Tensor:
        return squared_error(predictions, labels) / max(1, steps)


class Concordance(TrackObjective):
    """1 - CCC of all labelled steps of the batch together: no mean over items."""

    additive = False

    def of_target(self, predictions: Tensor, labels: Tensor, steps: int) -> Tensor:
        return 1 - concordance(predictions, labels)


OBJECTIVES = {"mse": SquaredError, "ccc": Concordance}


def squared_error(predictions: Tensor, labels: Tensor) -> Tensor:
    """Scalar: the sum of the squared errors over the steps that have a label."""
    known = ~torch.isnan(labels)
    return torch.where(known, predictions - torch.nan_to_num(labels), 0.0).square().sum()


def concordance(predictions: Tensor, labels: Tensor) -> Tensor:
    """Scalar: the CCC of all labelled steps of all items together (Lin, Biometrics 1989); 0 without
    a label."""
    known = ~torch.isnan(labels)
    p, y = predictions[known].double(), labels[known].double()
    if not len(y):
        return predictions.sum() * 0.0  # 0, with a gradient of 0
    p_mean, y_mean = p.mean(), y.mean()
    p, y = p - p_mean, y - y_mean
    covariance = (p * y).mean()
    spread = p.square().mean() + y.square().mean() + (p_mean - y_mean).square()
    return (2 * covariance / spread.clamp(min=1e-12)).to(predictions.dtype)
