"""What an experiment comes to: scores of what has a target's value, calibrated on dev, and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Dataset
from steps.examples.fold import Examples
from steps.examples.part import Part
from steps.examples.units import Units, by_unit, unit_names
from steps.scoring import metrics
from steps.scoring.calibration import apply_temperature, fit_temperature, fit_threshold
from steps.scoring.experiment import scores_path
from steps.scoring.scores import Scores, write_regression, write_scores
from utils.corpus import Target


@dataclass(frozen=True)
class Outcome:
    """Scores of dev and test for one target.

    Args:
        values: part -> (N, C) of its utterances: logits, or (N, 1) numbers.
    """

    data: Dataset
    examples: Examples
    target: Target
    values: dict[str, np.ndarray]

    def write(self, directory: Path) -> dict[str, Any]:
        """Write scores/<target>/<part>.tsv; returns what metrics.json says of the target.

        Everything is chosen on dev.
        """
        found = {name: self._units(name, values) for name, values in self.values.items()}
        missing = {name: self._missing(name, set(units.ids)) for name, units in found.items()}
        paths = {name: scores_path(directory, self.target.name, name) for name in found}
        about: dict[str, Any] = {"prior_scored": sorted(sum(missing.values(), []))}
        if not self.target.classes:
            about["mean"] = self.examples.mean(self.target)
            return about | {name: self._write_numbers(paths[name], units, missing[name])
                            for name, units in found.items()}
        temperature = fit_temperature(found["dev"].values, found["dev"].y)
        about |= {"temperature": temperature,
                  "log_prior": dict(zip(self.target.classes, self.examples.log_prior(self.target).tolist(),
                                        strict=True))}
        tables = {name: self._write_scores(paths[name], units, missing[name], temperature)
                  for name, units in found.items()}
        if self.target.positive is not None:
            about["threshold"] = threshold_of(tables["dev"], self.target.positive)
        return about | {name: self._metrics(table, about.get("threshold", 0.5)) for name, table in tables.items()}

    def _part(self, name: str) -> Part:
        return getattr(self.examples, name)

    def _units(self, name: str, values: np.ndarray) -> Units:
        """What has a value of the target: utterances, or dialogues and sessions; without the context."""
        part = self._part(name)
        scored = np.flatnonzero(~part.context)
        names = unit_names([part.items[row] for row in scored], self.target.of)
        return by_unit(names, part.labels[self.target.name][scored], values[scored])

    def _missing(self, name: str, scored: set[str]) -> list[str]:
        """What has a value, and no utterance with features."""
        return sorted({self.data.group_of(key, self.target.of) for key in self._part(name).missing} - scored)

    def _write_scores(self, path: Path, found: Units, missing: list[str], temperature: float) -> Scores:
        classes = list(self.target.classes)
        labels = [None if y < 0 else classes[y] for y in found.y]
        labels += [None if (label := self.data.value_of(name, self.target)) is None else str(label)
                   for name in missing]
        logp = np.concatenate([apply_temperature(found.values, temperature),
                               np.tile(self.examples.log_prior(self.target), (len(missing), 1))])
        write_scores(path, found.ids + missing, labels, classes, logp)
        return Scores(found.ids + missing, labels, classes, logp)

    def _write_numbers(self, path: Path, found: Units, missing: list[str]) -> dict[str, float | int]:
        labels = [None if y != y else y for y in found.y.tolist()]
        labels += [self.data.value_of(name, self.target) for name in missing]  # type: ignore[misc]
        predictions = np.concatenate([found.values[:, 0], np.full(len(missing), self.examples.mean(self.target))])
        write_regression(path, found.ids + missing, labels, predictions.tolist())
        sums = metrics.moments(np.array([np.nan if y is None else y for y in labels], dtype=np.float64), predictions)
        if not sums[0]:
            return {"n": 0}
        return {**{key: float(value) for key, value in metrics.regression(sums).items()}, "n": int(sums[0])}

    def _metrics(self, table: Scores, threshold: float) -> dict[str, float | int]:
        positive = self.target.positive
        counts = metrics.confusion(table.references, table.decide(positive, threshold), len(table.classes))
        if not counts.any():
            return {"n": 0}  # without labels there are scores and no metrics
        f1 = {} if positive is None else {"F1": float(metrics.f1(counts)[table.classes.index(positive)])}
        return {**f1, **{key: float(value) for key, value in metrics.classification(counts).items()},
                "n": int(counts.sum())}


def threshold_of(dev: Scores, positive: str) -> float:
    """The posterior from which on `positive` is decided for."""
    known, column = dev.references >= 0, dev.classes.index(positive)
    return fit_threshold(np.exp(dev.logp[known, column]), dev.references[known] == column)
