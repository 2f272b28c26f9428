"""The one trainer: epochs, selection on dev, checkpoints, several processes. It knows no model and no corpus.

A model is an nn.Module with `loss(batch) -> {"loss": mean over the batch's items, "items": their number, ...}`; items
may be utterances, frames or tokens: the trainer weights by their number, so that the result does not depend on how they
fall to processes. Further entries `loss_<part>` go into the learning curve.

Batches come from an object with `count(epoch)` and `epoch(epoch, start)`, see `Batches`. `evaluate(model)` gives the
dev metrics; where it is None (training again on train and dev) nothing is selected and the last epoch is kept.
"""

from __future__ import annotations

import contextlib
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
from steps.training.config import MINIMISED, TrainingConfig, refuse
from steps.training.optimiser import make_optimiser
from steps.training.progress import Progress
from steps.training.random_state import seed_everything
from utils.errors import UserError, reading

Metrics = dict[str, float]


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
    """Train `model`; after `fit` it holds the weights of the best epoch.

    Args:
        directory: of the checkpoint.
        identity: what the result depends on, as plain values; a checkpoint of another identity is refused.
        stop_after: run only so many epochs of the schedule (training again for the best number of epochs).
        after_epoch: called in the main process with (epoch, model) once the epoch is trained, before its checkpoint.
    """

    def __init__(self, model: nn.Module, batches: Batches, evaluate: Callable[[nn.Module], Metrics] | None,
                 config: TrainingConfig, directory: Path, *, seed: int = 0, identity: Mapping[str, Any] | None = None,
                 world: distributed.World | None = None, log_dir: Path | None = None, name: str = "",
                 stop_after: int | None = None, after_epoch: Callable[[int, nn.Module], None] | None = None):
        self.world = world or distributed.World()
        self.model = model.to(self.world.device)
        self.batches, self.evaluate, self.config = batches, evaluate, config
        self.directory, self.seed, self.after_epoch = directory, seed, after_epoch
        self.identity = {**(identity or {}), "seed": seed, "processes": self.world.size}
        self.epochs = min(config.epochs, stop_after or config.epochs)
        self.progress = Progress(name, log_dir, config.tensorboard, quiet=not self.world.main)
        self.optimiser = make_optimiser(model, config)
        self.parallel = distributed.parallel(self.model, self.world)
        # What a checkpoint holds beside tensors.
        self.epoch = 0  # epochs finished
        self.consumed = 0  # batches consumed in the epoch that is under way
        self.step = 0
        self.totals: dict[str, Tensor] = {}  # sums over the items of the epoch so far, of all processes
        self.curve: list[dict[str, Any]] = []
        self.best_epoch, self.best_metrics = 0, {}
        self.best: dict[str, Tensor] | None = None
        self.seconds = 0.0
        self._stored_best = 0  # the epoch whose weights lie in the checkpoint
        self._saved_at = time.monotonic()

    def fit(self) -> Outcome:
        """Train, or take training up where the checkpoint stands."""
        finished = self._resume()
        started = time.monotonic() - self.seconds
        while not finished and self.epoch < self.epochs and not self._exhausted():
            self._train_epoch(started)
            self._finish_epoch(started)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        if not finished:
            self.seconds = time.monotonic() - started
            if self.world.main:
                checkpoint.save(self.directory, self._state(finished=True),
                                {} if self._stored_best == self.best_epoch else {"best": self.model.state_dict()},
                                ("best",) if self._stored_best == self.best_epoch else ())
        self.progress.close()
        return Outcome(self.best_epoch, self.best_metrics, self.curve, self.seconds)

    # One epoch

    def _train_epoch(self, started: float) -> None:
        epoch, count = self.epoch + 1, self.batches.count(self.epoch + 1)
        self.model.train()
        batches = iter(self.batches.epoch(epoch, self.consumed))
        while group := list(itertools.islice(batches, self.config.accumulate)):
            self._step(group, epoch, math.ceil(count / self.config.accumulate))
            self.consumed += len(group)
            self.progress.batch(epoch, self.consumed, count)
            if self.consumed < count and self._due():
                self.seconds = time.monotonic() - started
                self._save()
        if self.consumed != count:
            raise UserError(f"epoch {epoch} gave {self.consumed} batches instead of {count}")
        if not self.consumed:
            raise UserError(f"epoch {epoch} has no batch: no training item is left after filtering")

    def _step(self, group: list[Any], epoch: int, steps_per_epoch: int) -> None:
        """One step of the optimiser, over the batches of `group` in this process and their like in the others."""
        rate = self.config.optimiser.learning_rate
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate * parameters.get("share", 1.0) * schedule.factor(
                self.config.schedule, self.step, steps_per_epoch, self.config.epochs)
        self.optimiser.zero_grad(set_to_none=True)
        alone = len(group) == 1
        sums: dict[str, Tensor] = {}
        for position, batch in enumerate(group):
            seed_everything(self.seed, "batch", epoch, self.consumed + position, self.world.rank)
            with self._exchange(position + 1 == len(group)):
                with self._autocast():
                    losses = self.parallel(_to_device(batch, self.world.device))
                items = float(losses["items"])
                weighted = {key: value * items for key, value in losses.items() if key != "items"}
                summed = distributed.total_each({**weighted, "items": items}, self.world)
                sums = {key: sums[key] + value if key in sums else value for key, value in summed.items()}
                # DistributedDataParallel averages over processes; this makes it the mean over all items.
                share = items * self.world.size
                (losses["loss"] * (share / float(summed["items"]) if alone else share)).backward()
        if not alone:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter.grad /= float(sums["items"])
        if self.config.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.step += 1
        self.totals = {key: self.totals[key] + value if key in self.totals else value for key, value in sums.items()}

    def _exchange(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Processes exchange gradients once a step, with the last batch of a group."""
        if last or not isinstance(self.parallel, nn.parallel.DistributedDataParallel):
            return contextlib.nullcontext()
        return self.parallel.no_sync()

    def _finish_epoch(self, started: float) -> None:
        self.epoch, self.consumed = self.epoch + 1, 0
        summed = {key: float(value) for key, value in self.totals.items()}
        self.totals = {}
        row: dict[str, Any] = {"epoch": self.epoch}
        row |= {f"train_{key}": value / summed["items"] for key, value in summed.items() if key != "items"}
        if not math.isfinite(row["train_loss"]):
            raise UserError(f"the loss is {row['train_loss']} in epoch {self.epoch} ({self.directory}): "
                            "lower training.optimiser.learning_rate, then remove that directory")
        if self.evaluate is not None:
            self.model.eval()
            metrics = None
            if self.world.main:
                with torch.no_grad():
                    metrics = self.evaluate(self.model)
            row |= {f"dev_{key}": value for key, value in distributed.from_main(metrics, self.world).items()}
        row["rate"] = self.optimiser.param_groups[-1]["lr"]
        self.seconds = time.monotonic() - started
        row["seconds"] = self.seconds
        self.curve.append(row)
        better = self._keep_best(row)
        if self.world.main:
            if self.after_epoch is not None:
                self.after_epoch(self.epoch, self.model)
            self.progress.epoch(self.curve, better)
        every = self.config.checkpoint_every_epochs
        last = self.epoch >= self.epochs or self._exhausted()
        if not last and (self._due() or (every and self.epoch % every == 0)):
            self._save()

    def _keep_best(self, row: Mapping[str, Any]) -> bool:
        """Copy the weights if this epoch is the best so far; equal is not better."""
        metrics = {key.removeprefix("dev_"): value for key, value in row.items() if key.startswith("dev_")}
        if self.evaluate is not None and self.best_epoch:
            metric = self._metric(metrics)
            old = self._metric(self.best_metrics)
            better = metric < old if self.config.metric in MINIMISED else metric > old
            if not better:
                return False
        self.best_epoch, self.best_metrics = self.epoch, metrics
        if self.evaluate is not None:
            self.best = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        return self.evaluate is not None

    def _metric(self, metrics: Mapping[str, float]) -> float:
        if self.config.metric not in metrics:
            raise UserError(f"training.metric is {self.config.metric}; the dev metrics are {', '.join(metrics)}", 2)
        return metrics[self.config.metric]

    def _exhausted(self) -> bool:
        """Whether `patience` epochs brought nothing better."""
        return (self.evaluate is not None and self.config.patience > 0 and self.best_epoch > 0
                and self.epoch - self.best_epoch >= self.config.patience)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        kind = torch.device(self.world.device).type
        wanted = self.config.precision == "bf16" or (self.config.precision == "auto" and kind == "cuda")
        return torch.autocast(kind, dtype=torch.bfloat16) if wanted else contextlib.nullcontext()

    # Checkpoints

    def _due(self) -> bool:
        batches, seconds = self.config.checkpoint_every_batches, self.config.checkpoint_every_seconds
        return bool((batches and self.consumed and self.consumed % batches == 0)
                    or (seconds and time.monotonic() - self._saved_at >= seconds))

    def _state(self, finished: bool = False) -> dict[str, Any]:
        return {"identity": self.identity, "finished": finished, "epoch": self.epoch, "batches": self.consumed,
                "step": self.step, "totals": {key: float(value) for key, value in self.totals.items()},
                "curve": self.curve, "best_epoch": self.best_epoch, "best_metrics": self.best_metrics,
                "seconds": self.seconds, "random": {"seed": self.seed, "epoch": self.epoch + 1, "batch": self.consumed},
                "threads": torch.get_num_threads(), "device": torch.device(self.world.device).type}

    def _save(self) -> None:
        if self.world.main:
            tensors, values = checkpoint.split_optimiser(self.optimiser)
            content = {"model": self.model.state_dict(), "optimiser": tensors}
            unchanged: tuple[str, ...] = ()
            if self.best is not None:
                if self._stored_best == self.best_epoch:
                    unchanged = ("best",)
                else:
                    content["best"] = self.best
            checkpoint.save(self.directory, {**self._state(), "optimiser": values}, content, unchanged)
            self._stored_best = self.best_epoch if self.best is not None else 0
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
        self.best_epoch, self.best_metrics = state["best_epoch"], state["best_metrics"]
        self.totals = {key: torch.tensor(value, dtype=torch.float64, device=self.world.device)
                       for key, value in state["totals"].items()}
        if state["finished"]:
            self.model.load_state_dict(checkpoint.load_tensors(self.directory, "best"))
            return True
        self.model.load_state_dict(checkpoint.load_tensors(self.directory, "model"))
        checkpoint.join_optimiser(self.optimiser, checkpoint.load_tensors(self.directory, "optimiser"),
                                  state["optimiser"])
        if self.evaluate is not None and self.best_epoch:
            self.best = checkpoint.load_tensors(self.directory, "best", self.world.device)
            self._stored_best = self.best_epoch
        self.progress.say(f"resumed after epoch {self.epoch}, batch {self.consumed}")
        return False

    def _warn_other_machine(self, state: Mapping[str, Any]) -> None:
        for key, now in (("threads", torch.get_num_threads()), ("device", torch.device(self.world.device).type)):
            if state[key] != now:
                self.progress.say(f"warning: the checkpoint was made with {key} {state[key]}, now {now}: "
                                  "scores may differ in the last digits")


def _to_device(batch: Any, device: str) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: _to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(_to_device(value, device) for value in batch)
    return batch
