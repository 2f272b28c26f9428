"""One branch a task over a shared representation, and their weighted loss (Tao, Liu & Zhao, ICASSP 2018).

A task is of classes (softmax, cross-entropy with a class or with a distribution) or a number (one linear output,
squared error after standardization).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

NO_LABEL = -1
# Of a task: its number of classes, or the mean and deviation of its number over the training part, in its own unit.
Outputs = int | Mapping[str, float]


class TaskBranches(nn.Module):
    """For each task hidden layers of ReLU and a linear layer to its classes (the softmax is in the loss) or number.

    Args:
        inputs: width of the shared representation.
        outputs: task -> number of classes, or {"mean": m, "std": s} of a number.
        hidden: widths of the hidden layers of each branch, e.g. (1024,).
        weights: task -> weight of its loss.
        class_weights: task -> (C,) weight of each class; a task that is not there has equal classes.
    """

    def __init__(self, inputs: int, outputs: Mapping[str, Outputs], hidden: Sequence[int], weights: Mapping[str, float],
                 dropout: float = 0.0, class_weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.outputs = dict(outputs)
        self.weights = {task: float(weights[task]) for task in outputs}
        self.branches = nn.ModuleDict({task: branch(inputs, hidden, count if isinstance(count, int) else 1, dropout)
                                       for task, count in outputs.items()})
        for task in outputs:
            # Not persistent: they come from the training labels, not from training.
            self.register_buffer(f"class_weight_{task}", (class_weights or {}).get(task), persistent=False)

    def forward(self, shared: Tensor) -> dict[str, Tensor]:
        """(N, inputs) -> task -> logits (N, C), of a number (N, 1) standardized."""
        return {task: layers(shared) for task, layers in self.branches.items()}

    def numbers(self, task: str, logits: Any) -> Any:
        """(N, 1) of a numeric task, tensor or array -> (N,) in the unit of its field."""
        scale = self.outputs[task]
        assert not isinstance(scale, int), f"{task} is of classes"
        return scale["mean"] + scale["std"] * logits[:, 0]

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighted sum of the tasks' losses: {"loss": scalar, "loss_<task>": scalar, ...}.

        Args:
            logits: task -> (N, C). targets: task -> (N,) class numbers, -1 where the item has no label; or (N, C)
                distributions over the classes, all 0 where it has none; or (N,) numbers in the unit of the field, NaN
                where it has none.

        Each task's sum is divided by N, not by the number of its labelled items, so that the mean over batches is the
        mean over items however the labels fall into batches (and over processes).
        """
        parts: dict[str, Tensor] = {}
        total = None
        for task, scores in logits.items():
            parts[f"loss_{task}"] = self._errors(task, scores.float(), targets[task]).sum() / max(1, scores.shape[0])
            term = self.weights[task] * parts[f"loss_{task}"]
            total = term if total is None else total + term
        assert total is not None, "a network needs at least one task"
        return {"loss": total, **parts}

    def _errors(self, task: str, scores: Tensor, target: Tensor) -> Tensor:
        """(N,) losses, 0 where there is no label; arguments as of `loss`, of one task."""
        scale = self.outputs[task]
        if not isinstance(scale, int):
            known = ~torch.isnan(target)
            wanted = (torch.nan_to_num(target, nan=scale["mean"]) - scale["mean"]) / scale["std"]
            return torch.where(known, (scores[:, 0] - wanted).square(), 0.0)
        weight = getattr(self, f"class_weight_{task}")
        if target.ndim == 2:
            return nn.functional.cross_entropy(scores, target, weight=weight, reduction="none")
        return nn.functional.cross_entropy(scores, target, weight=weight, ignore_index=NO_LABEL, reduction="none")


class TaskNetwork(nn.Module):
    """A network that ends in branches, `heads`; its forward pass takes "x", and "lengths" where it is of sequences."""

    heads: TaskBranches

    def trunk_layers(self) -> nn.Module | None:
        """The layers below the branches that may start from another model; None: it has none."""
        return None

    def shared(self, *inputs: Tensor) -> Tensor:
        """What `forward` takes -> (N, F), the representation that the branches share: what others may read."""
        raise NotImplementedError(f"{type(self).__name__} has none")

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The trainer's contract: {"loss": mean over the items, "items": their number, "loss_<task>": ...}.

        Args:
            batch: "x", and "lengths" of sequences, as forward takes them; "targets": task -> see TaskBranches.loss.
        """
        return {**self.heads.loss(self.scores(batch), batch["targets"]), "items": len(batch["x"])}

    def scores(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """{task: logits (N, C), of a number (N, 1) standardized} of a batch with "x", and "lengths" of sequences."""
        return self(*(batch[name] for name in ("x", "lengths") if name in batch))  # type: ignore[no-any-return]


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
        labels: (N,) class numbers, -1 does not count; or (N, C) distributions, of which N_c is the sum.
    """
    if labels.ndim == 2:
        counts = labels.sum(dim=0, dtype=torch.float64)
    else:
        counts = torch.bincount(labels[labels >= 0], minlength=classes).to(torch.float64)
    present = int((counts > 0).sum())
    weights = counts.sum() / (max(1, present) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights)).to(torch.float32)
