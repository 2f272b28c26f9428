"""An experiment of several rounds (self-training): each is a whole experiment in `round<k>`,
finished or taken up.

The guesses of a round on unlabelled utterances lie in round<k>/scores/<target>/unlabelled.tsv, as
log-posteriors calibrated on dev; the next round learns from those that are sure. The round that is
best on dev becomes the experiment.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.examples.fold import Examples
from steps.examples.part import Part
from steps.scoring.calibration import apply_temperature, fit_temperature
from steps.scoring.experiment import METRICS, read_metrics, scores_path
from steps.scoring.scores import read_scores, write_scores
from steps.semi_supervised.config import SelfTrainingConfig
from steps.semi_supervised.self_training import UNSURE, pseudo_labels
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json

if TYPE_CHECKING:
    import numpy as np

GUESSES = "unlabelled"  # the part that their table is named after


def run_rounds(directory: Path, examples: Examples, config: SelfTrainingConfig,
               run: Callable[[Path, Examples], None], finished: Callable[[Path], bool],
               say: Callable[[str], None]) -> None:
    """
    Args:
        run: runs a whole experiment on these examples in a directory, and writes GUESSES.
        finished: whether an experiment is whole.
    """
    unlabelled = examples.without_labels()
    if not len(unlabelled):
        raise UserError("self_training needs unlabelled utterances: use --unlabelled or --labels",
                        2)
    learned = examples
    for number in range(config.rounds + 1):
        place = directory / f"round{number}"
        if number:
            earlier = scores_path(directory / f"round{number - 1}", examples.target.name, GUESSES)
            guesses = sure_guesses(earlier, unlabelled, config)
            learned = with_guesses(examples, unlabelled, guesses)
            say(f"round {number}: {len(guesses)} of {len(unlabelled)} unlabelled utterances have a "
                "sure guess")
        if not finished(place):
            run(place, learned)
    dev = [read_metrics(directory / f"round{number}", examples.target.name)["dev"]["UA"]
           for number in range(config.rounds + 1)]
    best = dev.index(max(dev))  # at a tie the one that learned from the fewest guesses
    adopt(directory / f"round{best}", directory, {"round": best, "dev_UA_of_rounds": dev})


def write_guesses(directory: Path, examples: Examples, dev: np.ndarray,
                  unlabelled: np.ndarray) -> None:
    """Write GUESSES.

    Args:
        dev: (N, C) logits of the dev part, unlabelled: (M, C) of `examples.without_labels()`, by
            the same model.
    """
    logp = apply_temperature(unlabelled, fit_temperature(dev, examples.dev.y))
    ids = examples.without_labels().ids
    path = scores_path(directory, examples.target.name, GUESSES)
    write_scores(path, ids, [None] * len(ids), examples.target.classes, logp)


def sure_guesses(path: Path, unlabelled: Part, config: SelfTrainingConfig) -> dict[str, int]:
    """{unlabelled utterance: class number} of the guesses that count.

    Raises:
        UserError: guesses on other utterances.
    """
    scores = read_scores(path)
    if scores.ids != sorted(unlabelled.ids):
        raise UserError(f"{path} is of other utterances; remove {path.parents[2]} to train anew")
    labels = pseudo_labels(scores.logp, config.threshold, config.most)
    return {key: int(label) for key, label in zip(scores.ids, labels, strict=True)
            if label != UNSURE}


def with_guesses(examples: Examples, unlabelled: Part, guesses: Mapping[str, int]) -> Examples:
    """The examples with the unlabelled utterances in the training part, those with a guess labelled
    by it."""
    y = unlabelled.y.copy()
    for position, key in enumerate(unlabelled.ids):
        y[position] = guesses.get(key, y[position])
    guessed = replace(unlabelled, labels={**unlabelled.labels, examples.target.name: y})
    train = examples.train.labelled().join(guessed)
    return replace(examples, train=train, unlabelled=())


def adopt(place: Path, directory: Path, more: Mapping[str, Any]) -> None:
    """Make a finished round the experiment: copies its files; metrics.json, which says that it is
    whole, at last."""
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place)
        if path.is_file() and name.name not in (METRICS, f"{GUESSES}.tsv"):
            with atomic_path(directory / name) as new:
                shutil.copyfile(path, new)
    write_json(directory / METRICS, {**read_json(place / METRICS), **more})
