"""Networks as kinds of subsystem: what all of them share, and the feed-forward one on utterance-level features."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from steps.examples.fold import Examples
from steps.examples.part import Part
from steps.examples.tasks import MAIN_TASK, main_target, numbers, task_targets
from steps.examples.units import by_unit, drawn, unit_names
from steps.models.heads.branches import Outputs, balanced_weights
from steps.models.multitask_dnn import MultitaskDnn
from steps.scoring import metrics
from steps.semi_supervised.batches import Inputs
from steps.semi_supervised.config import SUPERVISED
from steps.semi_supervised.objectives import make_batches, make_objective
from steps.semi_supervised.views import Change
from steps.subsystems.contract import Kind, Workspace
from steps.subsystems.network_config import MultitaskDnnTraits, NetworkConfig, NetworkTraits
from steps.training import distributed
from steps.training.checkpoint import load_module
from steps.training.random_state import generator, seed_everything, shuffled
from steps.training.trainer import Batches, Outcome, Trainer
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json
from utils.shape import NAME, Either, Number

WIDTH = Number(1, 10**6, whole=True)
ABOUT = {"inputs": WIDTH, "tasks": {NAME: Either(WIDTH, {"mean": float, "deviation": float})}}  # of model.json
Draw = Callable[[int], list[int]]  # epoch -> positions, always as many


def epoch_order(ids: Sequence[str], seed: int, epoch: int, draw: Draw | None = None) -> np.ndarray:
    """Positions of the utterances of an epoch in a random order, a function of its arguments."""
    if draw is not None:
        return generator(seed, "order", epoch).permutation(draw(epoch))
    place = {key: position for position, key in enumerate(ids)}
    return np.array([place[key] for key in shuffled(ids, seed, epoch)])


class VectorBatches:
    """Batches of vectors for the trainer; the order of an epoch is a function of (seed, epoch, utterance ids).

    Args:
        x: (N, F). targets: task -> (N, ...), see TaskBranches.loss. ids: of the N items.
        draw: the positions that an epoch takes, always as many; None: all.

    The batches of an epoch differ by at most one item, so that none is tiny.
    """

    def __init__(self, x: Tensor, targets: dict[str, Tensor], ids: list[str], batch_size: int, seed: int,
                 world: distributed.World | None = None, draw: Draw | None = None):
        self.x, self.targets, self.ids, self.seed, self.draw = x, targets, ids, seed, draw
        self.world = world or distributed.World()
        self.batches = math.ceil(len(epoch_order(ids, seed, 1, draw)) / batch_size)

    def count(self, epoch: int) -> int:
        return self.batches

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        order = epoch_order(self.ids, self.seed, epoch, self.draw)
        for batch in np.array_split(order, self.batches)[start:]:
            chosen = torch.from_numpy(batch[self.world.rank::self.world.size].copy())
            yield {"position": chosen, "x": self.x[chosen],
                   "targets": {task: labels[chosen] for task, labels in self.targets.items()}}


@dataclass
class FittedNetwork(abc.ABC):
    """See contract.Fitted; logits are those of the main task."""

    model: nn.Module  # its `heads` are TaskBranches
    device: str
    config: Any
    about: dict[str, Any]

    @abc.abstractmethod
    def prepare(self, part: Part) -> Any:
        """What `forward` takes, made once for a part that is scored every epoch."""

    @abc.abstractmethod
    def forward(self, prepared: Any) -> np.ndarray:
        """float64 (N, C)."""

    def scores(self, prepared: Any) -> np.ndarray:
        """float64 (N, C) logits, or (N, 1) numbers in the unit of the label's field."""
        values, heads = self.forward(prepared), self.model.heads
        if isinstance(heads.outputs[MAIN_TASK], int):  # type: ignore[union-attr,index]
            return values
        return heads.numbers(MAIN_TASK, values)[:, None]  # type: ignore[union-attr,operator]

    def logits(self, part: Part) -> np.ndarray:
        return self.scores(self.prepare(part))

    def fits(self, inputs: int | None, classes: int) -> bool:
        heads: Any = self.model.heads
        return inputs in (None, self.about["inputs"]) and heads.outputs[MAIN_TASK] == classes

    def save(self, directory: Path) -> None:
        with atomic_path(directory / "model.safetensors") as path:
            save_file({key: value.float().contiguous().cpu() for key, value in self.model.state_dict().items()}, path)
        write_json(directory / "model.json", self.about)


