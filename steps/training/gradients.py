"""The gradient of an objective over the batches of one step, in one process or several, in float32
or bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steps.training import distributed
from steps.training.config import TrainingConfig
from steps.training.objective import Objective
from steps.training.random_state import seed_everything
from utils.errors import UsageError


class Gradients:
    """Fills the gradients of `objective.network`.

    Raises:
        UsageError: the objective's loss is no mean over items, and batches would be cut in pieces.
    """

    def __init__(self, objective: Objective, config: TrainingConfig, world: distributed.World,
                 seed: int):
        check_additive(objective, config, world)
        self.network, self.config, self.world, self.seed = objective.network, config, world, seed
        self.loss = distributed.parallel(objective, world)

    def compute(self, group: Sequence[Any], epoch: int, first: int) -> dict[str, Tensor]:
        """The mean gradient over the items of `group` in this process and of its counterparts in
        the others.

        Args:
            group: batches. epoch: counted from 1. first: number of the first batch within the
                epoch.

        Returns:
            "items" and, for each entry of the objective's loss, the sum over the items of all
            processes.
        """
        alone = len(group) == 1
        sums: dict[str, Tensor] = {}
        for position, batch in enumerate(group):
            seed_everything(self.seed, "batch", epoch, first + position, self.world.rank)
            with self._exchange(position + 1 == len(group)):
                with self._autocast():
                    losses = self.loss(_to_device(batch, self.world.device))
                items = float(losses["items"])
                weighted = {key: value * items for key, value in losses.items() if key != "items"}
                summed = distributed.total_each({**weighted, "items": items}, self.world)
                sums = {key: sums[key] + value if key in sums else value
                        for key, value in summed.items()}
                # DistributedDataParallel averages over processes; this makes it the mean over all
                # items.
                share = items * self.world.size
                (losses["loss"] * (share / float(summed["items"]) if alone else share)).backward()
        if not alone:
            for parameter in self.network.parameters():
                if parameter.grad is not None:
                    parameter.grad /= float(sums["items"])
        if self.config.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        return sums

    def _exchange(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Processes exchange gradients once a step, with the last batch of a group."""
        if last or not isinstance(self.loss, nn.parallel.DistributedDataParallel):
            return contextlib.nullcontext()
        return self.loss.no_sync()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        kind = torch.device(self.world.device).type
        wanted = self.config.precision == "bf16" or (self.config.precision == "auto"
                                                     and kind == "cuda")
        return torch.autocast(kind, dtype=torch.bfloat16) if wanted else contextlib.nullcontext()


def check_additive(objective: Objective, config: TrainingConfig, world: distributed.World) -> None:
    """
    Raises:
        UsageError: the objective's loss is no mean over items, and batches would be cut in pieces.
    """
    if objective.additive or (config.accumulate == 1 and world.size == 1):
        return
    told = f"{world.size} processes train"
    if config.accumulate > 1:
        told = f"training.accumulate is {config.accumulate}"
    raise UsageError(f"{told}, but the loss of {type(objective).__name__} is no mean over items: "
                     "it needs each batch in one piece; use training.accumulate=1 and --processes "
                     "1")


def _to_device(batch: Any, device: str) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: _to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(_to_device(value, device) for value in batch)
    return batch
