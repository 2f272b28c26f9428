"""Use a trained experiment on utterances that it has not seen: what was learned is read back, nothing is learned.

    experiment = TrainedExperiment.open("exp/svm_is10/six_folds/norm-global/fold1/seed0")
    logp = experiment.log_posteriors(items, [store[item.id] if item.id in store else None for item in items])

With the items of a test part in the order of their ids this gives that part's scores/test.tsv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.data.dataset import Item
from steps.examples.part import NO_LABEL, Features, Frames, Part, Vectors
from steps.experiments.run_spec import AGAIN, RunSpec
from steps.features.normalize import Normalization, Normalizer, check_speakers, speaker_moments
from steps.inputs.opening import depend_on_run
from steps.scoring.calibration import apply_temperature
from steps.subsystems.contract import Predictor
from steps.text.source import weighted_texts
from utils.errors import UserError, reading
from utils.files import read_json
from utils.renamed import present_path
from utils.shape import Number, check

if TYPE_CHECKING:
    Rows = Sequence[np.ndarray | None]

# All of an experiment that its use needs, as they lie in its directory; the weights are model.npz or model.safetensors.
ABOUT, CONFIG, MODEL, NORMALIZATION = "metrics.json", "config.yaml", "model.json", "normalization.npz"
MEAN = "mean"  # of a target of numbers: of the training part, for what has no features
NUMBERS = {"target": str, "numbers": [str], "means": {str: float}, "train_items?": int}
TRACKS = {"target": str, "tracks": [str], "train_items?": int, "prior_scored?": [str]}
METRICS = {"target": str, "temperature": Number(1e-9, 1e9), "log_prior": {str: Number(-1e3, 0)}, "train_items?": int,
           "prior_scored?": [str]}


@dataclass(frozen=True)
class TrainedExperiment:
    """One trained subsystem: one fold, one seed.

    Attributes:
        run: config.yaml, as steps/experiments/plan.py wrote it. target: the name of what is predicted (emotion).
        norm: global, speaker or none. normalization: learned on the training part; None for none.
        log_prior: (C,), of the training part.
    """

    directory: Path
    run: RunSpec
    predictor: Predictor
    target: str
    classes: list[str]
    temperature: float
    log_prior: np.ndarray
    norm: str = "none"
    normalization: Normalizer | None = field(default=None)

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu", inputs: int | None = None) -> TrainedExperiment:
        """
        Args:
            inputs: width of the features that it is to take, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, or damaged.
        """
        directory = Path(directory)
        run, about = read_classes(directory)
        classes = list(about["log_prior"])
        predictor, learned = open_predictor(directory, run, {about["target"]: len(classes)}, inputs, device)
        return cls(directory, run, predictor, about["target"], classes, float(about["temperature"]),
                   np.array(list(about["log_prior"].values()), dtype=np.float64), run.norm, learned)

    def log_posteriors(self, items: Sequence[Item], rows: Rows | None = None,
                       speakers: Mapping[str, Normalizer] | None = None) -> np.ndarray:
        """
        Args:
            items: N utterances with ids of their own.
            rows: of each its features as the store has them, (F,) or (T, F), not normalized; None where they could not
                be computed. A kind that reads no features takes no rows; the log prior is for empty texts then.
            speakers: statistics of a speaker's own features, in mode "speaker"; of those that are not there they are
                learned from the given rows.

        Returns:
            (N, C) float64 natural-log posteriors, calibrated and floored; the log prior for an item without features.
        """
        if rows is None:
            rows = [weighted_texts(item.fields, self.run.source) or None for item in items]
        if len(rows) != len(items):
            raise ValueError(f"{len(items)} items, {len(rows)} rows of features")
        out = np.tile(self.log_prior, (len(items), 1))
        known = [position for position, row in enumerate(rows) if row is not None]
        if known:
            chosen = tuple(items[position] for position in known)
            x = self.normalized(chosen, [rows[position] for position in known], speakers or {})
            part = Part(chosen, {self.run.features: x}, {self.target: np.full(len(known), NO_LABEL)})
            out[known] = apply_temperature(self.predictor.predict(part)[self.target], self.temperature)
        return out

    def predict(self, items: Sequence[Item], rows: Rows | None, speakers: Mapping[str, Normalizer] | None = None,
                shift: float | None = None) -> dict[str, np.ndarray]:  # noqa: ARG002 - of tracks
        """{target: `log_posteriors`}."""
        return {self.target: self.log_posteriors(items, rows, speakers)}

    def normalized(self, items: tuple[Item, ...], rows: Sequence[np.ndarray],
                   speakers: Mapping[str, Normalizer]) -> Features:
        """The features of `items` as the model takes them."""
        return normalized(self.norm, self.normalization, items, rows, speakers)


def open_predictor(directory: Path, run: RunSpec, classes: Mapping[str, int], inputs: int | None,
                   device: str) -> tuple[Predictor, Normalizer | None]:
    """What was learned, and its normalization (None for none).

    Args:
        classes: number of classes of each target; 0: numbers. inputs: width of its features, where that is known.

    Raises:
        UserError: damaged, of other targets, or of other features.
    """
    with reading(f"{directory}: the model", AGAIN, OSError):
        arrays = present_path(directory / NORMALIZATION)
        learned = None if run.norm == "none" else Normalizer.load(arrays, inputs or "F", AGAIN)
        predictor = run.spec.learner_type().load(run.config, directory, list(classes), device)
        width = inputs if learned is None else len(learned.mean)
        if not predictor.fits({} if width is None else {run.features: width}, classes):
            what = " and ".join(f"{count} classes" if count else f"numbers {name}" for name, count in classes.items())
            raise ValueError(f"it is not of {what}, or not of these features")
    return predictor, learned


def normalized(norm: str, overall: Normalizer | None, items: tuple[Item, ...], rows: Sequence[np.ndarray],
               speakers: Mapping[str, Normalizer], shift: float | None = None) -> Features:
    """Features of `items` as a model takes them.

    Args:
        norm: global, speaker or none. overall: what was learned on the training part. shift: seconds between frames.
    """
    of = {item.id: row for item, row in zip(items, rows, strict=True)}
    if len(of) != len(items):
        raise ValueError("two items have one id")
    if isinstance(rows[0], list):  # weighted texts
        return Frames(lambda item: of[item.id], items)
    own = dict(speakers)
    if norm == "speaker":
        check_speakers([item.speaker for item in items])
        own = {**speaker_statistics(items, rows), **own}
    learned = Normalization(norm, overall, own)
    if rows[0].ndim == 1:
        return Vectors(np.stack([learned.apply(row, item.speaker) for item, row in zip(items, rows, strict=True)]))
    return Frames(lambda item: learned.apply(of[item.id], item.speaker), items, shift=shift)


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


def read_description(directory: Path) -> tuple[RunSpec, dict[str, Any]]:
    """config.yaml of an experiment that kept its model, and what metrics.json says of its one target, "target"; or of
    several "tracks", or "numbers" (with the "means" of the training part; "target" is the first).

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
    if len(run.inputs) > 1 or depend_on_run(run.inputs):
        raise UserError(f"{directory} reads {run.features}; only subsystems that read one input, and no embeddings, "
                        "are applied and exported")
    targets = about.pop("targets", None) or {about.get("label"): about}  # the latter: before there were targets
    name = next(iter(targets)) if isinstance(targets, dict) else None
    if not isinstance(name, str) or not isinstance(targets[name], dict):
        raise UserError(f"{directory / ABOUT} names no target; {AGAIN}")
    if run.spec.targets == ("track",):
        about = {**about, "target": name, "tracks": list(targets)}
        check(about, TRACKS, directory / ABOUT, AGAIN)
        return run, about
    if not any(isinstance(told, dict) and "log_prior" in told for told in targets.values()):
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
