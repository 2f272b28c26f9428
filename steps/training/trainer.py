"""The one trainer: epochs, selection on dev, checkpoints, several processes. It knows no model and no corpus.

What is minimized is an Objective (objective.py): `loss(batch) -> {"loss": mean over the batch's items, "items": their
number, ...}`; items may be utterances, frames or tokens: the trainer weights by their number, so that the result does
not depend on how they fall to processes. Further entries `loss_<part>` go into the learning curve.

Batches come from an object with `count(epoch)` and `epoch(epoch, start)`, see `Batches`. `evaluate(kept)` gives the
dev metrics; where it is None (training again on train and dev) nothing is selected and the last epoch is kept.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from steps.training import checkpoint, distributed, schedule
from steps.training.config import TrainingConfig, refuse
from steps.training.gradients import Gradients
from steps.training.objective import Clock, Objective
from steps.training.optimizer import make_optimizer
from steps.training.progress import Progress
from steps.training.selection import Metrics, Selection
from utils.errors import UserError, reading


class Batches(Protocol):
    """Where batches come from. Everything is a function of the epoch's number; nothing is remembered."""

    def count(self, epoch: int) -> int:
        """Number of batches of this epoch, the same in every process."""

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        """This process's share of the batches `start`, `start` + 1, ... of the epoch."""


@dataclass
class Outcome:
    """What a training came to; `metrics` are the dev metrics of the best epoch (counted from 1)."""

    best_epoch: int
    metrics: Metrics
    curve: list[dict[str, Any]]
    seconds: float


