"""Which experiments an exported model consists of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.experiments.apply import AGAIN as RETRAIN
from steps.experiments.apply import read_description
from steps.experiments.run_spec import RunSpec
from steps.fusion.combine import AGAIN
from steps.fusion.combine import FORM as FUSED
from steps.scoring.collect import PLANS, read_plans
from utils.errors import UserError
from utils.files import read_json
from utils.shape import NAME, Maybe, check

PLACE = re.compile(r"(fold|seed)([0-9]+)")


@dataclass(frozen=True)
class Member:
    """One subsystem of one fold and seed. run: its config.yaml. metrics: its metrics.json."""

    name: str
    variant: str
    directory: Path
    run: RunSpec
    metrics: dict[str, Any]

    @property
    def features(self) -> str | None:
        """None where it reads the transcript."""
        return None if self.run.features == "text" else self.run.features


@dataclass(frozen=True)
class Chosen:
    """What is exported.

    Attributes:
        exp: directory of all subsystems. fusion: directory with the weights; None for a single subsystem.
    """

    exp: Path
    name: str
    protocol: str
    variant: str
    fold: int
    seed: int
    members: list[Member]
    fusion: Path | None = None

    @property
    def corpus(self) -> str:
        return self.members[0].run.corpus


def select(experiment: Path, fold: int | None = None, seed: int | None = None) -> Chosen:
    """
    Args:
        experiment: EXP/<subsystem>/<protocol>[/<variant>[/fold<k>[/seed<s>]]], or EXP/fusion/<protocol>.json, which
            means the primary fusion. fold, seed: None: the first.

    Raises:
        UserError: not there, or trained without keeping the model.
    """
    place = experiment.resolve()
    if place.suffix == ".json" and place.is_file():
        place = primary_fusion(place)
    if not place.is_dir():
        raise UserError(f"{experiment}: no such directory; expected EXP/<subsystem>/<protocol>/<variant>", 2)
    given: dict[str, int] = {}
    for _ in range(2):
        if match := PLACE.fullmatch(place.name):
            given[match[1]], place = int(match[2]), place.parent
    fold, seed = given.get("fold", fold), given.get("seed", seed)
    if any(place.glob(PLANS)):
        place = place / primary(place)
    if not any(place.parent.glob(PLANS)):
        raise UserError(f"{experiment} is no trained subsystem; expected EXP/<subsystem>/<protocol>/<variant>", 2)
    variant, protocol, subsystem, exp = place.name, place.parent.name, place.parents[1].name, place.parents[2]
    fold = numbered(place, "fold", fold)
    seed = numbered(place / f"fold{fold}", "seed", seed)
    directory = place / f"fold{fold}" / f"seed{seed}"
    name = f"{subsystem}/{protocol}/{variant}/fold{fold}/seed{seed}"
    fused = fused_members(directory)
    if not fused:
        return Chosen(exp, name, protocol, variant, fold, seed, [member(subsystem, variant, directory)])
    members = []
    for other, its_variant in fused:
        below = exp / other / protocol / its_variant / f"fold{fold}"
        # A deterministic subsystem has one seed only, whatever the seed of the others.
        own = seed if (below / f"seed{seed}").is_dir() else numbered(below, "seed", None)
        members.append(member(other, its_variant, below / f"seed{own}"))
    return Chosen(exp, name, protocol, variant, fold, seed, members, directory)


def member(name: str, variant: str, directory: Path) -> Member:
    run, metrics = read_description(directory)
    if run.variant.permuted:
        raise UserError(f"{directory} was trained on permuted labels; it is of no use")
    if run.source == "reference":
        raise UserError(f"{directory} reads reference transcripts, which a new recording has not; export its asr-text "
                        "variant")
    return Member(name, variant, directory, run, metrics)


def fused_members(directory: Path) -> list[tuple[str, str]]:
    """(subsystem, variant) of what is fused; [] where `directory` is no fusion."""
    path = directory / "model.json"
    content = read_json(path, {str: Any}, RETRAIN) if path.is_file() else {}
    if "how" not in content:
        return []
    check(content, FUSED, path, AGAIN)
    return [(name, variant) for name, variant in content["subsystems"]]


def primary(directory: Path) -> str:
    """The variant that EXP/<subsystem>/<protocol> means."""
    about = read_plans(directory)[0]
    declared = about.get("primary")  # a variant, or of several targets {target: variant}
    declared = next(iter(declared.values())) if isinstance(declared, dict) else declared
    variants = [declared] if declared else list(about.get("variants", ()))
    if len(variants) != 1:
        raise UserError(f"{directory} has the variants {', '.join(variants) or 'none'}; name one of them", 2)
    return variants[0]


def primary_fusion(path: Path) -> Path:
    """The directory EXP/<subsystem>/<protocol>/<variant> that EXP/fusion/<protocol>.json declares."""
    content = read_json(path, {"protocol?": NAME, "primary?": Maybe({"subsystem": NAME, "variant": NAME})}, AGAIN)
    chosen = content.get("primary")
    if not chosen:
        raise UserError(f"{path} declares no primary fusion; {AGAIN}", 2)
    protocol = content.get("protocol") or path.stem
    return path.parents[1] / chosen["subsystem"] / protocol / chosen["variant"]


def numbered(directory: Path, what: str, wanted: int | None) -> int:
    """The number of the subdirectory fold<k> or seed<s>.

    Raises:
        UserError: it is not there.
    """
    found = sorted(int(match[2]) for path in directory.glob(f"{what}*")
                   if (match := PLACE.fullmatch(path.name)) and match[1] == what)
    if not found:
        raise UserError(f"{directory} has no {what}; train it with steps/train_subsystem.sh", 2)
    if wanted is not None and wanted not in found:
        raise UserError(f"{directory} has no {what} {wanted}; it has {', '.join(map(str, found))}", 2)
    return found[0] if wanted is None else wanted
