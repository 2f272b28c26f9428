"""What experiments are made of: the data set, its inputs, a split and targets; planning and training open it alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steps.data.dataset import Dataset
from steps.data.splits import Split
from steps.examples.augmented import open_augmented
from steps.examples.fold import Examples, context_examples, fingerprint, load_examples, what_is_read
from steps.examples.hidden import Kept
from steps.examples.part import Part
from steps.examples.tasks import further_fields
from steps.examples.unlabelled import about_sets, add_unlabelled, open_sets
from steps.experiments.run_spec import RunSpec
from steps.inputs.opening import Sources, depend_on_run, text_kinds
from steps.inputs.said import TEXT
from steps.inputs.source import Run, Source
from steps.text.source import layers_for
from utils.corpus import Target
from utils.errors import UserError


@dataclass(frozen=True)
class Material:
    """
    Attributes:
        sources: opens inputs. names: of the inputs, as `--inputs` has them. inputs: {name: source}, of one run.
        noise: of noisy copies that the training parts have too (augmented.py).
        sets: {name: utterances of `data`} that training may use without labels.
    """

    data: Dataset
    sources: Sources
    names: tuple[str, ...]
    inputs: dict[str, Source]
    split: Split
    targets: tuple[Target, ...]
    noise: dict[str, Any] | None = None
    sets: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, data: Path, names: Sequence[str], run: Run, targets: Sequence[str],
             texts: Sequence[str] = ()) -> Material:
        """
        Args:
            targets: names; none: the default target. texts: the kinds of text that the input "text" stands for, of
                which the first is opened.

        Raises:
            UserError: data set, features, protocol or target are not there.
        """
        opened = Dataset.open(data, layers_for(data, [*texts, *text_kinds(names)]))
        split, sources = opened.split(run.protocol), Sources(opened)
        return cls(opened, sources, tuple(names), sources.of(names, run, *texts[:1]), split,
                   tuple(opened.target(name) for name in targets) or (opened.target(),))

    def of(self, run: RunSpec, exp: Path) -> Material:
        """The same with the inputs of another run; exp: the directory of all subsystems."""
        if TEXT not in self.names and not depend_on_run(self.names):
            return self
        return dataclasses.replace(self, inputs=self.sources.of(self.names, run.reader(exp), run.source))

    def with_noise(self, noisy: str) -> Material:
        """With the copies of the noisy set of `--augment`."""
        data, inputs, split, noise = open_augmented(self.data, self.inputs, self.split, noisy)
        return dataclasses.replace(self, data=data, inputs=inputs, split=split, noise=noise)

    def with_unlabelled(self, text: str, run: RunSpec) -> Material:
        """With the sets of `--unlabelled`.

        Raises:
            UserError: the sets are not those that the run was planned with.
        """
        sets = open_sets(text)
        if tuple(about_sets(sets, self.data, self.split, run.fold, self.inputs)) != run.unlabelled:
            raise UserError(f"--unlabelled {text} has changed since this task was planned: run "
                            "steps/train_subsystem.sh again")
        ids = {one.name: [one.renamed(key) for key in one.ids(self.data, self.split, run.fold)] for one in sets}
        data, inputs = add_unlabelled(self.data, self.inputs, sets)
        return dataclasses.replace(self, data=data, inputs=inputs, sets=ids)

    def hash(self, run: RunSpec) -> str:
        """Of all that the run's examples are made of."""
        read = what_is_read(self.inputs, further_fields(dataclasses.asdict(run.config), self.targets))
        read |= {"augment": self.noise} if self.noise is not None else {}
        return fingerprint(self.data, self.split, run.fold, read, self.targets, run.spec.reads)

    def examples(self, run: RunSpec) -> Examples:
        """What the run learns from and is scored on."""
        return load_examples(
            self.data, self.inputs, self.split, run.fold, run.norm, run.config.clip_features,
            permute_seed=run.seed if run.variant.permuted else None,
            kept=None if run.labels is None else Kept(run.labels, run.seed), sets=self.sets, targets=self.targets,
            reads=run.spec.reads)

    def context(self, run: RunSpec) -> list[Part]:
        """See fold.context_examples."""
        return context_examples(self.data, self.inputs, self.split, run.fold, run.norm, run.config.clip_features)


def open_material(run: RunSpec, data: Path, exp: Path, noisy: str = "", unlabelled: str = "") -> Material:
    """The material of a planned run.

    Args:
        exp: the directory of all subsystems. noisy: the set of `--augment`.
        unlabelled: the sets of `--unlabelled`; where the run uses them.

    Raises:
        UserError: it is not what the run was planned with.
    """
    material = Material.open(data, run.inputs, run.reader(exp), run.targets, [run.source] if run.source else [])
    material = material.with_noise(noisy) if run.augment else material
    if material.hash(run) != run.data:
        where = f"{data} or {noisy}" if run.augment else str(data)
        raise UserError(f"{where} has changed since this task was planned: run steps/train_subsystem.sh again")
    return material.with_unlabelled(unlabelled, run) if run.unlabelled else material