class Trainer:
    """Train `objective.network`; after `fit` `objective.kept` holds the weights of the best epoch.

    Args:
        directory: of the checkpoint.
        identity: what the result depends on, as plain values; a checkpoint of another identity is refused.
        stop_after: run only so many epochs of the schedule (training again for the best number of epochs).
        after_epoch: called in the main process with (epoch, kept) once the epoch is trained, before its checkpoint.
    """

    def __init__(self, objective: Objective, batches: Batches, evaluate: Callable[[nn.Module], Metrics] | None,
                 config: TrainingConfig, directory: Path, *, seed: int = 0, identity: Mapping[str, Any] | None = None,
                 world: distributed.World | None = None, log_dir: Path | None = None, name: str = "",
                 stop_after: int | None = None, after_epoch: Callable[[int, nn.Module], None] | None = None):
        self.world = world or distributed.World()
        self.objective = objective
        for module in (objective.network, objective.kept):
            module.to(self.world.device)
        self.batches, self.evaluate, self.config = batches, evaluate, config
        self.directory, self.seed, self.after_epoch = directory, seed, after_epoch
        self.identity = {**(identity or {}), "seed": seed, "processes": self.world.size}
        self.epochs = min(config.epochs, stop_after or config.epochs)
        self.progress = Progress(name, log_dir, config.tensorboard, quiet=not self.world.main)
        self.optimizer = make_optimizer(objective.network, config)
        self.gradients = Gradients(objective, config, self.world, seed)
        # What a checkpoint holds beside tensors.
        self.epoch = 0  # epochs finished
        self.consumed = 0  # batches consumed in the epoch that is under way
        self.step = 0
        self.totals: dict[str, Tensor] = {}  # sums over the items of the epoch so far, of all processes
        self.curve: list[dict[str, Any]] = []
        self.best = Selection(config, evaluate is not None)
        self.seconds = 0.0
        self._stored_best = 0  # the epoch whose weights lie in the checkpoint
        self._saved_at = time.monotonic()

    def fit(self) -> Outcome:
        """Train, or take training up where the checkpoint stands."""
        finished = self._resume()
        started = time.monotonic() - self.seconds
        while not finished and self.epoch < self.epochs and not self.best.exhausted(self.epoch):
            self._train_epoch(started)
            self._finish_epoch(started)
        kept = self.objective.kept
        if self.best.weights is not None:
            kept.load_state_dict(self.best.weights)
        if not finished:
            self.seconds = time.monotonic() - started
            if self.world.main:
                stored = self._stored_best == self.best.epoch
                checkpoint.save(self.directory, self._state(finished=True),
                                {} if stored else {"best": kept.state_dict()}, ("best",) if stored else ())
        self.progress.close()
        return Outcome(self.best.epoch, self.best.metrics, self.curve, self.seconds)

    # One epoch

    def _train_epoch(self, started: float) -> None:
        epoch, count = self.epoch + 1, self.batches.count(self.epoch + 1)
        self.objective.train()
        batches, steps = iter(self.batches.epoch(epoch, self.consumed)), math.ceil(count / self.config.accumulate)
        while group := list(itertools.islice(batches, self.config.accumulate)):
            self._step(group, Clock(epoch, self.step, steps, self.config.epochs))
            self.consumed += len(group)
            self.progress.batch(epoch, self.consumed, count)
            if self.consumed < count and self._due():
                self.seconds = time.monotonic() - started
                self._save()
        if self.consumed != count:
            raise UserError(f"epoch {epoch} gave {self.consumed} batches instead of {count}")
        if not self.consumed:
            raise UserError(f"epoch {epoch} has no batch: no training item is left after filtering")
        self.objective.after_epoch(Clock(epoch, self.step, steps, self.config.epochs))

    def _step(self, group: list[Any], clock: Clock) -> None:
        """One step of the optimizer, over the batches of `group` in this process and their like in the others."""
        rate = self.config.optimizer.learning_rate
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters.get("share", 1.0) * schedule.factor(
                self.config.schedule, clock.step, clock.steps_per_epoch, clock.epochs)
        self.objective.before_step(clock)
        self.optimizer.zero_grad(set_to_none=True)
        sums = self.gradients.compute(group, clock.epoch, self.consumed)
        self.optimizer.step()
        self.objective.after_step(clock)
        self.step += 1
        self.totals = {key: self.totals[key] + value if key in self.totals else value for key, value in sums.items()}

    def _finish_epoch(self, started: float) -> None:
        self.epoch, self.consumed = self.epoch + 1, 0
        summed = {key: float(value) for key, value in self.totals.items()}
        self.totals = {}
        row: dict[str, Any] = {"epoch": self.epoch}
        row |= {f"train_{key}": value / summed["items"] for key, value in summed.items() if key != "items"}
        if not math.isfinite(row["train_loss"]):
            raise UserError(f"the loss is {row['train_loss']} in epoch {self.epoch} ({self.directory}): "
                            "lower training.optimizer.learning_rate, then remove that directory")
        row |= self._judged()
        row["lr"] = self.optimizer.param_groups[-1]["lr"]
        self.seconds = time.monotonic() - started
        row["seconds"] = self.seconds
        self.curve.append(row)
        better = self.best.offer(self.epoch, row, self.objective.kept)
        if self.world.main:
            if self.after_epoch is not None:
                self.after_epoch(self.epoch, self.objective.kept)
            self.progress.epoch(self.curve, better)
        every = self.config.checkpoint_every_epochs
        last = self.epoch >= self.epochs or self.best.exhausted(self.epoch)
        if not last and (self._due() or (every and self.epoch % every == 0)):
            self._save()

    def _judged(self) -> Metrics:
        """{"dev_<metric>": ...} of what is kept, the same in every process."""
        if self.evaluate is None:
            return {}
        self.objective.kept.eval()
        metrics = None
        if self.world.main:
            with torch.no_grad():
                metrics = self.evaluate(self.objective.kept)
        return {f"dev_{key}": value for key, value in distributed.from_main(metrics, self.world).items()}

    # Checkpoints

    def _due(self) -> bool:
        batches, seconds = self.config.checkpoint_every_batches, self.config.checkpoint_every_seconds
        if batches and self.consumed and self.consumed % batches == 0:
            return True
        if not seconds:
            return False
        late = time.monotonic() - self._saved_at >= seconds
        # A checkpoint has the memory of every process: the main one decides for all.
        return bool(distributed.total_each({"late": late and self.world.main}, self.world)["late"])

    def _state(self, finished: bool = False) -> dict[str, Any]:
        return {"identity": self.identity, "finished": finished, "epoch": self.epoch, "batches": self.consumed,
                "step": self.step, "totals": {key: float(value) for key, value in self.totals.items()},
                "curve": self.curve, "best_epoch": self.best.epoch, "best_metrics": self.best.metrics,
                "seconds": self.seconds, "random": {"seed": self.seed, "epoch": self.epoch + 1, "batch": self.consumed},
                "threads": torch.get_num_threads(), "device": torch.device(self.world.device).type}

    def _save(self) -> None:
        memories = distributed.gathered(self.objective.memory(), self.world)
        if self.world.main:
            tensors, values = checkpoint.split_optimizer(self.optimizer)
            content = {"model": self.objective.network.state_dict(), "optimizer": tensors}
            content |= {memory_name(rank): memory for rank, memory in enumerate(memories) if memory}
            unchanged: tuple[str, ...] = ()
            if self.best.weights is not None:
                if self._stored_best == self.best.epoch:
                    unchanged = ("best",)
                else:
                    content["best"] = self.best.weights
            checkpoint.save(self.directory, {**self._state(), "optimizer": values}, content, unchanged)
            self._stored_best = self.best.epoch if self.best.weights is not None else 0
        self._saved_at = time.monotonic()

    def _resume(self) -> bool:
        """Take up the checkpoint if there is one; True if training had finished (the best weights are loaded)."""
        state = distributed.from_main(checkpoint.load_state(self.directory) if self.world.main else None, self.world)
        if state is None:
            return False
        with reading(self.directory, f"remove {self.directory} to train anew"):
            return self._take_up(state)

    def _take_up(self, state: Mapping[str, Any]) -> bool:
        refuse(state["identity"], self.identity, self.directory)
        self._warn_other_machine(state)
        self.epoch, self.consumed, self.step = state["epoch"], state["batches"], state["step"]
        self.curve, self.seconds = state["curve"], state["seconds"]
        self.best.epoch, self.best.metrics = state["best_epoch"], state["best_metrics"]
        self.totals = {key: torch.tensor(value, dtype=torch.float64, device=self.world.device)
                       for key, value in state["totals"].items()}
        if state["finished"]:
            self.objective.kept.load_state_dict(checkpoint.load_tensors(self.directory, "best"))
            return True
        self.objective.network.load_state_dict(checkpoint.load_tensors(self.directory, "model"))
        checkpoint.join_optimizer(self.optimizer, checkpoint.load_tensors(self.directory, "optimizer"),
                                  state["optimizer"])
        if self.objective.memory():
            self.objective.remember(checkpoint.load_tensors(self.directory, memory_name(self.world.rank),
                                                            self.world.device))
        if self.evaluate is not None and self.best.epoch:
            self.best.weights = checkpoint.load_tensors(self.directory, "best", self.world.device)
            self._stored_best = self.best.epoch
        self.progress.say(f"resumed after epoch {self.epoch}, batch {self.consumed}")
        return False

    def _warn_other_machine(self, state: Mapping[str, Any]) -> None:
        for key, now in (("threads", torch.get_num_threads()), ("device", torch.device(self.world.device).type)):
            if state[key] != now:
                self.progress.say(f"warning: the checkpoint was made with {key} {state[key]}, now {now}: "
                                  "scores may differ in the last digits")


def memory_name(rank: int) -> str:
    """The checkpoint's file of what the objective remembers in one process."""
    return f"memory.{rank}"
