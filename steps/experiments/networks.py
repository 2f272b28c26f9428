"""Networks on utterance-level features as kinds of subsystem."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from steps.experiments.examples import NO_LABEL, Examples, Part, task_labels
from steps.experiments.kinds import ExperimentConfig, Kind, Workspace
from steps.models.heads.branches import balanced_weights
from steps.models.multitask_dnn import MultitaskDnn, MultitaskDnnConfig
from steps.scoring import metrics
from steps.training import distributed
from steps.training.config import TrainingConfig
from steps.training.random_state import seed_everything, shuffled
from steps.training.trainer import Outcome, Trainer
from utils.files import atomic_path, write_json

MAIN_TASK = "emotion"  # stands for the label of the corpus, whatever its field is called


@dataclass
class NetworkConfig(ExperimentConfig):
    """`refit` trains a second time, on train and dev, for the number of epochs that was best on dev."""

    model: MultitaskDnnConfig = field(default_factory=MultitaskDnnConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


class VectorBatches:
    """Batches of vectors for the trainer; the order of an epoch is a function of (seed, epoch, utterance ids).

    Args:
        x: (N, F). targets: task -> (N,) class numbers, -1 = no label. ids: of the N items.

    The batches of an epoch differ by at most one item, so that none is tiny.
    """

    def __init__(self, x: Tensor, targets: dict[str, Tensor], ids: list[str], batch_size: int, seed: int,
                 world: distributed.World | None = None):
        self.x, self.targets, self.ids, self.seed = x, targets, ids, seed
        self.world = world or distributed.World()
        self.place = {key: position for position, key in enumerate(ids)}
        self.batches = math.ceil(len(ids) / batch_size)

    def count(self, epoch: int) -> int:
        return self.batches

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        order = np.array([self.place[key] for key in shuffled(self.ids, self.seed, epoch)])
        for batch in np.array_split(order, self.batches)[start:]:
            chosen = torch.from_numpy(batch[self.world.rank::self.world.size].copy())
            yield {"x": self.x[chosen], "targets": {task: labels[chosen] for task, labels in self.targets.items()}}


@dataclass
class FittedNetwork:
    """See kinds.Fitted; logits are those of the main task."""

    model: MultitaskDnn
    device: str
    about: dict[str, Any]

    def logits(self, part: Part) -> np.ndarray:
        return forward(self.model, torch.from_numpy(part.x.matrix()), self.device)

    def save(self, directory: Path) -> None:
        with atomic_path(directory / "model.safetensors") as path:
            save_file({key: value.float().contiguous().cpu() for key, value in self.model.state_dict().items()}, path)
        write_json(directory / "model.json", self.about)


class MultitaskDnnKind(Kind):
    """Single- and multitask feed-forward network."""

    Config = NetworkConfig

    def __init__(self, config: NetworkConfig, examples: Examples, workspace: Workspace):
        super().__init__(config, examples, workspace)
        self.world = distributed.start(workspace.device)

    def fit(self) -> FittedNetwork:
        dev = self.examples.dev.labelled()
        x = torch.from_numpy(dev.x.matrix())

        def evaluate(model: torch.nn.Module) -> dict[str, float]:
            return dev_metrics(forward(model, x, self.world.device), dev.y, len(self.examples.classes))

        return self._train("select", self.examples.train, evaluate, None)

    def refit(self, fitted: FittedNetwork) -> FittedNetwork:
        return self._train("refit", self.examples.train.join(self.examples.dev), None, fitted.about["best_epoch"])

    def close(self) -> None:
        distributed.stop()

    def _train(self, phase: str, part: Part, evaluate: Any, epochs: int | None) -> FittedNetwork:
        work, part = self.workspace, part.labelled()
        classes, targets = self._targets(part)
        balanced = self.config.training.class_weights == "balanced"
        weights = {MAIN_TASK: balanced_weights(targets[MAIN_TASK], classes[MAIN_TASK])} if balanced else {}
        seed_everything(work.seed, "weights")
        model = MultitaskDnn(self.examples.dim, classes, self.config.model, weights)
        batches = VectorBatches(torch.from_numpy(part.x.matrix()), targets, part.ids, self.config.training.batch_size,
                                work.seed, self.world)
        # The learning curve that people look at is the one with a dev part; the other has nothing to compare with.
        log = work.directory / "log" if phase == "select" else work.directory / "log" / phase
        trainer = Trainer(model, batches, evaluate, self.config.training, work.directory / "checkpoint" / phase,
                          seed=work.seed, identity=work.identity, world=self.world, log_dir=log,
                          name=f"{work.name} {phase}".strip(), stop_after=epochs)
        outcome = trainer.fit()
        model.zero_grad(set_to_none=True)
        return FittedNetwork(model.eval(), self.world.device, self._about(model, classes, outcome))

    def _targets(self, part: Part) -> tuple[dict[str, int], dict[str, Tensor]]:
        """Number of classes and the (N,) targets of each task whose labels the items have."""
        classes = {MAIN_TASK: len(self.examples.classes)}
        targets = {MAIN_TASK: torch.from_numpy(part.y)}
        for task in self.config.model.tasks:
            if task in (MAIN_TASK, self.examples.label):
                continue
            values = task_labels(part.items, task)
            names = sorted({value for value in values if value is not None})
            if len(names) < 2:
                self.workspace.say(f"task {task} is left out: the corpus gives {len(names)} different labels of it")
                continue
            number = {name: position for position, name in enumerate(names)}
            classes[task] = len(names)
            targets[task] = torch.tensor([NO_LABEL if value is None else number[value] for value in values])
        return classes, targets

    def _about(self, model: MultitaskDnn, classes: dict[str, int], outcome: Outcome) -> dict[str, Any]:
        return {"chosen": {"epochs": outcome.best_epoch}, "best_epoch": outcome.best_epoch,
                "epochs_run": len(outcome.curve), "parameters": sum(p.numel() for p in model.parameters()),
                "tasks": classes, "inputs": self.examples.dim, "model": dataclasses.asdict(self.config.model)}


def forward(model: torch.nn.Module, x: Tensor, device: str, rows: int = 512) -> np.ndarray:
    """Logits of the main task: x (N, F) -> float64 (N, C)."""
    model.eval()
    with torch.no_grad():
        parts = [model(block.to(device))[MAIN_TASK].double().cpu().numpy() for block in x.split(rows)]
    return np.concatenate(parts)


def dev_metrics(logits: np.ndarray, y: np.ndarray, classes: int) -> dict[str, float]:
    """Loss (mean cross-entropy) and the classification metrics; y (N,) has a label for every row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    counts = metrics.confusion(y, logits.argmax(axis=1), classes)
    values = {name: float(value) for name, value in metrics.classification(counts).items()}
    return {"loss": float(-logp[np.arange(len(y)), y].mean()), **values}
