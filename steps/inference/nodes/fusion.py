"""The fusion of subsystems: a weighted sum of what they predict."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.components.component import FUSED, RESULT, Block, Component, OfBlock, subsystem_named
from steps.components.directory import ABOUT, ADVICE
from steps.inference.source import Source
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.fusion.combine import Fusion


class FusedSubsystems(OfBlock):
    """
    Attributes:
        place: directory of the weights, of one that is exported.
        fusions: of each target, of one that is opened.
    """

    gives = FUSED
    place: Path
    fusions: dict[str, Fusion]

    @classmethod
    def find(cls, wanted: str, source: Source) -> FusedSubsystems | None:
        if wanted != RESULT or source.chosen.fusion is None:
            return None
        found = cls("fusion", [subsystem_named(one.name) for one in source.chosen.members])
        found.place = source.chosen.fusion
        return found

    def pack(self, directory: Path) -> dict[str, Any]:
        directory.mkdir(parents=True)
        for path in self.place.glob("model*.json"):
            shutil.copyfile(path, directory / path.name)
        return {}

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> FusedSubsystems:
        from steps.fusion.combine import MODEL, Fusion

        opened = cls(node["name"], node["inputs"], node["about"])
        opened.fusions = {
            target: Fusion.load(directory, MODEL if number == 0 else f"model.{target}.json")
            for number, target in enumerate(targets)
        }
        for target, fusion in opened.fusions.items():
            if {name for name, _ in fusion.subsystems} != set(opened.inputs) or list(
                fusion.classes
            ) != targets[target].get("classes", []):
                raise UserError(
                    f"{directory}: it fuses other subsystems or classes than {ABOUT} names; "
                    f"{ADVICE}"
                )
        return opened

    def compute(self, block: Block, *inputs: Any) -> dict[str, Any]:
        found = {}
        for target, fusion in self.fusions.items():
            tables = {name: told[target] for name, told in zip(self.inputs, inputs, strict=True)}
            if fusion.classes:
                found[target] = fusion.log_posteriors(tables)
            elif isinstance(inputs[0][target], list):
                found[target] = [
                    weighted(fusion, {name: tracks[number] for name, tracks in tables.items()})
                    for number in range(len(block.items))
                ]
            else:
                found[target] = weighted(fusion, tables)
        return found


def weighted(fusion: Fusion, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The weighted mean of predictions of one shape."""
    names = [name for name, _ in fusion.subsystems]
    return sum(
        (float(weight) * values[name] for name, weight in zip(names, fusion.weights, strict=True)),
        np.zeros(1),
    )
