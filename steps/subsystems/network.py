"""What all networks share, and the feed-forward one on utterance-level features."""

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
from steps.examples.part import Part, known
from steps.examples.tasks import MAIN_TASK, main_target, numbers, task_targets
from steps.examples.units import by_unit, drawn, unit_names
from steps.models.heads.branches import Outputs, balanced_weights
from steps.models.multitask_dnn import MultitaskDnn
from steps.scoring import metrics
from steps.semi_supervised.batches import Inputs
from steps.semi_supervised.config import SUPERVISED
from steps.semi_supervised.objectives import make_batches, make_objective
from steps.semi_supervised.views import Change
from steps.subsystems.contract import Learner, Workspace, spec_of
from steps.subsystems.network_config import NetworkConfig
from steps.training import distributed
from steps.training.checkpoint import load_module
from steps.training.random_state import generator, seed_everything, shuffled
from steps.training.trainer import Batches, Outcome, Trainer
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json
from utils.shape import NAME, Either, Number

WIDTH = Number(1, 10**6, whole=True)
ABOUT = {"inputs": WIDTH, "tasks": {NAME: Either(WIDTH, {"mean": float, "std": float})}}  # of model.json
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
class NetworkPredictor(abc.ABC):
    """See contract.Predictor.

    Attributes:
        model: its `heads` are TaskBranches. config: of the subsystem.
        targets: names of what it predicts.
    """

    model: nn.Module
    device: str
    config: Any
    targets: tuple[str, ...]
    about: dict[str, Any]

    @abc.abstractmethod
    def prepare(self, part: Part) -> Any:
        """What `forward` takes, made once for a part that is scored every epoch."""

    @abc.abstractmethod
    def forward(self, prepared: Any) -> dict[str, np.ndarray]:
        """{head of a target: float64 (N, C)}."""

    @abc.abstractmethod
    def embed(self, part: Part) -> np.ndarray:
        """float32 (N, F): what the network computes below its heads, a row an item."""

    @property
    def heads(self) -> dict[str, str]:
        """{target: the head that predicts it}."""
        return heads_of(self.targets)

    def scores(self, prepared: Any) -> dict[str, np.ndarray]:
        """{target: float64 (N, C) logits, or (N, 1) numbers in the unit of the target}."""
        values, branches = self.forward(prepared), self.model.heads
        return {target: values[head] if isinstance(branches.outputs[head], int) else  # type: ignore[union-attr,index]
                branches.numbers(head, values[head])[:, None]  # type: ignore[union-attr,operator]
                for target, head in self.heads.items()}

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        return self.scores(self.prepare(part))

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        outputs: Mapping[str, Outputs] = self.model.heads.outputs  # type: ignore[union-attr,assignment]
        told = {target: outputs.get(head) for target, head in self.heads.items()}
        return (not widths or sum(widths.values()) == self.about["inputs"]) and \
            classes == {target: count if isinstance(count, int) else 0 for target, count in told.items()}

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


def heads_of(targets: Sequence[str]) -> dict[str, str]:
    """{target: head}: a single target has the head MAIN_TASK, of several each has its own."""
    return {targets[0]: MAIN_TASK} if len(targets) == 1 else {name: name for name in targets}


