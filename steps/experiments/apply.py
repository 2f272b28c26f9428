"""Use a trained experiment on utterances that it has not seen: what was learned is read back, nothing is learned.

    experiment = TrainedExperiment.open("exp/svm_is10/six_folds/norm-global/fold1/seed0")
    logp = experiment.log_posteriors(items, [store[item.id] if item.id in store else None for item in items])

With the items of a test part in the order of their ids this gives that part's scores/test.tsv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from steps.data.dataset import Item
from steps.examples.part import NO_LABEL, Features, Frames, Part, Vectors
from steps.experiments.run_spec import AGAIN, RunSpec
from steps.features.normalize import Normalization, Normalizer, check_speakers, speaker_moments
from steps.inputs.opening import is_features
from steps.scoring.calibration import apply_temperature
from steps.subsystems.contract import Predictor
from steps.text.source import weighted_texts
from utils.errors import UserError, reading
from utils.files import read_json
from utils.renamed import present_path
from utils.shape import Number, check

Rows = Sequence[Any]  # of each item an array, or weighted texts; None where it has none

# All of an experiment that its use needs, as they lie in its directory; the weights are model.npz or model.safetensors.
ABOUT, CONFIG, MODEL, NORMALIZATION = "metrics.json", "config.yaml", "model.json", "normalization.npz"
MEAN = "mean"  # of a target of numbers: of the training part, for what has no features
NUMBERS = {"target": str, "numbers": [str], "means": {str: float}, "train_items?": int}
TRACKS = {"target": str, "tracks": [str], "train_items?": int, "prior_scored?": [str]}
METRICS = {"target": str, "temperature": Number(1e-9, 1e9), "log_prior": {str: Number(-1e3, 0)}, "train_items?": int,
           "prior_scored?": [str]}


@dataclass(frozen=True)
class Applied:
    """What an experiment learned, one fold and seed, read back.

    Attributes:
        run: config.yaml, as steps/experiments/plan.py wrote it.
        normalizers: {input: learned on the training part}; of those that are normalized.
    """

    directory: Path
    run: RunSpec
    predictor: Any
    normalizers: Mapping[str, Normalizer]
    no_label: ClassVar[float] = np.nan  # of what it predicts

    @property
    def targets(self) -> list[str]:
        """The names of what it predicts."""
        raise NotImplementedError

    @property
    def norm(self) -> str:
        """global, speaker or none."""
        return self.run.norm

    def part(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None,
             speakers: Mapping[str, Normalizer] | None = None, shift: float | None = None) -> tuple[list[int], Part]:
        """The items that have every input, by position, and what the model sees of them.

        Args:
            rows: of the input, or of each by its name, what each item has of it, not normalized; None: it has none.
                Texts may be left out: they are fields of the items.
            speakers: statistics of a speaker's own features, in mode "speaker"; of those that are not there they are
                learned from the given rows.
            shift: seconds between frames.
        """
        found = {} if rows is None else rows if isinstance(rows, Mapping) else {self.run.inputs[0]: rows}
        found = {name: found[name] if name in found else
                 [weighted_texts(item.fields, self.run.source) or None for item in items] for name in self.run.inputs}
        if any(len(values) != len(items) for values in found.values()):
            raise ValueError(f"{len(items)} items, {', '.join(str(len(values)) for values in found.values())} rows")
        known = [number for number in range(len(items)) if all(values[number] is not None for values in found.values())]
        chosen = tuple(items[number] for number in known)
        inputs = {name: self._input(name, chosen, [values[number] for number in known], speakers or {}, shift)
                  for name, values in found.items()} if known else {}
        return known, Part(chosen, inputs, {name: np.full(len(known), self.no_label) for name in self.targets})

    def _input(self, name: str, items: tuple[Item, ...], rows: Rows, speakers: Mapping[str, Normalizer],
               shift: float | None) -> Features:
        if is_features(name):
            return normalized(self.norm, self.normalizers.get(name), items, rows, speakers, shift)
        of = {item.id: row for item, row in zip(items, rows, strict=True)}
        return Frames(lambda item: of[item.id], items, lambda item: len(of[item.id]), shift)


@dataclass(frozen=True)
class TrainedExperiment(Applied):
    """A trained subsystem of one target of classes.

    Attributes:
        target: the name of what is predicted (emotion). log_prior: (C,), of the training part.
    """

    target: str
    classes: list[str]
    temperature: float
    log_prior: np.ndarray
    no_label = NO_LABEL

    @property
    def targets(self) -> list[str]:
        return [self.target]

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu",
             widths: Mapping[str, int] | None = None) -> TrainedExperiment:
        """
        Args:
            widths: {input: width of the features that it is to take}, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, or damaged.
        """
        directory = Path(directory)
        run, about = read_classes(directory)
        classes = list(about["log_prior"])
        found = open_predictor(directory, run, {about["target"]: len(classes)}, widths, device)
        return cls(directory, run, *found, about["target"], classes, float(about["temperature"]),
                   np.array(list(about["log_prior"].values()), dtype=np.float64))

    def log_posteriors(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None = None,
                       speakers: Mapping[str, Normalizer] | None = None) -> np.ndarray:
        """
        Args:
            items: N utterances with ids of their own. rows, speakers: see `part`.

        Returns:
            (N, C) float64 natural-log posteriors, calibrated and floored; the log prior for an item that lacks an
            input.
        """
        out = np.tile(self.log_prior, (len(items), 1))
        known, part = self.part(items, rows, speakers)
        if known:
            out[known] = apply_temperature(self.predictor.predict(part)[self.target], self.temperature)
        return out

    def predict(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None,
                speakers: Mapping[str, Normalizer] | None = None,
                shift: float | None = None) -> dict[str, np.ndarray]:  # noqa: ARG002 - of tracks
        """{target: `log_posteriors`}."""
        return {self.target: self.log_posteriors(items, rows, speakers)}


def open_predictor(directory: Path, run: RunSpec, classes: Mapping[str, int], widths: Mapping[str, int] | None,
                   device: str, model: str = "") -> tuple[Predictor, dict[str, Normalizer]]:
    """What was learned, and {input: its normalization}.

    Args:
        classes: number of classes of each target; 0: numbers. widths: {input: width}, where that is known.
        model: directory of another model of the experiment, below its own.

    Raises:
        UserError: damaged, of other targets, or of other features.
    """
    with reading(f"{directory}: the model", AGAIN, OSError):
        learned = read_normalizers(directory, run, widths or {})
        predictor = run.spec.learner_type().load(run.config, directory / model, list(classes), device)
        known = {**{name: len(one.mean) for name, one in learned.items()}, **(widths or {})}
        if not predictor.fits(known if set(known) == set(run.inputs) else {}, classes):
            what = " and ".join(f"{count} classes" if count else f"numbers {name}" for name, count in classes.items())
            raise ValueError(f"it is not of {what}, or not of these features")
    return predictor, learned


def read_normalizers(directory: Path, run: RunSpec, widths: Mapping[str, int]) -> dict[str, Normalizer]:
    """{input: what was learned on the training part}; nothing where nothing is normalized."""
    names = [name for name in run.inputs if is_features(name)] if run.norm != "none" else []
    return {name: Normalizer.load(present_path(directory / normalization_file(number)), widths.get(name, "F"), AGAIN)
            for number, name in enumerate(names, start=1)}


def normalization_file(number: int) -> str:
    """Of the first input that is normalized, and of further ones."""
    return NORMALIZATION if number == 1 else f"normalization.{number}.npz"


def normalized(norm: str, overall: Normalizer | None, items: tuple[Item, ...], rows: Sequence[np.ndarray],
               speakers: Mapping[str, Normalizer], shift: float | None = None) -> Features:
    """Features of `items` as a model takes them.

    Args:
        norm: global, speaker or none. overall: what was learned on the training part. shift: seconds between frames.
    """
    of = {item.id: row for item, row in zip(items, rows, strict=True)}
    if len(of) != len(items):
        raise ValueError("two items have one id")
    own = dict(speakers)
    if norm == "speaker":
        check_speakers([item.speaker for item in items])
        own = {**speaker_statistics(items, rows), **own}
    learned = Normalization(norm, overall, own)
    if rows[0].ndim == 1:
        return Vectors(np.stack([learned.apply(row, item.speaker) for item, row in zip(items, rows, strict=True)]))
    return Frames(lambda item: learned.apply(of[item.id], item.speaker), items, lambda item: len(of[item.id]), shift)


def speaker_statistics(items: Sequence[Item], rows: Sequence[np.ndarray]) -> dict[str, Normalizer]:
    """Mean and standard deviation of each speaker's own rows, as steps/features/normalize.py learns them."""
    if rows[0].ndim == 2:
        moments = speaker_moments((row, item.speaker) for item, row in zip(items, rows, strict=True))
        return {speaker: Normalizer.of_moments(each) for speaker, each in moments.items()}
    vectors: dict[str, list[np.ndarray]] = {}
    for item, row in zip(items, rows, strict=True):
        vectors.setdefault(str(item.speaker), []).append(row)
    found = {}
    for speaker, own in vectors.items():
        found[speaker] = Normalizer.fit(np.stack(own))  # at once, not one by one: the same rounding as in training
    return found


