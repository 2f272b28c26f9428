"""The GRU on tracks: several targets at once, a value of each at every step of their labels.

The labels are read from the items. Frames are averaged to the labels' step
(steps/examples/tracks.py), so that one row of the network is one value. Dev chooses the epoch by
the mean over the targets of their CCC.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from steps.examples.fold import Examples
from steps.examples.part import Frames, Part
from steps.examples.tracks import Track, length, padded, pooled, scale_of, step_of, track_of
from steps.models.track_gru import TrackGru
from steps.scoring import metrics
from steps.subsystems.contract import Learner, Workspace
from steps.subsystems.network_config import FramesConfig
from steps.subsystems.sequence_network import SequenceBatches, Sequences
from steps.subsystems.track_gru_config import TrackGruExperimentConfig
from steps.training import distributed
from steps.training.checkpoint import load_module
from steps.training.random_state import seed_everything
from steps.training.track_objective import OBJECTIVES
from steps.training.trainer import Trainer
from utils.corpus import Target
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json
from utils.shape import NAME, Number

ABOUT = {  # of model.json
    "inputs": Number(1, 10**6, whole=True), "step": Number(1e-6, 1e6),
    "scales": {NAME: {"mean": float, "std": float}}}


@dataclass
class TrackPredictor:
    """A trained network.

    Attributes:
        about: "scales": {target: {"mean", "std"}}, "step" (s), "inputs", and what is known of the
            training.
    """

    model: TrackGru
    device: str
    about: dict[str, Any]

    @property
    def targets(self) -> list[str]:
        """Their names, in the order of the network's outputs."""
        return list(self.about["scales"])

    def predict(self, part: Part) -> dict[str, list[Track]]:
        """{target: (T,) of each item}, in the targets' own units; T as `tracks.length` says."""
        targets = [Target(name, "track") for name in self.targets]
        return self.forward(sequences_of(part, self.about["step"], targets))

    def forward(self, prepared: Sequences, rows: int = 32) -> dict[str, list[Track]]:
        """`rows` items of like length at a time."""
        self.model.eval()
        found: list[np.ndarray] = [np.empty((0, 0))] * len(prepared)
        order = np.argsort(prepared.lengths(), kind="stable")
        with torch.no_grad():
            for first in range(0, len(order), rows):
                chosen = order[first:first + rows]
                batch = prepared.batch(chosen)
                x, lengths = batch["x"].to(self.device), batch["lengths"].to(self.device)
                values = self.model.values(x, lengths).double().cpu().numpy()
                for position, track in zip(chosen.tolist(), values, strict=True):
                    found[position] = track[:int(prepared.lengths()[position])]
        return {name: [track[:, number] for track in found]
                for number, name in enumerate(self.targets)}

    def save(self, directory: Path) -> None:
        """Write model.safetensors and model.json."""
        with atomic_path(directory / "model.safetensors") as path:
            save_file({key: value.float().contiguous().cpu()
                       for key, value in self.model.state_dict().items()}, path)
        write_json(directory / "model.json", self.about)

    @classmethod
    def load(cls, config: TrackGruExperimentConfig, directory: Path, targets: Sequence[str],
             device: str = "cpu") -> TrackPredictor:
        """What `save` wrote."""
        about = read_json(directory / "model.json", ABOUT)
        model = load_module(lambda: TrackGru(about["inputs"], about["scales"], config.model),
                            directory / "model.safetensors")
        return cls(model.to(device).eval(), device, about)


