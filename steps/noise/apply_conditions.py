"""Score the test parts of noisy sets with one trained system, all of its folds and seeds: one task of an array, or
of several systems one after the other.

A system is one subsystem in one variant. Its models, normalization and calibration are those that were learned; where
features are normalized by speaker, a speaker's statistics are those of his own noisy utterances. The clean test part is
scored too, and must come out as it was scored when the system was trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import write_json
from utils.shape import NAME

if TYPE_CHECKING:
    import numpy as np

    from steps.data.dataset import Dataset
    from steps.experiments.apply import TrainedExperiment
    from steps.noise.conditions import Condition
    from steps.scoring.experiment import Experiment

CLOSE = 2e-3  # posteriors on another number of threads, or another device
TASK = {"subsystem": NAME, "variant": NAME, "protocol": NAME}  # of log/task.<j>.json


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="steps.noise.apply_conditions", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", required=True, metavar="NAME=DIR ...")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the clean set")
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--done", type=Path, required=True, metavar="FILE", help="written last")
    parser.add_argument("task", type=Path, help="written by steps.noise.score_robustness --plan")
    arguments = parser.parse_args(argv)
    from steps.data.dataset import Dataset
    from steps.experiments.task_files import content_of
    from steps.noise.conditions import Condition, open_conditions

    tasks = content_of(arguments.task, TASK, "run steps/score_robustness.sh again")
    clean = Condition("clean", Dataset.open(arguments.data))
    conditions = open_conditions(arguments.conditions, clean.data.name)
    for task in tasks:
        run(task, clean, conditions, arguments.exp)
    write_json(arguments.done, tasks)
    return 0


def run(task: dict[str, Any], clean: Condition, conditions: Sequence[Condition], exp: Path) -> None:
    """Score every condition with every fold and seed of the task's system."""
    from steps.experiments.apply import TrainedExperiment
    from steps.scoring.collect import systems_of

    data = clean.data
    split = data.split(task["protocol"])
    systems = {system.variant: system for system in systems_of(exp / task["subsystem"] / task["protocol"])}
    for experiment in systems[task["variant"]].experiments:
        trained = TrainedExperiment.open(experiment.path)
        ids = split.ids(experiment.fold, "test")
        check_clean(experiment.scores(trained.target, "test"), ids, posteriors(trained, clean, ids)[0])
        for condition in conditions:
            logp, prior = posteriors(trained, condition, ids)
            write_noisy(noisy_directory(exp, split.name, condition.name, experiment), data, ids, logp, prior)
        print(f"{task['subsystem']}/{task['variant']} fold{experiment.fold} seed{experiment.seed}: "
              f"{len(conditions)} conditions", flush=True)


def posteriors(trained: TrainedExperiment, condition: Condition, ids: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(N, C) of the utterances as they sound in `condition`, and those with the class prior for want of features."""
    items, rows = condition.inputs(ids, trained.run.features, trained.run.source)
    return trained.log_posteriors(items, rows), [key for key, row in zip(ids, rows, strict=True) if row is None]


def noisy_directory(exp: Path, protocol: str, condition: str, experiment: Experiment) -> Path:
    """EXP/robustness/<protocol>/<condition>/<subsystem>/<variant>/fold<k>/seed<s>."""
    return (exp / "robustness" / protocol / condition / experiment.subsystem / experiment.variant
            / f"fold{experiment.fold}" / f"seed{experiment.seed}")


def write_noisy(directory: Path, data: Dataset, ids: Sequence[str], logp: np.ndarray, prior: Sequence[str]) -> None:
    from steps.scoring.experiment import METRICS, scores_path
    from steps.scoring.scores import write_scores

    target = data.target()
    labels = [None if (value := data.items[key].value(target)) is None else str(value) for key in ids]
    write_scores(scores_path(directory, target.name, "test"), ids, labels, target.classes, logp)
    write_json(directory / METRICS, {"targets": {target.name: {"prior_scored": list(prior)}}})


def check_clean(path: Path, ids: Sequence[str], logp: np.ndarray) -> None:
    """The clean test part, scored again, is what was scored in training.

    Raises:
        UserError: it is not; the model, the features or the code have changed since.
    """
    import numpy as np

    from steps.scoring.scores import read_scores

    stored = read_scores(path)
    if stored.ids != list(ids):
        raise UserError(f"{path} is not of the test part; train the subsystem again")
    difference = float(np.abs(np.exp(logp) - np.exp(stored.logp)).max(initial=0.0))
    if difference > CLOSE:
        raise UserError(f"{path}: on the clean test part its model gives posteriors that are up to "
                        f"{difference:.3f} from these; train the subsystem again")


if __name__ == "__main__":
    sys.exit(run_main(main))
