"""A network on dialogues: it reads one vector or several of every utterance, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steps.examples.part import Part
from steps.examples.tasks import MAIN_TASK
from steps.models.context_bigru import ContextBigru
from steps.models.heads.branches import Outputs
from steps.subsystems.network import NetworkLearner, NetworkPredictor, epoch_order
from steps.subsystems.network_config import ContextBigruExperimentConfig
from steps.training import distributed
from utils.errors import UserError


@dataclass(frozen=True)
class Dialogues:
    """The dialogues of a part.

    Attributes:
        x: (N, F), a row an utterance. groups: of each dialogue the rows of its utterances, in order.
    """

    x: np.ndarray
    groups: list[np.ndarray]

    @classmethod
    def of(cls, part: Part) -> Dialogues:
        """Utterances without a dialogue are dialogues of their own."""
        columns = [features.matrix() for features in part.inputs.values()]
        return cls(np.concatenate(columns, axis=1), part.groups("dialogue"))

    def batch(self, chosen: Sequence[int]) -> dict[str, Tensor]:
        """{"x": (D, U, F), zero behind "lengths" (D,); "position": (M,) rows, dialogue by dialogue}."""
        groups = [self.groups[number] for number in chosen]
        x = np.zeros((len(groups), max(map(len, groups)), self.x.shape[1]), dtype=np.float32)
        for number, rows in enumerate(groups):
            x[number, :len(rows)] = self.x[rows]
        return {"x": torch.from_numpy(x), "lengths": torch.tensor([len(rows) for rows in groups]),
                "position": torch.from_numpy(np.concatenate(groups))}


class DialogueBatches:
    """Batches of whole dialogues for the trainer; the order is a function of (seed, epoch, utterance ids).

    Raises:
        UserError: more processes than dialogues.
    """

    def __init__(self, dialogues: Dialogues, targets: Mapping[str, Tensor], ids: Sequence[str], batch_size: int,
                 seed: int, world: distributed.World):
        self.dialogues, self.targets, self.seed, self.world = dialogues, targets, seed, world
        self.names = [ids[rows[0]] for rows in dialogues.groups]
        if len(self.names) < world.size:
            raise UserError(f"{len(self.names)} dialogues cannot be shared by {world.size} processes; lower "
                            "--processes")
        self.batches = min(math.ceil(len(self.names) / batch_size), len(self.names) // world.size)

    def count(self, epoch: int) -> int:
        return self.batches

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        order = epoch_order(self.names, self.seed, epoch)
        for batch in np.array_split(order, self.batches)[start:]:
            read = self.dialogues.batch(batch[self.world.rank::self.world.size].tolist())
            yield {**read, "targets": {task: labels[read["position"]] for task, labels in self.targets.items()}}


class DialoguePredictor(NetworkPredictor):
    """A network on dialogues."""

    def prepare(self, part: Part) -> Dialogues:
        return Dialogues.of(part)

    def forward(self, prepared: Dialogues) -> dict[str, np.ndarray]:
        return self._values(prepared, self.model, list(self.heads.values()))

    def embed(self, part: Part) -> np.ndarray:
        def compute(x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
            return {"shared": self.model.shared(x, lengths)}  # type: ignore[operator]

        return self._values(self.prepare(part), compute, ["shared"])["shared"].astype(np.float32)

    def _values(self, prepared: Dialogues, compute: Callable[..., dict[str, Tensor]], names: list[str],
                dialogues: int = 32) -> dict[str, np.ndarray]:
        """{name: float64 (N, ...)} of what `compute` gives, so many dialogues at a time."""
        self.model.eval()
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        places: list[np.ndarray] = []
        with torch.no_grad():
            for first in range(0, len(prepared.groups), dialogues):
                batch = prepared.batch(range(first, min(first + dialogues, len(prepared.groups))))
                values = compute(batch["x"].to(self.device), batch["lengths"].to(self.device))
                places.append(batch["position"].numpy())
                for name in names:
                    found[name].append(values[name].double().cpu().numpy())
        order = np.argsort(np.concatenate(places))
        return {name: np.concatenate(blocks)[order] for name, blocks in found.items()}


class ContextBigruLearner(NetworkLearner):
    """Learns whole dialogues: what has no label, or is context, is read and adds nothing to the loss."""

    Predictor = DialoguePredictor

    @staticmethod
    def build(config: ContextBigruExperimentConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> ContextBigru:
        return ContextBigru(inputs, outputs, config.model, weights)

    def judged(self, dev: Part) -> Part:
        return dev

    def own_labels(self, part: Part) -> tuple[Part, dict[str, np.ndarray]]:
        if self.config.training.targets != "labels" or self.config.training.per_unit:
            raise UserError("training.targets=votes and training.per_unit are of networks on utterances; leave them "
                            f"out of {self.config.kind}", 2)
        if len(self.heads) == 1:
            return part, {MAIN_TASK: part.y}
        return part, {name: part.labels[name] for name in self.heads}

    def batches(self, part: Part, labels: dict[str, Tensor]) -> DialogueBatches:
        return DialogueBatches(Dialogues.of(part), labels, part.ids, self.config.training.batch_size,
                               self.workspace.seed, self.world)