class VectorInputs:
    """The vectors of a part for views of them (steps/semi_supervised/batches.py): x (N, F)."""

    layout = "vector"

    def __init__(self, x: np.ndarray):
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def view(self, positions: Sequence[int], change: Change,
             randoms: Sequence[np.random.Generator]) -> dict[str, Tensor]:
        return {"x": torch.from_numpy(np.stack([change(self.x[position], random)
                                                for position, random in zip(positions, randoms, strict=True)]))}


class NetworkKind(NetworkTraits, Kind):
    """What networks share: targets of the tasks, training, selection on dev, the stored form.

    A network is a subclass with a `Config` that has `model` (with `tasks`: name -> weight) and `training`.
    """

    Fitted: ClassVar[type[FittedNetwork]]

    def __init__(self, config: Any, examples: Examples, workspace: Workspace):
        super().__init__(config, examples, workspace)
        self.world = distributed.start(workspace.device)

    @staticmethod
    @abc.abstractmethod
    def build(config: Any, inputs: int, outputs: Mapping[str, Outputs], weights: Mapping[str, Tensor]) -> nn.Module:
        """The network before training.

        Args:
            inputs: features a vector or frame. outputs: task -> see branches.py. weights: task -> (C,) in the loss.
        """

    @abc.abstractmethod
    def batches(self, part: Part, targets: dict[str, Tensor]) -> Batches:
        """The training batches of a part whose items the main task learns; targets: task -> (N, ...)."""

    @abc.abstractmethod
    def inputs(self, part: Part) -> Inputs:
        """What the network reads of a part without labels, for objectives that use it."""

    @classmethod
    def load(cls, config: Any, directory: Path, device: str = "cpu") -> FittedNetwork:
        """What `FittedNetwork.save` wrote."""
        about = read_json(directory / "model.json", ABOUT)
        model = load_module(lambda: cls.build(config, about["inputs"], about["tasks"], {}),
                            directory / "model.safetensors")
        return cls.Fitted(model.to(device).eval(), device, config, about)

    def fit(self) -> FittedNetwork:
        return self._train("select", self.examples.train, self.examples.dev.labelled(), None)

    def refit(self, fitted: FittedNetwork) -> FittedNetwork:
        return self._train("refit", self.examples.train.join(self.examples.dev), None, fitted.about["best_epoch"])

    def close(self) -> None:
        distributed.stop()

    def _train(self, phase: str, part: Part, dev: Part | None, epochs: int | None) -> FittedNetwork:
        work = self.workspace
        part, outputs, targets = self._targets(part)
        balanced = self.config.training.class_weights == "balanced" and self.examples.target.classes
        counted = targets[MAIN_TASK]
        if self.config.training.per_unit:  # a session counts once, however long it is
            counted = counted[np.unique(unit_names(part.items, self.examples.target.of), return_index=True)[1]]
        weights = {MAIN_TASK: balanced_weights(counted, len(self.examples.target.classes))} if balanced else {}
        seed_everything(work.seed, "weights")
        fitted = self.Fitted(self.build(self.config, self.examples.dim, outputs, weights), self.world.device,
                             self.config, {})
        if work.start is not None:
            work.start.load_into(fitted.model)
            work.say(f"the trunk starts from {work.start.name}, {work.start.path}")
        # The learning curve that people look at is the one with a dev part; the other has nothing to compare with.
        log = work.directory / "log" if phase == "select" else work.directory / "log" / phase
        trainer = Trainer(make_objective(self.config.training, fitted.model, MAIN_TASK), self._batches(part, targets),
                          self._evaluate(fitted, dev, outputs[MAIN_TASK]), self.config.training,
                          work.directory / "checkpoint" / phase, seed=work.seed, identity=work.identity,
                          world=self.world, log_dir=log, name=f"{work.name} {phase}".strip(), stop_after=epochs)
        outcome = trainer.fit()
        fitted.model.zero_grad(set_to_none=True)
        fitted.model.eval()
        fitted.about = self._about(fitted.model, outputs, outcome)
        return fitted

    def _batches(self, part: Part, targets: dict[str, Tensor]) -> Batches:
        """Those of a labelled part, and beside them what the objective wants of the unlabelled utterances."""
        inputs = None
        if self.config.training.objective != SUPERVISED:
            unlabelled = self.examples.without_labels()
            if not len(unlabelled) or not self.examples.target.classes:
                what = "learns classes" if len(unlabelled) else "needs unlabelled utterances: use --unlabelled or " \
                    "--labels"
                raise UserError(f"training.objective={self.config.training.objective} {what}", 2)
            inputs = self.inputs(unlabelled)
        return make_batches(self.config.training, self.batches(part, targets), part.ids, inputs, self.workspace.seed)

    def _evaluate(self, fitted: FittedNetwork, dev: Part | None,
                  outputs: Outputs) -> Callable[[nn.Module], dict[str, float]] | None:
        """The trainer's look at dev after every epoch; the model that it hands over is `fitted.model`."""
        if dev is None:
            return None
        prepared, names = fitted.prepare(dev), unit_names(dev.items, self.examples.target.of)
        deviation = outputs["deviation"] if isinstance(outputs, dict) else 1.0

        def evaluate(model: nn.Module) -> dict[str, float]:
            units = by_unit(names, dev.y, fitted.scores(prepared))
            return dev_metrics(units.values, units.y, len(self.examples.target.classes), deviation)

        return evaluate

    def draw(self, part: Part) -> Draw | None:
        """What the training takes of a part in an epoch; None: everything."""
        each = self.config.training.per_unit
        if not each:
            return None
        names, ids = unit_names(part.items, self.examples.target.of), part.ids
        return lambda epoch: list(drawn(names, ids, each, self.workspace.seed, epoch))

    def _targets(self, part: Part) -> tuple[Part, dict[str, Outputs], dict[str, Tensor]]:
        """The items to learn from, and outputs and targets of each task whose labels they have."""
        part, target = main_target(part, self.examples.target.classes, self.config.training.targets)
        further = [task for task in self.config.model.tasks if task not in (MAIN_TASK, self.examples.target.field)]
        outputs, targets = task_targets(part.items, further, self.workspace.say)
        main: Outputs = len(self.examples.target.classes)
        if not main:
            main, target = numbers(target)
        return (part, {MAIN_TASK: main, **outputs},
                {task: torch.from_numpy(values) for task, values in {MAIN_TASK: target, **targets}.items()})

    def _about(self, model: nn.Module, outputs: dict[str, Outputs], outcome: Outcome) -> dict[str, Any]:
        return {"chosen": {"epochs": outcome.best_epoch}, "best_epoch": outcome.best_epoch,
                "epochs_run": len(outcome.curve), "parameters": sum(p.numel() for p in model.parameters()),
                "tasks": outputs, "inputs": self.examples.dim, "model": dataclasses.asdict(self.config.model)}


