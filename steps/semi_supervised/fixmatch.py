"""FixMatch as an objective (Sohn et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from steps.semi_supervised.config import FixMatchConfig
from steps.training.objective import Objective


class FixMatch(Objective):
    """The network's own loss on labelled utterances, and cross-entropy of strong views with the
    guesses on weak ones.

    A guess is made without dropout and counts where its posterior reaches the threshold. The
    network has `loss(batch)` and `scores(view) -> {task: logits (N, C)}`; batches are those of
    WithUnlabelled.

    Args:
        task: of classes, the one that is guessed.
    """

    def __init__(self, network: nn.Module, config: FixMatchConfig, task: str):
        super().__init__(network)
        self.config, self.task = config, task

    def loss(self, batch: Any) -> dict[str, Any]:
        confidence, guess = self._guess(batch["weak"])
        counts = (confidence >= self.config.threshold).float()
        losses = self.network.loss(batch)  # type: ignore[operator]
        scores = self.network.scores(batch["strong"])[self.task].float()  # type: ignore[operator]
        # The mean over all unlabelled utterances, not over the confident ones, as published: it
        # grows with their share.
        unlabelled = (cross_entropy(scores, guess, reduction="none") * counts).mean()
        return {**losses, "loss": losses["loss"] + self.config.weight * unlabelled,
                "loss_unlabelled": unlabelled,
                "confident": counts.mean()}

    def _guess(self, view: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The largest posterior of each item and its class, both (N,)."""
        self.network.eval()
        with torch.no_grad():
            scores = self.network.scores(view)[self.task]  # type: ignore[operator]
        self.train()
        return tuple(scores.float().softmax(dim=1).max(dim=1))  # type: ignore[return-value]
