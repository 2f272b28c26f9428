"""A trained subsystem: what one experiment learned, of one fold and seed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from steps.components.component import (
    EMBEDDING,
    FEATURES,
    PREDICTION,
    RESULT,
    SAMPLES,
    SOUND,
    TEXT,
    TRANSCRIPT,
    Block,
    Component,
    Missing,
    OfBlock,
    embeddings_named,
    subsystem_named,
)
from steps.components.directory import ABOUT, ADVICE
from steps.data.dataset import Dataset
from steps.data.trained_on import Record
from steps.experiments.apply import TrainedExperiment, read_experiment, speaker_statistics
from steps.experiments.apply_embeddings import EmbeddingExperiment, selected_model
from steps.experiments.apply_numbers import NumberExperiment
from steps.experiments.apply_tracks import TrackExperiment
from steps.features.normalize import Normalizer, speaker_moments
from steps.inference.selection import Member
from steps.inference.source import Source
from steps.inputs.embedding import PREFIX, variant_of
from steps.inputs.opening import is_features
from steps.inputs.said import TEXT as TEXT_INPUT
from steps.inputs.waveform import WAVEFORM
from steps.subsystems.initialization import started_from
from utils.arrays import save_npz
from utils.errors import UserError
from utils.shape import NAME

AVERAGE = "average_speaker.npz"  # of a subsystem with per-speaker normalization
NOBODY = "-"  # stands for a speaker of whom too little is known
LEFT_OUT = ("scores", "log", "checkpoint", "embeddings")  # of an experiment
EXPERIMENTS: dict[str, Any] = {
    "class": TrainedExperiment,
    "number": NumberExperiment,
    "track": TrackExperiment,
}


One = TypeVar("One", bound="OfExperiment")


class OfExperiment(OfBlock):
    """What one experiment learned, of one fold and seed.

    Attributes:
        member, source: of one that is exported.
        experiment: of one that is opened.
        average: statistics of the average training speaker, for per-speaker normalization.
        shift: seconds between the frames that it reads, where they are frames.
    """

    form = {"kind": NAME, "variant": str}
    member: Member
    source: Source
    experiment: Any
    average: Normalizer | None = None
    shift: float | None = None

    @classmethod
    def of_member(cls: type[One], name: str, member: Member, source: Source) -> One:
        """For export."""
        inputs = [wanted_of(one, source) for one in member.run.inputs]
        if TEXT in inputs and source.asr is None:
            raise UserError(f"{member.name} reads transcripts: give the recognizer with --asr DIR", 2)
        if member.run.norm == "speaker" and list(map(gives, member.run.inputs)) != [FEATURES]:
            raise UserError(f"{member.name} reads {member.run.features}, normalized by speaker, which exported models "
                            "do for one kind of features alone; train it with --norms global", 2)
        parts = "train and dev" if member.run.config.refit else "train"
        found = cls(name, inputs, {"kind": member.run.kind, "variant": member.variant, "parts": parts})
        found.member, found.source = member, source
        return found

    def pack(self, directory: Path) -> dict[str, Any]:
        shutil.copytree(self.member.directory, directory,
                        ignore=lambda _, found: [name for name in found if name in LEFT_OUT])
        if self.member.run.norm == "speaker":
            save_npz(directory / AVERAGE, average_speaker(self.member, self.source).to_arrays())
        return self.about

    def trained_on(self) -> list[Record]:
        chosen = self.source.chosen
        return started_from(chosen.exp / self.member.name / chosen.protocol)[0]

    def read_back(self, experiment: type, directory: Path, others: Mapping[str, Component]) -> None:
        """Open the experiment and what it needs of its inputs.

        Raises:
            UserError: damaged, or it reads other inputs than model.yaml says.
        """
        run, read = read_experiment(directory)[0], [others[name] for name in self.inputs]
        self.agree(directory, [("kind", run.kind, self.about["kind"]), ("what it reads", list(map(gives, run.inputs)),
                                                                        [one.gives for one in read])])
        widths = {name: one.about["dim"] for name, one in zip(run.inputs, read, strict=True) if one.gives == FEATURES}
        self.experiment = experiment.open(directory, widths=widths)
        if self.experiment.norm == "speaker":
            self.average = Normalizer.load(directory / AVERAGE, next(iter(widths.values()), "F"), ADVICE)
        shifts = [one.extractor.frame_shift for one in read if one.gives == FEATURES]  # type: ignore[attr-defined]
        self.shift = shifts[0] if shifts else None

    def agree(self, directory: Path, told: Sequence[tuple[str, Any, Any]]) -> None:
        """
        Raises:
            UserError: of (what, found, wanted) two differ.
        """
        for what, found, wanted in told:
            if found != wanted:
                raise UserError(f"{directory}: {what} is not what {ABOUT} says of {self.name}; {ADVICE}")

    @property
    def by_speaker(self) -> bool:  # type: ignore[override]
        return self.average is not None

    @property
    def by_dialogue(self) -> bool:  # type: ignore[override]
        return self.experiment.run.spec.reads == "dialogue"

    def rows(self, inputs: Sequence[Any]) -> dict[str, list[Any]]:
        """{input: of each item what it has; None for Missing}; without texts, which are fields of the items."""
        return {name: [None if isinstance(row, Missing) else row for row in values]
                for name, values in zip(self.experiment.run.inputs, inputs, strict=True) if name != TEXT_INPUT}

    def known_speakers(self, block: Block) -> dict[str, Normalizer]:
        return {} if self.average is None else {NOBODY: self.average, **block.speakers.get(self.name, {})}

    def learn(self, block: Block, *inputs: Any) -> dict[str, Normalizer]:
        if self.average is None:
            return {}
        known = [number for number, row in enumerate(inputs[0]) if not isinstance(row, Missing)]
        return speaker_statistics([block.items[number] for number in known],
                                  [inputs[0][number] for number in known]) if known else {}


class Subsystem(OfExperiment):
    """A trained subsystem that predicts the targets of the model."""

    gives = PREDICTION

    @classmethod
    def find(cls, wanted: str, source: Source) -> Subsystem | None:
        chosen = source.chosen
        alone = wanted == RESULT and chosen.fusion is None
        member = next((one for one in chosen.members if alone or wanted == subsystem_named(one.name)), None)
        return None if member is None else cls.of_member(member.name, member, source)

    @classmethod
    def open(cls, node: Mapping[str, Any], directory: Path, others: Mapping[str, Component],
             targets: Mapping[str, Any]) -> Subsystem:
        opened = cls(node["name"], node["inputs"], node["about"])
        [kind] = {told["kind"] for told in targets.values()}
        opened.read_back(EXPERIMENTS[kind], directory, others)
        experiment = opened.experiment
        opened.agree(directory, [("target", experiment.targets, list(targets))])
        if isinstance(experiment, TrainedExperiment):
            opened.agree(directory, [("classes", experiment.classes, targets[experiment.target]["classes"])])
        return opened

    def compute(self, block: Block, *inputs: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.experiment.predict(block.items, self.rows(inputs), self.known_speakers(block),
                                                        self.shift)
        return found


class Embeddings(OfExperiment):
    """What a trained subsystem computes for another one that reads it."""

    gives = EMBEDDING

    @classmethod
    def find(cls, wanted: str, source: Source) -> Embeddings | None:
        if not wanted.startswith(embeddings_named(PREFIX)):
            return None
        chosen, (name, _, variant) = source.chosen, wanted.removeprefix(embeddings_named(PREFIX)).partition("/")
        directory = chosen.exp / name / chosen.protocol / variant / f"fold{chosen.fold}" / f"seed{chosen.seed}"
        run, about, _ = read_experiment(directory)
        selected_model(directory, run)
        return cls.of_member(f"{name}.embedding", Member(name, variant, directory, run, about), source)

    @classmethod
    def open(cls, node: Mapping[str, Any], directory: Path, others: Mapping[str, Component],
             targets: Mapping[str, Any]) -> Embeddings:  # noqa: ARG003 - it may predict others
        opened = cls(node["name"], node["inputs"], node["about"])
        opened.read_back(EmbeddingExperiment, directory, others)
        return opened

    def compute(self, block: Block, *inputs: Any) -> list[Any]:
        found = self.experiment.embed(block.items, self.rows(inputs), self.known_speakers(block), self.shift)
        return [Missing("an input of its embedding is missing") if row is None else row for row in found]


def gives(name: str) -> str:
    """What the node of an input gives."""
    known = {TEXT_INPUT: TRANSCRIPT, WAVEFORM: SAMPLES}
    return known.get(name, EMBEDDING if name.startswith(PREFIX) else FEATURES)


def wanted_of(name: str, source: Source) -> str:
    """What an exporter looks for: an input by its name.

    Raises:
        UserError: a new recording has no such input.
    """
    if name in (TEXT_INPUT, WAVEFORM):
        return TEXT if name == TEXT_INPUT else SOUND
    if not name.startswith(PREFIX):
        if not is_features(name):
            raise UserError(f"{source.chosen.name} reads {name}: what is exported reads features, transcripts, "
                            f"embeddings, or {WAVEFORM} at 16 kHz", 2)
        return name
    subsystem, _, chosen = name.removeprefix(PREFIX).partition("/")
    producer = source.chosen.exp / subsystem / source.chosen.protocol
    variant = variant_of(name, producer, chosen or None, permuted=False)
    return embeddings_named(f"{PREFIX}{subsystem}/{variant}")


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