class FittedDnn(FittedNetwork):
    """A network on vectors."""

    def prepare(self, part: Part) -> Tensor:
        return torch.from_numpy(part.x.matrix())

    def forward(self, prepared: Tensor, rows: int = 512) -> np.ndarray:
        """x (N, F) -> float64 (N, C), `rows` at a time."""
        self.model.eval()
        with torch.no_grad():
            parts = [self.model(block.to(self.device))[MAIN_TASK].double().cpu().numpy()
                     for block in prepared.split(rows)]
        return np.concatenate(parts)


class MultitaskDnnKind(MultitaskDnnTraits, NetworkKind):
    """Single- and multitask feed-forward network."""

    Fitted = FittedDnn

    @staticmethod
    def build(config: NetworkConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> MultitaskDnn:
        return MultitaskDnn(inputs, outputs, config.model, weights)

    def inputs(self, part: Part) -> VectorInputs:
        return VectorInputs(part.x.matrix())

    def batches(self, part: Part, targets: dict[str, Tensor]) -> VectorBatches:
        return VectorBatches(torch.from_numpy(part.x.matrix()), targets, part.ids, self.config.training.batch_size,
                             self.workspace.seed, self.world, self.draw(part))


def dev_metrics(logits: np.ndarray, y: np.ndarray, classes: int, deviation: float = 1.0) -> dict[str, float]:
    """Loss (mean cross-entropy) and the classification metrics; y (N,) has a label for every row.

    Of numbers (classes is 0) the loss is the mean squared error of standardised numbers, as in training (`deviation`:
    of the training part, in the numbers' own unit), beside the regression metrics, which are in that unit.
    """
    if not classes:
        numbers = logits[:, 0]
        errors = metrics.regression(metrics.moments(y, numbers))
        loss = float(np.square((numbers - y) / deviation).mean())
        return {"loss": loss, **{name: float(value) for name, value in errors.items()}}
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    counts = metrics.confusion(y, logits.argmax(axis=1), classes)
    values = {name: float(value) for name, value in metrics.classification(counts).items()}
    return {"loss": float(-logp[np.arange(len(y)), y].mean()), **values}
