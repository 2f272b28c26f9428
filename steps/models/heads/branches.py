"""One branch a task over a shared representation, and their weighted loss (Tao, Liu & Zhao, ICASSP 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

NO_LABEL = -1


class TaskBranches(nn.Module):
    """For each task hidden layers of ReLU and a linear layer to its classes (the softmax is in the loss).

    Args:
        inputs: width of the shared representation.
        classes: task -> number of classes.
        hidden: widths of the hidden layers of each branch, e.g. (1024,).
        weights: task -> weight of its loss.
        class_weights: task -> (C,) weight of each class; a task that is not there has equal classes.
    """

    def __init__(self, inputs: int, classes: Mapping[str, int], hidden: Sequence[int], weights: Mapping[str, float],
                 dropout: float = 0.0, class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.weights = {task: float(weights[task]) for task in classes}
        self.branches = nn.ModuleDict({task: branch(inputs, hidden, count, dropout) for task, count in classes.items()})
        for task in classes:
            # Not persistent: they come from the training labels, not from training.
            self.register_buffer(f"class_weight_{task}", (class_weights or {}).get(task), persistent=False)

    def forward(self, shared: Tensor) -> dict[str, Tensor]:
        """(N, inputs) -> task -> logits (N, C)."""
        return {task: layers(shared) for task, layers in self.branches.items()}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighted sum of the tasks' cross-entropies: {"loss": scalar, "loss_<task>": scalar, ...}.

        Args:
            logits: task -> (N, C). targets: task -> (N,) class numbers, -1 where the item has no label.

        Each task's sum is divided by N, not by the number of its labelled items, so that the mean over batches is the
        mean over items however the labels fall into batches (and over processes).
        """
        parts: dict[str, Tensor] = {}
        total = None
        for task, scores in logits.items():
            weight = getattr(self, f"class_weight_{task}")
            summed = nn.functional.cross_entropy(scores.float(), targets[task], weight=weight, ignore_index=NO_LABEL,
                                                 reduction="none").sum()
            parts[f"loss_{task}"] = summed / max(1, scores.shape[0])
            term = self.weights[task] * parts[f"loss_{task}"]
            total = term if total is None else total + term
        assert total is not None, "a network needs at least one task"
        return {"loss": total, **parts}


def branch(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    """inputs -> [linear, ReLU, dropout] a hidden width -> linear to `outputs`."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """(C,) weights N / (C N_c), 0 for a class without items; their mean over the labelled items is 1.

    Args:
        labels: (N,) class numbers; -1 does not count.
    """
    counts = torch.bincount(labels[labels >= 0], minlength=classes).to(torch.float64)
    present = int((counts > 0).sum())
    weights = counts.sum() / (max(1, present) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights)).to(torch.float32)
