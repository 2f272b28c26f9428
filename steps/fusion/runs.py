"""Fuse an ensemble in every fold and seed, and count what the fusion decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from steps.fusion.fitting import Fitted, Stack, cross_fit
from steps.fusion.inputs import Ensemble, Reader
from steps.scoring import metrics
from steps.scoring.summary import Summary, plain
from utils.corpus import Target

Parts = Mapping[str, Stack]  # dev and test
Key = tuple[int, int]  # fold, seed


@dataclass(frozen=True)
class Run:
    """One fusion of one fold and seed: what was fitted, and (N, C) log-posteriors of both parts."""

    fitted: Fitted
    parts: Parts

    @cached_property
    def test(self) -> np.ndarray:
        return self.fitted.fusion.combine(self.parts["test"].logp)

    def scores(self, part: str) -> np.ndarray:
        return self.fitted.dev if part == "dev" else self.test


@dataclass(frozen=True)
class Fused:
    """One way of fusing one ensemble: a run a fold and seed."""

    how: str
    variant: str
    members: tuple[tuple[str, str], ...]
    target: Target
    runs: Mapping[Key, Run]

    def summary(self, part: str) -> Summary:
        """Counts over folds and seeds; on dev every item is scored by weights that have not seen it."""
        return counted(self.target, {key: (run.parts[part], run.scores(part)) for key, run in self.runs.items()})

    @cached_property
    def dev(self) -> dict[str, float]:
        """Metrics on dev, pooled over folds, mean over seeds."""
        return mean_metrics(self.summary("dev"))

    @cached_property
    def weights(self) -> np.ndarray:
        """(folds, K) mean over seeds; those of a regression are scaled to sum to one without their signs."""
        folds: dict[int, list[np.ndarray]] = {}
        for (fold, _), run in self.runs.items():
            weights = run.fitted.fusion.weights
            folds.setdefault(fold, []).append(weights / max(np.abs(weights).sum(), 1e-12))
        return np.array([np.mean(folds[fold], axis=0) for fold in sorted(folds)])


def stacks(ensemble: Ensemble, reader: Reader) -> dict[Key, Parts]:
    """The scores of an ensemble in every fold and seed."""
    return {(fold, seed): {part: reader.stack(ensemble, fold, seed, part) for part in ("dev", "test")}
            for fold in ensemble.folds for seed in ensemble.seeds}


def counted(target: Target, scores: Mapping[Key, tuple[Stack, np.ndarray]]) -> Summary:
    """Counts over folds and seeds of scores (N, C) of the items of a stack."""
    summary = Summary.of(target)
    for key, (stack, values) in scores.items():
        if not stack.predictions:
            summary.add_decisions(key, stack.speakers, stack.y, values.argmax(axis=1))
        elif summary.tracks:
            summary.add_tracks(key, stack.speakers, stack.ids, stack.y, values[:, 0])
        else:
            summary.add_predictions(key, stack.speakers, stack.y, values[:, 0])
    return summary


def fuse(how: str, ensemble: Ensemble, inputs: Mapping[Key, Parts], target: Target) -> Fused:
    """Fit one way of fusing in every fold and seed."""
    runs = {key: Run(cross_fit(how, ensemble.names, target.classes, parts["dev"]), parts)
            for key, parts in inputs.items()}
    return Fused(how, ensemble.variant, ensemble.names, target, runs)


def without(fused: Fused, member: int) -> Fused:
    """The same way of fusing, fitted again without one subsystem."""
    names = fused.members[:member] + fused.members[member + 1:]
    runs = {}
    for key, run in fused.runs.items():
        parts = {part: stack.without(member) for part, stack in run.parts.items()}
        runs[key] = Run(cross_fit(fused.how, names, fused.target.classes, parts["dev"]), parts)
    return Fused(fused.how, fused.variant, names, fused.target, runs)


def mean_metrics(summary: Summary) -> dict[str, float]:
    """Metrics pooled over folds, mean over seeds; {} without labels."""
    if not summary.labelled:
        return {}
    return {name: float(plain(value.mean()) or 0.0) for name, value in values_of(summary).items()}


def values_of(summary: Summary) -> dict[str, np.ndarray]:
    """Each metric (seeds,), pooled over folds."""
    pooled = summary.pooled()
    return metrics.classification(pooled) if summary.classes else summary.values(pooled)


def single(target: Target, member: int, inputs: Mapping[Key, Parts], part: str) -> dict[str, Any]:
    """Metrics of one subsystem alone, over the folds and seeds of the fusion."""
    return mean_metrics(counted(target, {key: (parts[part], parts[part].logp[:, member])
                                         for key, parts in inputs.items()}))
