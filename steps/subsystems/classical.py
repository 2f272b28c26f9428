"""Random forest and linear support vector machine. Imports no torch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.examples.inner import inner_folds
from steps.examples.part import Part
from steps.models import forest, svm
from steps.scoring import metrics
from steps.scoring.choice import middle_of_best
from steps.subsystems.contract import ExperimentConfig, Learner
from steps.training.random_state import derive
from utils.arrays import read_npz, save_npz
from utils.config import option
from utils.files import read_json, write_json
from utils.shape import Either

MODEL = "model.npz"
ABOUT: dict[str, Any] = {"chosen": {str: Either(float, str)}, "parameters": int}  # model.json
DEV, INNER = "dev", "inner"
Setting = Mapping[str, Any]  # {option: value}
TINY = 1e-12  # probability of a class that no tree of the forest considers; the calibration's floor is far above


@dataclass
class ClassicalConfig(ExperimentConfig):
    """How options are chosen."""

    selection: str = option(DEV, choices=(DEV, INNER), help="on dev; or on inner folds over the speakers of the "
                            "training part (steps/examples/inner.py), so that dev is left for calibration and fusion")
    metric: str = option("UA", choices=("UA", "WA", "MAF"), help="by which it is chosen")


@dataclass
class RandomForestConfig(ClassicalConfig):
    """The forest that MEC 2017 recommends as baseline."""

    trees: int = option(500, min=1, max=100000)
    min_leaf: list[int] = option([1], least=1, min=1, max=10**6,
                                 help="smallest number of rows in a leaf; one of these is chosen")
    balanced: bool = option(True, help="each class counts the same")


@dataclass
class LinearSvmConfig(ClassicalConfig):
    """Of `C`, `rules` and `losses` one each is chosen."""

    C: list[float] = option([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2], least=1, above=0.0, max=1e6,
                             help="penalties")
    rules: list[str] = option([svm.ONE_AGAINST_REST], least=1, choices=svm.RULES, help="how classes are told apart")
    losses: list[str] = option([svm.HINGE], least=1, choices=svm.LOSSES)
    balanced: bool = option(True, help="each class counts the same")


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

    model: svm.LinearSvm | svm.PairwiseSvm

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        return {self.target: self.model.decide(part.x.matrix())}

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        dim = self.model.weights.shape[1]
        return classes == {self.target: self.model.classes} and all(width == dim for width in widths.values())


class ClassicalLearner(Learner):
    """Learns with each of several settings, and chooses one."""

    def settings(self) -> list[Setting]:
        """{option: value} of each, those that differ in the last option alone side by side, in its order."""
        raise NotImplementedError

    def learn(self, part: Part, settings: Sequence[Setting]) -> list[Any]:
        """A predictor of each setting."""
        raise NotImplementedError

    def fit(self) -> Any:
        train, settings = self.examples.train.labelled(), self.settings()
        folds = inner_folds(train.items) if self.config.selection == INNER else []
        if self.config.selection == INNER and not folds:
            self.workspace.say("the training part has fewer than three speakers, or unknown ones: chosen on dev")
        if folds and len(settings) > 1:
            chosen = settings[self._best(settings, self._on_inner_folds(train, folds, settings))]
            return self.learn(train, [chosen])[0]
        learned = self.learn(train, settings)
        return learned[0] if len(learned) == 1 and folds else learned[self._best(settings, self._on_dev(learned))]

    def refit(self, chosen: Any) -> Any:
        return self.learn(self.examples.train.join(self.examples.dev).labelled(), [chosen.about["chosen"]])[0]

    def _on_dev(self, learned: Sequence[Any]) -> list[float]:
        dev = self.examples.dev.labelled()
        return [self._metric(dev.y, one.predict(dev)[self.examples.target.name]) for one in learned]

    def _on_inner_folds(self, train: Part, folds: Sequence[tuple[np.ndarray, np.ndarray]],
                        settings: Sequence[Setting]) -> list[float]:
        """The metric of each setting over what was held out in all folds."""
        logits = np.zeros((len(settings), len(train), len(self.examples.target.classes)))
        for mine, held in folds:
            part = train.take(held)
            for number, one in enumerate(self.learn(train.take(mine), settings)):
                logits[number, held] = one.predict(part)[self.examples.target.name]
        return [self._metric(train.y, each) for each in logits]

    def _metric(self, y: np.ndarray, logits: np.ndarray) -> float:
        counts = metrics.confusion(y, logits.argmax(axis=1), len(self.examples.target.classes))
        return float(metrics.classification(counts)[self.config.metric])

    def _best(self, settings: Sequence[Setting], values: Sequence[float]) -> int:
        """The place of the best; of equally good ones the first, along the last option the middle."""
        where = "inner folds" if self.config.selection == INNER else "dev"
        for setting, value in zip(settings, values, strict=True):
            told = ", ".join(f"{name} {size:g}" if isinstance(size, (int, float)) else str(size)
                             for name, size in reversed(setting.items()))
            self.workspace.say(f"{told}: {where} {self.config.metric} {100 * value:.1f}")
        paths: dict[tuple[Any, ...], list[int]] = {}
        for place, setting in enumerate(settings):
            paths.setdefault(tuple(setting.values())[:-1], []).append(place)
        best = [path[middle_of_best([float(list(settings[place].values())[-1]) for place in path],
                                    [values[place] for place in path])] for path in paths.values()]
        return max(best, key=lambda place: values[place])  # the first of equal ones


class RandomForestLearner(ClassicalLearner):
    """500 trees."""

    def settings(self) -> list[Setting]:
        return [{"min_leaf": size} for size in self.config.min_leaf]

    @classmethod
    def load(cls, config: RandomForestConfig, directory: Path, targets: Sequence[str],
             device: str = "cpu") -> ForestPredictor:
        return ForestPredictor(forest.Forest.from_arrays(read_npz(directory / MODEL, forest.Forest.SHAPES)),
                               targets[0], read_json(directory / "model.json", ABOUT))

    def learn(self, part: Part, settings: Sequence[Setting]) -> list[ForestPredictor]:
        return [self._grow(part, setting) for setting in settings]

    def _grow(self, part: Part, setting: Setting) -> ForestPredictor:
        target = self.examples.target
        grown = forest.grow(part.x.matrix(), part.y, len(target.classes), trees=self.config.trees,
                            min_leaf=int(setting["min_leaf"]), balanced=self.config.balanced,
                            seed=derive(self.workspace.seed, "forest"),
                            threads=int(os.environ.get("EMOTION_NUM_THREADS") or 1))
        return ForestPredictor(grown, target.name, {"chosen": dict(setting), "parameters": int(len(grown.left))})


class LinearSvmLearner(ClassicalLearner):
    """Deterministic: every seed gives the same."""

    def settings(self) -> list[Setting]:
        return [{**({"rule": rule} if len(self.config.rules) > 1 or rule != svm.ONE_AGAINST_REST else {}),
                 **({"loss": loss} if len(self.config.losses) > 1 or loss != svm.HINGE else {}), "C": penalty}
                for rule in self.config.rules for loss in self.config.losses for penalty in self.config.C]

    @classmethod
    def load(cls, config: LinearSvmConfig, directory: Path, targets: Sequence[str],
             device: str = "cpu") -> SvmPredictor:
        about = read_json(directory / "model.json", ABOUT)
        kind = svm.PairwiseSvm if about["chosen"].get("rule") == svm.ONE_AGAINST_ONE else svm.LinearSvm
        return SvmPredictor(kind.from_arrays(read_npz(directory / MODEL, kind.SHAPES)), targets[0], about)

    def learn(self, part: Part, settings: Sequence[Setting]) -> list[SvmPredictor]:
        target, found = self.examples.target, list[SvmPredictor]()
        for kind, path in itertools.groupby(settings, key=lambda one: (one.get("rule"), one.get("loss"))):
            rule, loss = kind[0] or svm.ONE_AGAINST_REST, kind[1] or svm.HINGE
            along = list(path)
            machines = svm.path(part.x.matrix(), part.y, len(target.classes), [one["C"] for one in along],
                                self.config.balanced, rule, loss)
            found += [SvmPredictor(model, target.name, {
                "chosen": dict(setting), "parameters": int(model.weights.size + model.biases.size)})
                for setting, (_, model) in zip(along, machines, strict=True)]
        return found


def save_arrays(directory: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """model.npz (no pickle) and model.json."""
    save_npz(directory / MODEL, arrays)
    write_json(directory / "model.json", about)
