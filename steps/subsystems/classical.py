"""Random forest and linear support vector machine as kinds of subsystem. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.examples.part import Part
from steps.models import forest, svm
from steps.scoring import metrics
from steps.scoring.choice import middle_of_best
from steps.subsystems.contract import ExperimentConfig, Kind
from steps.training.random_state import derive
from utils.arrays import read_npz, save_npz
from utils.config import option
from utils.files import read_json, write_json

MODEL = "model.npz"
ABOUT: dict[str, Any] = {"chosen": {str: float}, "parameters": int}  # model.json
TINY = 1e-12  # probability of a class that no tree of the forest considers; the calibration's floor is far above


@dataclass
class RandomForestConfig(ExperimentConfig):
    """The forest that MEC 2017 recommends as baseline."""

    trees: int = option(500, min=1, max=100000)
    min_leaf: list[int] = option([1], least=1, min=1, max=10**6,
                                 help="smallest number of rows in a leaf; one of these is chosen on dev")
    balanced: bool = option(True, help="each class counts the same")
    metric: str = option("UA", choices=("UA", "WA", "MAF"), help="by which min_leaf is chosen")


@dataclass
class LinearSvmConfig(ExperimentConfig):
    """One class against the rest, hinge loss."""

    penalties: list[float] = option([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2], least=1, above=0.0, max=1e6,
                                    help="C; one is chosen on dev")
    balanced: bool = option(True, help="each class counts the same")
    metric: str = option("UA", choices=("UA", "WA", "MAF"), help="by which C is chosen")


@dataclass
class FittedForest:
    """See contract.Fitted; logits are log-probabilities."""

    model: forest.Forest
    about: dict[str, Any]

    def logits(self, part: Part) -> np.ndarray:
        return np.log(np.maximum(self.model.probabilities(part.x.matrix()), TINY))

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.model.to_arrays(), self.about)

    def fits(self, inputs: int | None, classes: int) -> bool:
        return self.model.value.shape[1] == classes and (inputs is None or int(self.model.feature.max()) < inputs)


@dataclass
class FittedSvm:
    """See contract.Fitted; logits are decision values."""

    model: svm.LinearSvm
    about: dict[str, Any]

    def logits(self, part: Part) -> np.ndarray:
        return self.model.decide(part.x.matrix())

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.model.to_arrays(), self.about)

    def fits(self, inputs: int | None, classes: int) -> bool:
        return self.model.weights.shape == (classes, self.model.weights.shape[1] if inputs is None else inputs)


class RandomForestKind(Kind):
    """500 trees."""

    Config = RandomForestConfig

    def fit(self) -> FittedForest:
        sizes = self.config.min_leaf
        return chosen_on_dev(self, "min_leaf", sizes, [self._grow(self.examples.train, size) for size in sizes])

    @classmethod
    def load(cls, config: RandomForestConfig, directory: Path, device: str = "cpu") -> FittedForest:
        return FittedForest(forest.Forest.from_arrays(read_npz(directory / MODEL, forest.Forest.SHAPES)),
                            read_json(directory / "model.json", ABOUT))

    def refit(self, fitted: FittedForest) -> FittedForest:
        return self._grow(self.examples.train.join(self.examples.dev), fitted.about["chosen"]["min_leaf"])

    def _grow(self, part: Part, size: int) -> FittedForest:
        part = part.labelled()
        grown = forest.grow(part.x.matrix(), part.y, len(self.examples.target.classes), trees=self.config.trees,
                            min_leaf=size, balanced=self.config.balanced, seed=derive(self.workspace.seed, "forest"),
                            threads=int(os.environ.get("EMOTION_NUM_THREADS") or 1))
        return FittedForest(grown, {"chosen": {"min_leaf": size}, "parameters": int(len(grown.left))})


class LinearSvmKind(Kind):
    """Deterministic: every seed gives the same."""

    Config = LinearSvmConfig
    seeded = False

    def fit(self) -> FittedSvm:
        penalties = self.config.penalties
        return chosen_on_dev(self, "C", penalties, self._learn(self.examples.train, penalties))

    @classmethod
    def load(cls, config: LinearSvmConfig, directory: Path, device: str = "cpu") -> FittedSvm:
        return FittedSvm(svm.LinearSvm.from_arrays(read_npz(directory / MODEL, svm.LinearSvm.SHAPES)),
                         read_json(directory / "model.json", ABOUT))

    def refit(self, fitted: FittedSvm) -> FittedSvm:
        return self._learn(self.examples.train.join(self.examples.dev), [fitted.about["chosen"]["C"]])[0]

    def _learn(self, part: Part, penalties: list[float]) -> list[FittedSvm]:
        part = part.labelled()
        return [FittedSvm(model, {"chosen": {"C": penalty}, "parameters": int(model.weights.size + model.biases.size)})
                for penalty, model in svm.path(part.x.matrix(), part.y, len(self.examples.target.classes), penalties,
                                               self.config.balanced)]


def chosen_on_dev(kind: Kind, option: str, path: Sequence[float], fitted: Sequence[Any]) -> Any:
    """Of what was learned with each value of an option the best on dev; ties go to the middle of the path."""
    dev, name = kind.examples.dev.labelled(), kind.config.metric
    values = [dev_metric(name, dev, one.logits(dev), len(kind.examples.target.classes)) for one in fitted]
    for size, value in zip(path, values, strict=True):
        kind.workspace.say(f"{option} {size:g}: dev {name} {100 * value:.1f}")
    return fitted[middle_of_best(path, values)]


def dev_metric(name: str, part: Part, logits: np.ndarray, classes: int) -> float:
    """One metric of `part`, all of whose items are labelled."""
    return float(metrics.classification(metrics.confusion(part.y, logits.argmax(axis=1), classes))[name])


def save_arrays(directory: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """model.npz (no pickle) and model.json."""
    save_npz(directory / MODEL, arrays)
    write_json(directory / "model.json", about)