class NetworkLearner(Learner):
    """What networks share: targets of the tasks, training, selection on dev, the stored form.

    The configuration of a network has `model` (with `tasks`: name -> weight) and `training`.
    """

    Predictor: ClassVar[type[NetworkPredictor]]

    def __init__(self, config: Any, examples: Examples, workspace: Workspace):
        super().__init__(config, examples, workspace)
        self.world = distributed.start(workspace.device)
        self.heads = heads_of([target.name for target in examples.targets])

    @staticmethod
    @abc.abstractmethod
    def build(config: Any, inputs: int, outputs: Mapping[str, Outputs], weights: Mapping[str, Tensor]) -> nn.Module:
        """The network before training.

        Args:
            inputs: features a vector or frame. outputs: task -> see branches.py. weights: task -> (C,) in the loss.
        """

    @abc.abstractmethod
    def batches(self, part: Part, labels: dict[str, Tensor]) -> Batches:
        """The training batches of labelled items; labels: task -> (N, ...)."""

    def inputs(self, part: Part) -> Inputs:
        """What the network reads of a part without labels, for objectives that use it (Spec.unlabelled)."""
        raise NotImplementedError

    @classmethod
    def load(cls, config: Any, directory: Path, targets: Sequence[str], device: str = "cpu") -> NetworkPredictor:
        """What `NetworkPredictor.save` wrote."""
        about = read_json(directory / "model.json", ABOUT)
        config = with_heads(config, heads_of(targets))
        model = load_module(lambda: cls.build(config, about["inputs"], about["tasks"], {}),
                            directory / "model.safetensors")
        return cls.Predictor(model.to(device).eval(), device, config, tuple(targets), about, **cls.beside(directory))

    @classmethod
    def beside(cls, directory: Path) -> dict[str, Any]:
        """What a stored predictor has beside its network, by attribute."""
        return {}

    def fit(self) -> NetworkPredictor:
        return self._train("select", self.examples.train, self.judged(self.examples.dev), None)

    def judged(self, dev: Part) -> Part:
        """What the network reads of dev when an epoch is judged; what has no label does not count."""
        return dev.labelled()

    def refit(self, chosen: NetworkPredictor) -> NetworkPredictor:
        return self._train("refit", self.examples.train.join(self.examples.dev), None, chosen.about["best_epoch"])

    def close(self) -> None:
        distributed.stop()

    def _train(self, phase: str, part: Part, dev: Part | None, epochs: int | None) -> NetworkPredictor:
        work = self.workspace
        part, outputs, labels = self._labels(part)
        weights = self._class_weights(part, labels)
        seed_everything(work.seed, "weights")
        predictor = self.untrained(part, outputs, weights)
        if work.start is not None:
            work.start.load_into(predictor.model)
            work.say(f"the trunk starts from {work.start.name}, {work.start.path}")
        # The learning curve that people look at is the one with a dev part; the other has nothing to compare with.
        log = work.directory / "log" if phase == "select" else work.directory / "log" / phase
        trainer = Trainer(make_objective(self.config.training, predictor.model, MAIN_TASK),
                          self._batches(part, labels), self._evaluate(predictor, dev, outputs), self.config.training,
                          work.directory / "checkpoint" / phase, seed=work.seed, identity=work.identity,
                          world=self.world, log_dir=log, name=f"{work.name} {phase}".strip(), stop_after=epochs)
        outcome = trainer.fit()
        predictor.model.zero_grad(set_to_none=True)
        predictor.model.eval()
        predictor.about = self._about(predictor.model, outputs, outcome)
        return predictor

    @property
    def width(self) -> int:
        """What `build` gets as `inputs`."""
        return self.examples.dim

    def untrained(self, part: Part, outputs: Mapping[str, Outputs], weights: Mapping[str, Tensor]) -> NetworkPredictor:
        """The predictor before it learns from the labelled items of `part`; see `build`."""
        config = with_heads(self.config, self.heads)
        return self.Predictor(self.build(config, self.width, outputs, weights), self.world.device, config,
                              tuple(self.heads), {})

    def _batches(self, part: Part, labels: dict[str, Tensor]) -> Batches:
        """Those of a labelled part, and beside them what the objective wants of the unlabelled utterances."""
        inputs = None
        if self.config.training.objective != SUPERVISED:
            if not spec_of(self.config.kind).unlabelled:
                raise UserError(f"training.objective={self.config.training.objective} learns from changed views of "
                                f"vectors or frames; leave it out of {self.config.kind}", 2)
            unlabelled = self.examples.without_labels()
            if not len(unlabelled) or not self.examples.target.classes or len(self.heads) > 1:
                what = "learns the classes of one target" if len(unlabelled) else \
                    "needs unlabelled utterances: use --unlabelled or --labels"
                raise UserError(f"training.objective={self.config.training.objective} {what}", 2)
            inputs = self.inputs(unlabelled)
        return make_batches(self.config.training, self.batches(part, labels), part.ids, inputs, self.workspace.seed)

    def _evaluate(self, predictor: NetworkPredictor, dev: Part | None,
                  outputs: Mapping[str, Outputs]) -> Callable[[nn.Module], dict[str, float]] | None:
        """The trainer's look at dev after every epoch; the model that it hands over is `predictor.model`."""
        if dev is None:
            return None
        prepared = predictor.prepare(dev)

        def evaluate(model: nn.Module) -> dict[str, float]:
            scores, found = predictor.scores(prepared), {}
            for target in self.examples.targets:
                y, output = dev.labels[target.name], outputs[self.heads[target.name]]
                rows = np.flatnonzero(known(y))
                names = unit_names([dev.items[row] for row in rows], target.of)
                units = by_unit(names, y[rows], scores[target.name][rows])
                found[target.name] = dev_metrics(units.values, units.y, len(target.classes),
                                                 1.0 if isinstance(output, int) else output["std"])
            return over_targets(found)

        return evaluate

    def draw(self, part: Part) -> Draw | None:
        """What the training takes of a part in an epoch; None: everything."""
        each = self.config.training.per_unit
        if not each:
            return None
        names, ids = unit_names(part.items, self.examples.target.of), part.ids
        return lambda epoch: list(drawn(names, ids, each, self.workspace.seed, epoch))

    def _labels(self, part: Part) -> tuple[Part, dict[str, Outputs], dict[str, Tensor]]:
        """The items to learn from, and outputs and labels of each task: of every target, then of the further ones."""
        outputs: dict[str, Outputs] = {}
        part, labels = self.own_labels(part)
        for target, head in zip(self.examples.targets, self.heads.values(), strict=True):
            outputs[head] = len(target.classes)
            if not target.classes:
                outputs[head], labels[head] = numbers(labels[head])
        fields = [target.field for target in self.examples.targets]
        further = [task for task in self.config.model.tasks if task not in (MAIN_TASK, *fields)]
        more, values = task_targets(part.items, further, self.workspace.say)
        return part, {**outputs, **more}, {task: torch.from_numpy(y) for task, y in {**labels, **values}.items()}

    def own_labels(self, part: Part) -> tuple[Part, dict[str, np.ndarray]]:
        """The items to learn from, and {head of a target: (N, ...) labels}."""
        if len(self.heads) == 1:
            part, labels = main_target(part, self.examples.target.classes, self.config.training.targets)
            return part, {MAIN_TASK: labels}
        part = part.labelled()
        return part, {name: part.labels[name] for name in self.heads}

    def _class_weights(self, part: Part, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{head of a target of classes: (C,) weights in the loss}."""
        weights: dict[str, Tensor] = {}
        for target in self.examples.targets:
            head = self.heads[target.name]
            if self.config.training.class_weights != "balanced" or not target.classes:
                continue
            counted = labels[head]
            if self.config.training.per_unit:  # a session counts once, however long it is
                counted = counted[np.unique(unit_names(part.items, target.of), return_index=True)[1]]
            weights[head] = balanced_weights(counted, len(target.classes))
        return weights

    def _about(self, model: nn.Module, outputs: dict[str, Outputs], outcome: Outcome) -> dict[str, Any]:
        return {"chosen": {"epochs": outcome.best_epoch}, "best_epoch": outcome.best_epoch,
                "epochs_run": len(outcome.curve), "parameters": sum(p.numel() for p in model.parameters()),
                "tasks": outputs, "inputs": self.width, "model": dataclasses.asdict(self.config.model)}


def with_heads(config: Any, heads: Mapping[str, str]) -> Any:
    """The configuration with a task for the head of each target; one that it does not name weighs 1."""
    tasks = config.model.tasks
    if len(heads) == 1:
        return config
    own = {head: tasks.get(head, 1.0) for head in heads.values()}
    more = {task: weight for task, weight in tasks.items() if task not in own and task != MAIN_TASK}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, tasks={**own, **more}))


def over_targets(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The metrics of the one target; of several each one's own, "UA_emotion", and the mean over those that have it."""
    if len(found) == 1:
        return dict(next(iter(found.values())))
    names = dict.fromkeys(name for values in found.values() for name in values)
    means = {name: float(np.mean([values[name] for values in found.values() if name in values])) for name in names}
    return means | {f"{name}_{target}": value for target, values in found.items() for name, value in values.items()}


class DnnPredictor(NetworkPredictor):
    """A network on vectors."""

    def prepare(self, part: Part) -> Tensor:
        return torch.from_numpy(part.x.matrix())

    def forward(self, prepared: Tensor) -> dict[str, np.ndarray]:
        """x (N, F) -> {head: float64 (N, C)}."""
        found = self._blocks(prepared, self.model)
        return {head: np.concatenate([block[head].double().cpu().numpy() for block in found])
                for head in self.heads.values()}

    def embed(self, part: Part) -> np.ndarray:
        found = self._blocks(self.prepare(part), self.model.shared)  # type: ignore[arg-type]
        return np.concatenate([block.float().cpu().numpy() for block in found])

    def _blocks(self, x: Tensor, compute: Callable[[Tensor], Any], rows: int = 512) -> list[Any]:
        """What `compute` gives of x (N, F), `rows` at a time."""
        self.model.eval()
        with torch.no_grad():
            return [compute(block.to(self.device)) for block in x.split(rows)]


class MultitaskDnnLearner(NetworkLearner):
    """Single- and multitask feed-forward network."""

    Predictor = DnnPredictor

    @staticmethod
    def build(config: NetworkConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> MultitaskDnn:
        return MultitaskDnn(inputs, outputs, config.model, weights)

    def inputs(self, part: Part) -> VectorInputs:
        return VectorInputs(part.x.matrix())

    def batches(self, part: Part, labels: dict[str, Tensor]) -> VectorBatches:
        return VectorBatches(torch.from_numpy(part.x.matrix()), labels, part.ids, self.config.training.batch_size,
                             self.workspace.seed, self.world, self.draw(part))


def dev_metrics(logits: np.ndarray, y: np.ndarray, classes: int, std: float = 1.0) -> dict[str, float]:
    """Loss (mean cross-entropy) and the classification metrics; y (N,) has a label for every row.

    Of numbers (classes is 0) the loss is the mean squared error of standardized numbers, as in training (`std`:
    of the training part, in the numbers' own unit), beside the regression metrics, which are in that unit.
    """
    if not classes:
        numbers = logits[:, 0]
        errors = metrics.regression(metrics.moments(y, numbers))
        loss = float(np.square((numbers - y) / std).mean())
        return {"loss": loss, **{name: float(value) for name, value in errors.items()}}
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    counts = metrics.confusion(y, logits.argmax(axis=1), classes)
    values = {name: float(value) for name, value in metrics.classification(counts).items()}
    return {"loss": float(-logp[np.arange(len(y)), y].mean()), **values}
