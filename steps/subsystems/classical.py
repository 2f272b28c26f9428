"""Random forest and linear support vector machine. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.examples.part import Part
from steps.models import forest, svm
from steps.scoring import metrics
from steps.scoring.choice import middle_of_best
from steps.subsystems.contract import ExperimentConfig, Learner
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

    C: list[float] = option([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2], least=1, above=0.0, max=1e6,
                             help="one is chosen on dev")
    balanced: bool = option(True, help="each class counts the same")
    metric: str = option("UA", choices=("UA", "WA", "MAF"), help="by which C is chosen")


@dataclass
class ArrayPredictor:
    """See contract.Predictor; a model of one target that is stored as arrays."""

    model: Any
    target: str
    about: dict[str, Any]

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.model.to_arrays(), self.about)


class ForestPredictor(ArrayPredictor):
    """Logits are log-probabilities."""

    model: forest.Forest

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        return {self.target: np.log(np.maximum(self.model.probabilities(part.x.matrix()), TINY))}

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        return classes == {self.target: self.model.value.shape[1]} and \
            all(int(self.model.feature.max()) < width for width in widths.values())


class SvmPredictor(ArrayPredictor):
    """Logits are decision values."""

    model: svm.LinearSvm

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        return {self.target: self.model.decide(part.x.matrix())}

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        count, dim = self.model.weights.shape
        return classes == {self.target: count} and all(width == dim for width in widths.values())


class RandomForestLearner(Learner):
    """500 trees."""

    def fit(self) -> ForestPredictor:
        sizes = self.config.min_leaf
        return chosen_on_dev(self, "min_leaf", sizes, [self._grow(self.examples.train, size) for size in sizes])

    @classmethod
    def load(cls, config: RandomForestConfig, directory: Path, targets: Sequence[str],
             device: str = "cpu") -> ForestPredictor:
        return ForestPredictor(forest.Forest.from_arrays(read_npz(directory / MODEL, forest.Forest.SHAPES)),
                               targets[0], read_json(directory / "model.json", ABOUT))

    def refit(self, chosen: ForestPredictor) -> ForestPredictor:
        return self._grow(self.examples.train.join(self.examples.dev), chosen.about["chosen"]["min_leaf"])

    def _grow(self, part: Part, size: int) -> ForestPredictor:
        part, target = part.labelled(), self.examples.target
        grown = forest.grow(part.x.matrix(), part.y, len(target.classes), trees=self.config.trees,
                            min_leaf=size, balanced=self.config.balanced, seed=derive(self.workspace.seed, "forest"),
                            threads=int(os.environ.get("EMOTION_NUM_THREADS") or 1))
        return ForestPredictor(grown, target.name, {"chosen": {"min_leaf": size}, "parameters": int(len(grown.left))})


class LinearSvmLearner(Learner):
    """Deterministic: every seed gives the same."""

    def fit(self) -> SvmPredictor:
        penalties = self.config.C
        return chosen_on_dev(self, "C", penalties, self._learn(self.examples.train, penalties))

    @classmethod
    def load(cls, config: LinearSvmConfig, directory: Path, targets: Sequence[str],
             device: str = "cpu") -> SvmPredictor:
        return SvmPredictor(svm.LinearSvm.from_arrays(read_npz(directory / MODEL, svm.LinearSvm.SHAPES)),
                            targets[0], read_json(directory / "model.json", ABOUT))

    def refit(self, chosen: SvmPredictor) -> SvmPredictor:
        return self._learn(self.examples.train.join(self.examples.dev), [chosen.about["chosen"]["C"]])[0]

    def _learn(self, part: Part, penalties: list[float]) -> list[SvmPredictor]:
        part, target = part.labelled(), self.examples.target
        return [SvmPredictor(model, target.name, {"chosen": {"C": penalty},
                                                  "parameters": int(model.weights.size + model.biases.size)})
                for penalty, model in svm.path(part.x.matrix(), part.y, len(target.classes), penalties,
                                               self.config.balanced)]


def chosen_on_dev(learner: Learner, option: str, path: Sequence[float], predictors: Sequence[Any]) -> Any:
    """Of what was learned with each value of an option the best on dev; ties go to the middle of the path."""
    dev, target, name = learner.examples.dev.labelled(), learner.examples.target, learner.config.metric
    values = [dev_metric(name, dev, one.predict(dev)[target.name], len(target.classes)) for one in predictors]
    for size, value in zip(path, values, strict=True):
        learner.workspace.say(f"{option} {size:g}: dev {name} {100 * value:.1f}")
    return predictors[middle_of_best(path, values)]


def dev_metric(name: str, part: Part, logits: np.ndarray, classes: int) -> float:
    """One metric of `part`; all its items are labelled."""
    return float(metrics.classification(metrics.confusion(part.y, logits.argmax(axis=1), classes))[name])


def save_arrays(directory: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """model.npz (no pickle) and model.json."""
    save_npz(directory / MODEL, arrays)
    write_json(directory / "model.json", about)
