"""What is there to be fused: which of the named subsystems have scores, in which variants, folds and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from steps.data.dataset import Dataset
from steps.data.splits import Split
from steps.data.variant import Variant
from steps.fusion.fitting import Stack
from steps.fusion.groups import held_out
from steps.scoring.collect import System, is_permuted, read_part, speaker_of, systems_of
from steps.scoring.experiment import Experiment
from steps.scoring.scores import Predictions, Scores
from utils.corpus import Target
from utils.errors import UserError

FUSED = "fusion"  # subsystem.json: kind


@dataclass(frozen=True)
class Ensemble:
    """The subsystems of one variant.

    Attributes:
        members: one system each, in the order of the names. seeds: of the fusion; a member with one seed gives that
            one to every seed.
    """

    variant: str
    members: tuple[System, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        return tuple((member.subsystem, member.variant) for member in self.members)

    def experiments(self, fold: int, seed: int) -> list[Experiment]:
        """The experiment of each member that a fold and seed of the fusion takes."""
        found = []
        for member in self.members:
            wanted = seed if len(member.seeds) > 1 else member.seeds[0]
            found.append(next(experiment for experiment in member.experiments
                              if (experiment.fold, experiment.seed) == (fold, wanted)))
        return found


@dataclass
class Found:
    """ensembles: one a variant. missing: {"subsystem", "variant" (None: all), "why"}."""

    ensembles: list[Ensemble] = field(default_factory=list)
    missing: list[dict[str, str | None]] = field(default_factory=list)


def find(exp: Path, protocol: str, names: Sequence[str], text_variant: str, variants: Sequence[str] = (),
         more: Sequence[str] = (), leave_out: Sequence[str] = ()) -> Found:
    """The ensembles of every variant in which at least two of the named subsystems have scores.

    Args:
        text_variant: what a subsystem without norm variants gives. variants: those to fuse; empty: every norm-...
            that a subsystem has, without those on augmented data (...+aug).
        more: further subsystems; each variant in which one has scores is fused with them too, as ...+extended.
        leave_out: named ones that are not looked at.

    Raises:
        UserError: no variant has two subsystems; folds or seeds do not agree; a fold or seed has no scores.
    """
    found = Found()
    found.missing += [{"subsystem": name, "variant": None, "why": "is left out"}
                      for name in dict.fromkeys([*names, *more]) if name in leave_out]
    have = trained(exp, protocol, [name for name in names if name not in leave_out], found)
    further = trained(exp, protocol, [name for name in more if name not in {*have, *leave_out}], found)
    wanted = list(dict.fromkeys(variants)) or sorted({
        variant for systems in have.values() for variant in systems
        if (own := Variant.parse(variant)).norm and own.plain})
    for variant in wanted:
        members = members_of(variant, have, text_variant, found)
        if len(members) >= 2:
            found.ensembles.append(ensemble_of(variant, members))
        others = members_of(variant, further, text_variant, found)
        if others:
            both = str(replace(Variant.parse(variant), extended=True))
            found.ensembles.append(ensemble_of(both, [*members, *others]))
    if not found.ensembles:
        raise UserError(f"{exp}, {protocol}: a fusion needs the scores of two subsystems or more in one variant; "
                        f"{', '.join(have) or 'none'} of {', '.join(dict.fromkeys(names))} "
                        f"{'is' if len(have) == 1 else 'are'} there; run the training stages first")
    return found


def trained(exp: Path, protocol: str, names: Sequence[str], found: Found) -> dict[str, dict[str, System]]:
    """name -> variant -> system; names without one go into `found.missing`.

    Raises:
        UserError: one is a fusion.
    """
    have: dict[str, dict[str, System]] = {}
    for name in dict.fromkeys(names):
        systems = {system.variant: system for system in systems_of(exp / name / protocol) if not is_permuted(system)}
        if any(system.about.get("kind") == FUSED for system in systems.values()):
            raise UserError(f"{name} is a fusion itself; name the subsystems")
        if systems:
            have[name] = systems
        else:
            found.missing.append({"subsystem": name, "variant": None, "why": "is not trained"})
    return have


def members_of(variant: str, have: Mapping[str, Mapping[str, System]], text_variant: str, found: Found) -> list[System]:
    """What each subsystem gives in a variant; those without it go into `found.missing`."""
    members = []
    for name, systems in have.items():
        takes = variant if any(Variant.parse(known).norm for known in systems) else text_variant
        if takes in systems:
            members.append(systems[takes])
        else:
            found.missing.append({"subsystem": name, "variant": variant, "why": f"has no {takes}"})
    return members


def ensemble_of(variant: str, members: Sequence[System]) -> Ensemble:
    """
    Raises:
        UserError: the members have other folds, or no seed in common.
    """
    first = members[0]
    for member in members:
        if member.folds != first.folds:
            raise UserError(f"{first.name} has the folds {_listed(first.folds)}, {member.name} has "
                            f"{_listed(member.folds)}; train both on the same folds")
    several = [set(member.seeds) for member in members if len(member.seeds) > 1]
    seeds = sorted(set.intersection(*several)) if several else first.seeds[:1]
    if not seeds:
        raise UserError(f"{variant}: {', '.join(member.name for member in members if len(member.seeds) > 1)} have no "
                        "seed in common; train them with the same --seeds")
    return Ensemble(variant, tuple(members), tuple(first.folds), tuple(seeds))


@dataclass
class Reader:
    """Score tables of one data set, protocol and target, each read and checked once."""

    data: Dataset
    split: Split
    target: Target
    tables: dict[Path, Scores | Predictions] = field(default_factory=dict)
    held_out_by: set[str] = field(default_factory=set)

    def stack(self, ensemble: Ensemble, fold: int, seed: int, part: str) -> Stack:
        """
        Raises:
            UserError: a table is not whole, or does not fit the data set.
        """
        tables = [self.table(experiment, part) for experiment in ensemble.experiments(fold, seed)]
        first = tables[0]
        if isinstance(first, Predictions):
            return self.predictions(tables, fold, part)  # type: ignore[arg-type]
        speakers = tuple(speaker_of(self.data, key, self.target.of) for key in first.ids)
        groups = np.zeros(len(first.ids), dtype=np.int64)
        if part == "dev":
            groups, by = held_out(first.ids, first.references, speakers)
            self.held_out_by.add(by)
            self._check_labelled(first.references >= 0, fold)
        return Stack(tuple(first.ids), tuple(first.labels), speakers, first.references,
                     np.stack([table.logp for table in tables], axis=1), groups)

    def predictions(self, tables: Sequence[Predictions], fold: int, part: str) -> Stack:
        """The stack of numbers or tracks; the values of an item are held out together."""
        first = tables[0]
        for other in tables[1:]:
            if other.ids != first.ids:
                raise UserError(f"{self.data.path}, protocol {self.split.name}, fold {fold}: the subsystems predict "
                                f"{self.target.name} at another number of steps; they cannot be fused")
        names = list(dict.fromkeys(first.ids))
        speaker = {name: speaker_of(self.data, name, self.target.of) for name in names}
        groups = np.zeros(len(first.ids), dtype=np.int64)
        if part == "dev":
            of, by = held_out(names, np.zeros(len(names)), list(speaker.values()))
            group = dict(zip(names, of.tolist(), strict=True))
            groups = np.array([group[key] for key in first.ids], dtype=np.int64)
            self.held_out_by.add(by)
            self._check_labelled(~np.isnan(first.labels), fold)
        return Stack(tuple(first.ids), tuple(first.labels.tolist()), tuple(speaker[key] for key in first.ids),
                     first.labels, np.stack([table.predictions for table in tables], axis=1)[:, :, None], groups)

    def _check_labelled(self, known: np.ndarray, fold: int) -> None:
        if not known.any():
            raise UserError(f"{self.data.path}, protocol {self.split.name}, fold {fold}: dev has no labelled item to "
                            "fuse on")

    def table(self, experiment: Experiment, part: str) -> Scores | Predictions:
        path = experiment.scores(self.target.name, part)
        if path not in self.tables:
            self.tables[path] = read_part(self.data, self.split, experiment, part, self.target)
        return self.tables[path]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