def read_classes(directory: Path) -> tuple[RunSpec, dict[str, Any]]:
    """`read_description` of an experiment on classes.

    Raises:
        UserError: it predicts something else.
    """
    run, about = read_description(directory)
    for kind in ("tracks", "numbers"):
        if kind in about:
            raise UserError(f"{directory} predicts {kind} ({', '.join(about[kind])}), no classes; leave it out here")
    return run, about


def read_experiment(directory: Path) -> tuple[RunSpec, dict[str, Any], dict[str, Any]]:
    """config.yaml of an experiment that kept its model, what metrics.json says of the experiment, and of each target.

    Raises:
        UserError: one line saying which is missing and how to get it.
    """
    if not (directory / ABOUT).is_file() or not (directory / CONFIG).is_file():
        raise UserError(f"{directory} is no finished experiment ({ABOUT} or {CONFIG} is missing); train it with "
                        "steps/train_subsystem.sh")
    run = RunSpec.read(directory / CONFIG)
    about = read_json(directory / ABOUT, {str: Any}, AGAIN)
    if not (directory / MODEL).is_file():
        raise UserError(f"{directory} has scores but no model: {run.config_name} says keep_model: false; run the "
                        f'recipe again with --set "{run.config_name}:keep_model=true"')
    targets = about.pop("targets", None) or {about.get("label"): about}  # the latter: before there were targets
    if not isinstance(targets, dict) or not all(isinstance(name, str) and isinstance(told, dict)
                                                for name, told in targets.items()):
        raise UserError(f"{directory / ABOUT} names no target; {AGAIN}")
    return run, about, targets