class TrackGruLearner(Learner):
    """Learns on the training part, chooses the epoch on dev.

    Raises:
        UserError: the targets have values at different steps, or no labelled track is there.
    """

    def __init__(self, config: TrackGruExperimentConfig, examples: Examples, run: Workspace):
        super().__init__(config, examples, run)
        self.run = run
        self.targets: Sequence[Target] = examples.targets
        self.step = step_of(examples.train.items, self.targets)
        self.world = distributed.start(run.device)

    load = TrackPredictor.load

    def fit(self) -> TrackPredictor:
        return self._train("select", self.examples.train, self.examples.dev, None)

    def refit(self, chosen: TrackPredictor) -> TrackPredictor:
        """Learn again, on train and dev, for the number of epochs that was best."""
        both = self.examples.train.join(self.examples.dev)
        return self._train("refit", both, None, chosen.about["best_epoch"])

    def close(self) -> None:
        distributed.stop()

    def _train(self, phase: str, part: Part, dev: Part | None,
               epochs: int | None) -> TrackPredictor:
        run, config = self.run, self.config
        part = labelled(part, self.targets)
        tracks = tracks_of(part, self.step, self.targets)
        scales = {name: scale_of(own, run.say, name) for name, own in tracks.items()}
        seed_everything(run.seed, "weights")
        model = TrackGru(self.examples.dim, scales, config.model)
        about: dict[str, Any] = {"inputs": self.examples.dim, "step": self.step, "scales": scales}
        predictor = TrackPredictor(model, self.world.device, about)
        labels = {name: torch.from_numpy(padded(own)) for name, own in tracks.items()}
        batches = SequenceBatches(sequences_of(part, self.step, self.targets), labels, part.ids,
                                  config.training.batch_size, run.seed, self.world)
        trainer = Trainer(OBJECTIVES[config.training.loss](model, list(scales)), batches,
                          self._evaluate(predictor, dev), config.training,
                          run.directory / "checkpoint" / phase, seed=run.seed, identity=run.identity, world=self.world,
                          log_dir=run.directory / "log" / ("" if dev is not None else phase),
                          name=f"{run.name} {phase}".strip(), stop_after=epochs)
        outcome = trainer.fit()
        model.eval()
        about |= {"chosen": {"epochs": outcome.best_epoch}, "best_epoch": outcome.best_epoch,
                  "epochs_run": len(outcome.curve),
                  "parameters": sum(p.numel() for p in model.parameters()), "model": dataclasses.asdict(config.model)}
        return predictor

    def _evaluate(self, predictor: TrackPredictor,
                  dev: Part | None) -> Callable[[nn.Module], dict[str, float]] | None:
        """The trainer's look at dev after every epoch."""
        if dev is None:
            return None
        dev = labelled(dev, self.targets)
        prepared = sequences_of(dev, self.step, self.targets)
        wanted = tracks_of(dev, self.step, self.targets)
        stds = {name: scale["std"] for name, scale in predictor.about["scales"].items()}

        def evaluate(model: nn.Module) -> dict[str, float]:
            return dev_metrics(wanted, predictor.forward(prepared), stds)

        return evaluate


def labelled(part: Part, targets: Sequence[Target]) -> Part:
    """The items that have a label of one of the targets.

    Raises:
        UserError: there is none.
    """
    known = [position for position, item in enumerate(part.items)
             if any(item.value(target) is not None for target in targets)]
    if not known:
        names = ", ".join(target.name for target in targets)
        raise UserError(f"no item has a track of {names} to learn from")
    return part.take(np.array(known))


def tracks_of(part: Part, step: float, targets: Sequence[Target]) -> dict[str, list[Track]]:
    """{target: the labels (T,) of each item}, NaN where there is none."""
    counts = [length(item, step, targets) for item in part.items]
    return {target.name: [track_of(item, target, count)
                          for item, count in zip(part.items, counts, strict=True)]
            for target in targets}


def sequences_of(part: Part, step: float, targets: Sequence[Target]) -> Sequences:
    """The frames of a part, averaged to the step of the labels.

    Raises:
        UserError: the features do not say how often their frames come.
    """
    frames = part.x
    if not isinstance(frames, Frames) or frames.shift is None:
        raise UserError("these features do not say how many seconds lie between their frames; "
                        "tracks need that")
    shift, counts = frames.shift, {item.id: length(item, step, targets) for item in part.items}
    return Sequences(dataclasses.replace(
        frames, read=lambda item: pooled(frames.read(item), shift, step, counts[item.id]),
        rows=lambda item: counts[item.id], shift=step), FramesConfig())


def dev_metrics(wanted: Mapping[str, Sequence[Track]], found: Mapping[str, Sequence[Track]],
                stds: Mapping[str, float]) -> dict[str, float]:
    """CCC, the mean over the targets, and of each target; loss: the mean squared error of
    standardized values."""
    cccs, losses = {}, []
    for name, tracks in wanted.items():
        y, p = np.concatenate([*tracks]), np.concatenate([*found[name]])
        cccs[name] = float(np.nan_to_num(metrics.ccc(metrics.moments(y, p))))
        errors = ((p - y) / stds[name])[~np.isnan(y)] ** 2
        losses.append(float(errors.mean()) if len(errors) else 0.0)
    return {"loss": float(np.mean(losses)), "CCC": float(np.mean(list(cccs.values()))),
            **{f"CCC_{name}": value for name, value in cccs.items()}}
