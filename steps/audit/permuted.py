"""Whether a subsystem that was trained on permuted labels scores at chance on test, as it must.

UA of decisions that know nothing of the labels is 1 / C on average, but one run does not scatter like coin tosses: a
classifier of random labels still puts similar utterances into one class, and utterances of one emotion are similar.
What is random is which name that class got. So the chance interval is the distribution of UA when, in every fold, the
decisions' class names are permuted at random; it holds that structure fixed. Only a UA above the interval is a leak.

Where there are too few permutations (few classes, one fold) the limit is half-way between chance and 100 %. Where the
test parts have no labels, the decisions on dev are held against dev's true labels, which the classifier has not seen.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steps.audit.permuted_tracks import judge_tracks
from steps.data.dataset import Dataset, Sequence
from steps.data.splits import Split
from steps.scoring import metrics
from steps.scoring.collect import System, read_part, summarize, systems_of
from steps.scoring.scores import Predictions, Scores
from steps.scoring.summary import Summary, plain
from utils.corpus import Target
from utils.errors import UserError

DRAWS = 20_000
PERCENTILES = (0.5, 99.5)
SEED = 7


def check(data: Dataset, split: Split, directory: Path) -> list[dict[str, Any]]:
    """One entry a system below exp/<permuted>/<protocol>: {system, UA, chance, low, high, items, passed, rule}.

    Raises:
        UserError: there is no run on permuted labels, or it is not on permuted labels.
    """
    from steps.scoring.collect import is_permuted

    systems = systems_of(directory)
    if not systems:
        raise UserError(f"{directory} holds no trained subsystem; run steps/train_subsystem.sh --permute-labels first")
    found = []
    for system in systems:
        if not is_permuted(system):
            raise UserError(f"{directory}/{system.variant} was not trained on permuted labels; "
                            "use steps/train_subsystem.sh --permute-labels")
        for target in system.targets(data):
            found.append({"system": system.name, "target": target.name, **check_target(data, split, system, target)})
    return found


def check_target(data: Dataset, split: Split, system: System, target: Target) -> dict[str, Any]:
    """The entry of one target, of classes or of tracks."""
    if target.kind == "track":
        return check_tracks(data, split, system, target)
    if target.kind != "class":
        raise UserError(f"{system.name}: permuted labels are judged by UA or, of tracks, by CCC; {target.name} of "
                        f"{data.name} has no classes")
    summary, _ = summarize(data, split, system, "test", target)
    if summary.labelled:
        return {"part": "test", **judge(summary)}
    entry = judge(true_dev(data, split, system, target))
    return {"part": "dev", **entry, "rule": f"{entry['rule']}; on dev, since the test part has no labels"}


def check_tracks(data: Dataset, split: Split, system: System, target: Target) -> dict[str, Any]:
    """The entry of a target of tracks: on test, or on dev's true labels where test has none."""
    for part in ("test", "dev"):
        runs = []
        for experiment in system.experiments:
            run = read_part(data, split, experiment, part, target)
            assert isinstance(run, Predictions)
            runs.append(run if part == "test" else with_true_labels(data, run, target))
        if any(not np.isnan(run.labels).all() for run in runs):
            return {"part": part, **judge_tracks(runs)}
    raise UserError(f"{system.name}: neither test nor dev has a track of {target.name} to judge it by")


def with_true_labels(data: Dataset, run: Predictions, target: Target) -> Predictions:
    """The score files of dev hold permuted labels."""
    labels = [label.array() if isinstance(label := data.items[key].value(target), Sequence) else
              np.full(len(predictions), np.nan) for key, _, predictions in run.by_item()]
    return replace(run, labels=np.concatenate(labels).astype(np.float64))


def true_dev(data: Dataset, split: Split, system: System, target: Target) -> Summary:
    """Decisions on dev against the true labels; the score files hold permuted ones."""
    summary = Summary(len(target.classes))
    number = {name: position for position, name in enumerate(target.classes)}
    for experiment in system.experiments:
        found = read_part(data, split, experiment, "dev", target)
        assert isinstance(found, Scores)
        labels = [data.value_of(key, target) for key in found.ids]
        truth = np.array([-1 if label is None else number[str(label)] for label in labels])
        summary.add_decisions((experiment.fold, experiment.seed), [None] * len(truth), truth, found.decisions)
    return summary


def judge(summary: Summary) -> dict[str, Any]:
    """Observed UA against the chance interval (see the module's text)."""
    runs = [sum(group.values(), np.zeros(summary.shape)) for group in summary.cells.values()]
    stack = np.stack(runs)  # (folds x seeds, C, C)
    present = stack.sum(axis=(0, 2)) > 0
    observed, chance = float(metrics.ua(stack.sum(axis=0))), 1.0 / summary.classes
    names = len(runs) * math.lgamma(summary.classes + 1)
    enough = names > math.log(1000)
    if enough and present.any():
        low, high = (float(value) for value in np.percentile(chance_draws(stack), PERCENTILES))
        rule = f"{PERCENTILES[1] - PERCENTILES[0]:g} % of {DRAWS} permutations of each fold's decided class names"
    else:
        low, high = 0.0, (1.0 + chance) / 2
        rule = "too few folds and classes for a distribution: half-way between chance and 100 %"
    return {"UA": plain(observed), "chance": plain(chance), "low": plain(low), "high": plain(high),
            "items": int(stack.sum()), "passed": not observed > high + 1e-9, "rule": rule}


def chance_draws(stack: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """UA (draws,) with the columns of every run's confusion matrix permuted at random."""
    runs, classes, _ = stack.shape
    rng, rows = np.random.default_rng(seed), np.arange(classes)
    right = np.zeros((draws, classes))
    for run in range(runs):
        names = rng.permuted(np.tile(rows, (draws, 1)), axis=1)
        right += stack[run][rows, names]
    total = stack.sum(axis=(0, 2))
    present = total > 0
    return (right[:, present] / total[present]).mean(axis=1)
