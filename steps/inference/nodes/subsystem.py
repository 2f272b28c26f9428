"""A trained subsystem: what one experiment learned, of one fold and seed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steps.components.component import (
    FEATURES,
    PREDICTION,
    RESULT,
    TEXT,
    Block,
    Component,
    Missing,
    OfBlock,
    subsystem_named,
)
from steps.components.directory import ABOUT, ADVICE
from steps.data.dataset import Dataset
from steps.data.trained_on import Record
from steps.experiments.apply import TrainedExperiment, speaker_statistics
from steps.experiments.apply_numbers import NumberExperiment
from steps.experiments.apply_tracks import TrackExperiment
from steps.features.normalize import Normalizer, speaker_moments
from steps.inference.selection import Member
from steps.inference.source import Source
from steps.subsystems.initialization import started_from
from utils.arrays import save_npz
from utils.errors import UserError
from utils.shape import NAME

AVERAGE = "average_speaker.npz"  # of a subsystem with per-speaker normalization
NOBODY = "-"  # stands for a speaker of whom too little is known
LEFT_OUT = ("scores", "log", "checkpoint")  # of an experiment
EXPERIMENTS: dict[str, Any] = {
    "class": TrainedExperiment,
    "number": NumberExperiment,
    "track": TrackExperiment,
}


class Subsystem(OfBlock):
    """
    Attributes:
        member, source: of one that is exported.
        experiment: of one that is opened.
        reads_text: whether it reads the transcript, not features.
        average: statistics of the average training speaker, for per-speaker normalization.
        shift: seconds between the frames that it reads, where they are frames.
    """

    gives = PREDICTION
    form = {"kind": NAME, "variant": str}
    member: Member
    source: Source
    experiment: TrainedExperiment | NumberExperiment | TrackExperiment
    reads_text: bool
    average: Normalizer | None = None
    shift: float | None = None

    @classmethod
    def find(cls, wanted: str, source: Source) -> Subsystem | None:
        chosen = source.chosen
        alone = wanted == RESULT and chosen.fusion is None
        member = next(
            (one for one in chosen.members if alone or wanted == subsystem_named(one.name)), None
        )
        if member is None:
            return None
        if member.features is None and source.asr is None:
            raise UserError(
                f"{member.name} reads transcripts: give the recognizer with --asr DIR", 2
            )
        parts = "train and dev" if member.run.config.refit else "train"
        found = cls(
            member.name,
            (member.features or TEXT,),
            {"kind": member.run.kind, "variant": member.variant, "parts": parts},
        )
        found.member, found.source = member, source
        return found

    def pack(self, directory: Path) -> dict[str, Any]:
        shutil.copytree(
            self.member.directory,
            directory,
            ignore=lambda _, found: [name for name in found if name in LEFT_OUT],
        )
        if self.member.run.norm == "speaker":
            save_npz(directory / AVERAGE, average_speaker(self.member, self.source).to_arrays())
        return self.about

    def trained_on(self) -> list[Record]:
        chosen = self.source.chosen
        return started_from(chosen.exp / self.name / chosen.protocol)[0]

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> Subsystem:
        opened = cls(node["name"], node["inputs"], node["about"])
        read = [others[name] for name in opened.inputs]
        opened.reads_text = read[0].gives != FEATURES
        width = None if opened.reads_text else read[0].about["dim"]
        [kind] = {told["kind"] for told in targets.values()}
        opened.experiment = EXPERIMENTS[kind].open(directory, inputs=width)
        opened.check(directory, targets)
        if opened.experiment.norm == "speaker":
            opened.average = Normalizer.load(directory / AVERAGE, width or "F", ADVICE)
        if not opened.reads_text:
            opened.shift = read[0].extractor.frame_shift  # type: ignore[attr-defined]
        return opened

    def check(self, directory: Path, targets: Mapping[str, Any]) -> None:
        """
        Raises:
            UserError: it is not what model.yaml says.
        """
        experiment = self.experiment
        told = [
            ("kind", experiment.run.kind, self.about["kind"]),
            ("reads the transcript", experiment.run.features == "text", self.reads_text),
        ]
        if isinstance(experiment, TrainedExperiment):
            [(target, about)] = targets.items()
            told += [
                ("classes", experiment.classes, about["classes"]),
                ("target", experiment.target, target),
            ]
        else:
            told += [("targets", experiment.targets, list(targets))]
        for what, found, wanted in told:
            if found != wanted:
                raise UserError(
                    f"{directory}: {what} is not what {ABOUT} says of {self.name}; {ADVICE}"
                )

    @property
    def by_speaker(self) -> bool:  # type: ignore[override]
        return self.average is not None

    def compute(self, block: Block, *inputs: Any) -> dict[str, Any]:
        if self.reads_text:
            return self.experiment.predict(block.items, None)  # type: ignore[arg-type]
        rows = [None if isinstance(row, Missing) else row for row in inputs[0]]
        known = (
            {}
            if self.average is None
            else {NOBODY: self.average, **block.speakers.get(self.name, {})}
        )
        experiment: Any = self.experiment
        return experiment.predict(block.items, rows, known, self.shift)

    def learn(self, block: Block, *inputs: Any) -> dict[str, Normalizer]:
        known = (
            []
            if self.average is None
            else [
                position for position, row in enumerate(inputs[0]) if not isinstance(row, Missing)
            ]
        )
        if not known:
            return {}
        return speaker_statistics(
            [block.items[position] for position in known],
            [inputs[0][position] for position in known],
        )


def average_speaker(one: Member, source: Source) -> Normalizer:
    """Mean over the training speakers of their means and variances."""
    from steps.features.store import FeatureStore

    data, store = Dataset.open(source.data), FeatureStore.open(source.data / str(one.features))
    moments = speaker_moments(
        [
            (store[key], data.items[key].speaker)
            for key in training_ids(one, source, data)
            if key in store
        ]
    )
    means = [speaker.mean for speaker in moments.values()]
    variances = [np.square(speaker.std) for speaker in moments.values()]
    return Normalizer(np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0)))


def training_ids(one: Member, source: Source, data: Dataset) -> Sequence[str]:
    """The utterances that it learned from."""
    parts = ("train", "dev") if one.run.config.refit else ("train",)
    split = data.split(source.chosen.protocol)
    return [key for part in parts for key in split.ids(source.chosen.fold, part)]