def read_description(directory: Path) -> tuple[RunSpec, dict[str, Any]]:
    """`read_experiment` of one target of classes, "target"; or of several "tracks", or "numbers" (with the "means" of
    the training part; "target" is the first).

    Raises:
        UserError: of several targets of classes, or it is not complete.
    """
    run, about, targets = read_experiment(directory)
    name = next(iter(targets))
    if run.spec.targets == ("track",):
        about = {**about, "target": name, "tracks": list(targets)}
        check(about, TRACKS, directory / ABOUT, AGAIN)
        return run, about
    if not any("log_prior" in told for told in targets.values()):
        means = {key: told.get(MEAN) for key, told in targets.items()}
        if None in means.values():
            raise UserError(f"{directory / ABOUT} does not say the {MEAN} of {', '.join(targets)}, as an earlier "
                            "version wrote it; train it again")
        about = {**about, "target": name, "numbers": list(targets), "means": means}
        check(about, NUMBERS, directory / ABOUT, AGAIN)
        return run, about
    if len(targets) > 1:
        raise UserError(f"{directory} predicts {', '.join(targets)}; only one target of classes, or several of numbers "
                        "or of tracks, are applied and exported")
    about = {**about, **targets[name], "target": name}
    check(about, METRICS, directory / ABOUT, AGAIN)
    return run, about
