"""What a training minimizes, apart from the network: the trainer calls an objective, the objective
calls the network.

The order of calls: `train()` at the beginning of an epoch; then for every step of the optimizer
`before_step(clock)`, `loss(batch)` once a batch (several times where `accumulate` is more than 1),
`after_step(clock)`; and `after_epoch(clock)` before dev is judged. All are called in every process.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class Clock:
    """Where a training stands.

    Attributes:
        epoch: the one under way, counted from 1.
        step: steps of the optimizer done before this one, over all epochs.
        steps_per_epoch, epochs: as the schedule of the learning rate counts them.
    """

    epoch: int
    step: int
    steps_per_epoch: int
    epochs: int


class Objective(abc.ABC):
    """The base of every objective.

    Attributes:
        network: what the optimizer changes.
        additive: whether `loss` is a mean over items, so that batches may be cut in pieces. A loss
            that is not (the concordance of a batch) is refused with `accumulate` above 1 and with
            several processes.
    """

    additive: ClassVar[bool] = True

    def __init__(self, network: nn.Module):
        self.network = network

    @property
    def kept(self) -> nn.Module:
        """What dev judges and what is stored at the end; another one than `network` belongs into
        `memory`, too."""
        return self.network

    def train(self) -> None:
        """Set the modes of the networks for training."""
        self.network.train()

    def before_step(self, clock: Clock) -> None:  # noqa: B027 - most objectives need nothing
        """Called before the batches of a step."""

    @abc.abstractmethod
    def loss(self, batch: Any) -> dict[str, Any]:
        """{"loss": mean over the batch's items, "items": their number, "loss_<part>": ...}.

        The items of a batch are those of this process. Torch's random numbers depend on the seed,
        the epoch, the number of the batch and the process.
        """

    def after_step(self, clock: Clock) -> None:  # noqa: B027
        """Called once a step, after the optimizer: the place for a moving average of weights."""

    def after_epoch(self, clock: Clock) -> None:  # noqa: B027
        """Called after the steps of an epoch: the place to join what the processes know."""

    def memory(self) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the weights of `network`; each process gets its own
        back.

        The names, shapes and types must be the same in every process and throughout a training.
        """
        return {}

    def remember(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `memory` gave; the tensors lie on the training's device."""
        if tensors:
            raise NotImplementedError(f"{type(self).__name__} has a memory and does not take it up")


class Supervised(Objective):
    """The network's own loss, `network.loss(batch)`."""

    def loss(self, batch: Any) -> dict[str, Any]:
        return self.network.loss(batch)  # type: ignore[operator,no-any-return]
