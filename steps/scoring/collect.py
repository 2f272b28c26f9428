"""Find the experiments below exp/, check that their scores are whole and belong to the data set, and summarize them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Dataset, Sequence
from steps.data.splits import Split
from steps.data.variant import Variant
from steps.scoring.experiment import AGAIN, NUMBER, Experiment
from steps.scoring.scores import Predictions, Scores, read_predictions, read_scores
from steps.scoring.summary import Summary
from utils.corpus import Target
from utils.errors import UserError
from utils.files import read_json
from utils.shape import Either, Maybe

PARTS = ("dev", "test")
PLANS = "subsystem*.json"  # subsystem.json, and subsystem.<targets>.json of trainings on others
SUBSYSTEM = {
    "subsystem?": str, "kind?": str, "config?": str, "features?": Maybe(str), "variants?": [str], "folds?": [NUMBER],
    "seeds?": [NUMBER], "permuted?": bool, "targets?": [str], "label?": Maybe(str), "set?": [str],
    "text_source?": Either(str, {str: str}), "fuses?": {str: [[str]]},
    "primary?": Maybe(Either(str, bool, {str: str})),
    "init?": Maybe({"trained_on?": Maybe([{"corpus": str}]), "name": str}),
    "unlabelled?": {"sets": [str], "trained_on": [{"corpus": str}]}}


@dataclass
class System:
    """All folds and seeds of one subsystem in one variant.

    Attributes:
        about: subsystem.json.
    """

    subsystem: str
    variant: str
    about: dict[str, Any] = field(default_factory=dict)
    experiments: list[Experiment] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.subsystem}/{self.variant}"

    def targets(self, data: Dataset) -> tuple[Target, ...]:
        """What it predicts: as its plan says, else the default target of the data set."""
        names = self.about.get("targets") or [self.about.get("label") or ""]
        return tuple(data.target(name) for name in names)

    @property
    def folds(self) -> list[int]:
        return sorted({experiment.fold for experiment in self.experiments})

    @property
    def seeds(self) -> list[int]:
        return sorted({experiment.seed for experiment in self.experiments})


def find_systems(exp: Path, protocol: str, permuted: bool = False, leave_out: Collection[str] = ()) -> list[System]:
    """Every system of a protocol below `exp`, sorted by name; the runs on permuted labels only if `permuted`.

    Args:
        leave_out: subsystems that are not looked at.

    Raises:
        UserError: a planned fold or seed has no scores, or the folds of a system have different seeds.
    """
    systems = []
    for directory in sorted(exp.glob(f"*/{_quote(protocol)}")):
        if directory.parent.name not in leave_out:
            systems += [system for system in systems_of(directory) if permuted == is_permuted(system)]
    return systems


def systems_of(directory: Path) -> list[System]:
    """The variants below exp/<subsystem>/<protocol>. Raises UserError as `find_systems`."""
    plans = read_plans(directory)
    if not plans:
        return []
    about = {variant: plan for plan in plans for variant in plan.get("variants", ())}
    systems = []
    for path in sorted(path for path in directory.iterdir()
                       if path.is_dir() and not path.name.endswith((".old", ".partial"))):
        experiments = [Experiment(seed, directory.parent.name, path.name, int(seed.parent.name[4:]), int(seed.name[4:]))
                       for seed in path.glob("fold*/seed*")
                       if re.fullmatch(r"fold\d+/seed\d+", f"{seed.parent.name}/{seed.name}")]
        if experiments:
            experiments.sort(key=lambda experiment: (experiment.fold, experiment.seed))
            plan = about.get(path.name, plans[0])
            systems.append(System(directory.parent.name, path.name, plan, experiments))
    for system in systems:
        check_complete(system, directory)
    absent = sorted(about.keys() - {system.variant for system in systems})
    if absent:
        raise UserError(f"{directory}: {absent[0]} is planned but not trained; run the training stage again")
    return systems


def read_plans(directory: Path) -> list[dict[str, Any]]:
    """What the trainings below EXP/<subsystem>/<protocol> say of themselves, that on the default target first.

    Raises:
        UserError: a file is damaged.
    """
    paths = sorted(directory.glob(PLANS), key=lambda path: (len(path.name), path.name))
    return [read_json(path, SUBSYSTEM, AGAIN) for path in paths]


def check_complete(system: System, directory: Path) -> None:
    """Every fold has every seed, each with scores, and what subsystem.json plans is there."""
    folds, seeds = set(system.folds), set(system.seeds)
    if system.variant in system.about.get("variants", ()):
        folds |= set(system.about.get("folds", ()))
        seeds |= set(system.about.get("seeds", ()))
    done = {(experiment.fold, experiment.seed) for experiment in system.experiments
            if any((experiment.path / "scores").glob("**/*.tsv"))}
    for fold in sorted(folds):
        for seed in sorted(seeds):
            if (fold, seed) not in done:
                raise UserError(f"{directory}/{system.variant}: fold{fold}/seed{seed} has no scores; "
                                "run the training stage again")


def is_permuted(system: System) -> bool:
    """Whether the system was trained on permuted labels."""
    return bool(system.about.get("permuted")) or Variant.parse(system.variant).permuted


def expected(data: Dataset, split: Split, fold: int, part: str, of: str) -> list[str]:
    """Sorted ids of what has a value in one part: utterances, dialogues or sessions."""
    return sorted({data.group_of(key, of) for key in split.ids(fold, part)})


def speaker_of(data: Dataset, name: str, of: str) -> str | None:
    """The speaker of an utterance, dialogue or session; of several their names joined; None where one is unknown."""
    speakers = {data.items[key].speaker for key in data.groups(of)[name]}
    return None if None in speakers else "+".join(sorted(str(speaker) for speaker in speakers))


def read_part(data: Dataset, split: Split, experiment: Experiment, part: str,
              target: Target) -> Scores | Predictions:
    """Read one score table and check it against the data set.

    Raises:
        UserError: an item is missing, foreign or twice; a class, label or number of frames differs.
    """
    path = experiment.scores(target.name, part)
    found: Scores | Predictions = read_scores(path) if target.kind == "class" else read_predictions(path)
    wanted = expected(data, split, experiment.fold, part, target.of)
    have = sorted(set(found.ids))
    if have != wanted:
        missing, foreign = sorted(set(wanted) - set(have)), sorted(set(have) - set(wanted))
        what = f"{missing[0]} is missing" if missing else f"{foreign[0]} does not belong to the part"
        raise UserError(f"{path}: {what} ({len(missing)} missing, {len(foreign)} foreign of {len(wanted)} in {part} "
                        f"of {split.name}, fold {experiment.fold}); run the training stage again")
    if isinstance(found, Scores):
        if found.classes != list(target.classes):
            raise UserError(f"{path}: classes {', '.join(found.classes)}, the data set has "
                            f"{', '.join(target.classes)}")
        if part == "dev" and Variant.parse(experiment.variant).permuted:
            return found
        for key, label in zip(found.ids, found.labels, strict=True):
            if label != data.value_of(key, target):
                raise UserError(f"{path}: {key} is labelled {label!r}, in the data set {data.value_of(key, target)!r}")
    elif not (part == "dev" and Variant.parse(experiment.variant).permuted):
        check_numbers(path, data, found, target)
    return found


def check_numbers(path: Path, data: Dataset, found: Predictions, target: Target) -> None:
    """Numbers and tracks are the data set's, frame by frame (in float32).

    Raises:
        UserError: naming the item.
    """
    ids = np.array(found.ids, dtype=object)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.zeros(0, dtype=int)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(ids)], strict=True):
        key, label = found.ids[start], data.value_of(found.ids[start], target)
        if isinstance(label, Sequence) != (found.frames is not None) and label is not None:
            raise UserError(f"{path}: {key} needs " + ("one row a frame" if found.frames is None else "one row"))
        values = np.array(label.values if isinstance(label, Sequence) else [np.nan if label is None else label],
                          dtype=np.float64)
        mine = found.labels[start:end]
        if label is None:
            if not np.isnan(mine).all():
                raise UserError(f"{path}: {key} has a label, in the data set it has none")
        elif len(mine) != len(values) or not np.allclose(mine, values, rtol=1e-6, atol=1e-6):
            raise UserError(f"{path}: the label of {key} is not the data set's"
                            + (f" ({len(mine)} frames, not {len(values)})" if len(mine) != len(values) else ""))


def summarize(data: Dataset, split: Split, system: System, part: str,
              target: Target) -> tuple[Summary, dict[str, int]]:
    """Counts of one part over folds and seeds, and {"items", "unlabelled", "prior"}: items of a seed pooled over
    folds, those without label, those scored by the class prior because they have no features."""
    summary = Summary.of(target)
    speakers = {name: speaker_of(data, name, target.of) for name in data.groups(target.of)}
    counted = {"items": 0, "unlabelled": 0, "prior": 0}
    for experiment in system.experiments:
        found, about = read_part(data, split, experiment, part, target), experiment.metrics(target.name)
        key, names = (experiment.fold, experiment.seed), [speakers[name] for name in found.ids]
        if isinstance(found, Scores):
            references = found.references
            decisions = found.decide(target.positive, about.get("threshold", 0.5))
            summary.add_decisions(key, names, references, decisions)
            unlabelled = int((references < 0).sum())
        else:
            if summary.tracks:
                summary.add_tracks(key, names, found.ids, found.labels, found.predictions)
            else:
                summary.add_predictions(key, names, found.labels, found.predictions)
            unlabelled = len({name for name, y in zip(found.ids, found.labels.tolist(), strict=True) if y != y})
        if experiment.seed == system.seeds[0]:
            counted["items"] += len(set(found.ids))
            counted["unlabelled"] += unlabelled
            counted["prior"] += len(set(about.get("prior_scored", ())) & set(found.ids))
    return summary, counted


def errors(data: Dataset, split: Split, system: System, target: Target, limit: int) -> list[dict[str, Any]]:
    """The most confident wrong decisions on test over all folds, mean posterior over seeds; most confident first."""
    wrong: list[dict[str, Any]] = []
    for fold in system.folds:
        runs = [read_part(data, split, experiment, "test", target) for experiment in system.experiments
                if experiment.fold == fold]
        scores = [run for run in runs if isinstance(run, Scores)]
        if not scores:
            return []
        posterior = np.mean([np.exp(run.logp) for run in scores], axis=0)
        decision, reference = posterior.argmax(axis=1), scores[0].references
        for row in np.flatnonzero((reference >= 0) & (decision != reference)).tolist():
            wrong.append({"id": scores[0].ids[row], "fold": fold, "label": target.classes[reference[row]],
                          "decision": target.classes[decision[row]],
                          "posterior": float(posterior[row, decision[row]]),
                          "posterior_of_label": float(posterior[row, reference[row]])})
    return sorted(wrong, key=lambda error: (-round(error["posterior"], 6), error["id"]))[:limit]


def curves(system: System) -> Iterator[tuple[Experiment, list[str], np.ndarray]]:
    """(experiment, column names, values (epochs, columns)) of each log/curve.tsv; a damaged one is left out."""
    for experiment in system.experiments:
        path = experiment.path / "log" / "curve.tsv"
        if not path.is_file():
            continue
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
        try:
            values = np.array([[cell or "nan" for cell in line] for line in lines[1:]], dtype=np.float64)
        except ValueError:
            continue
        if values.ndim == 2 and values.shape[1] == len(lines[0]):
            yield experiment, lines[0], values


def _quote(text: str) -> str:
    """`text` as a glob pattern that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", text)
