"""Networks on what is said: its units are learned from the texts that the network learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from steps.asr.train.learn_units import learn_units
from steps.asr.units import Units
from steps.examples.part import Part
from steps.models.heads.branches import Outputs
from steps.models.text_bigru import TextBigru
from steps.subsystems.network import with_heads
from steps.subsystems.network_config import TextNetworkConfig
from steps.subsystems.sequence_network import (
    SequenceBatches,
    SequenceNetworkLearner,
    SequencePredictor,
    padded,
)
from steps.text.source import Weighted

UNITS = "model.units"  # a directory beside the model's files


class Texts:
    """The texts of a part as units, by position; the likeliest one of an n-best list.

    Attributes:
        cut: how many were longer than `config.max_units`.
    """

    def __init__(self, texts: Iterable[Weighted], units: Units, config: TextNetworkConfig):
        self.units, self.config = units, config
        whole = [units.encode(likeliest(weighted)) or [unknown_of(units)] for weighted in texts]
        self.cut = sum(len(row) > config.max_units for row in whole)
        self.rows = [np.array(row[:config.max_units], dtype=np.int64) for row in whole]

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self) -> np.ndarray:
        """(N,) units of each."""
        return np.array([len(row) for row in self.rows], dtype=np.int64)

    def batch(self, positions: np.ndarray, masks: Mapping[int, np.random.Generator] | None = None) -> dict[str, Tensor]:
        """{"x": int64 (N, L), 0 behind "lengths" (N,)}; masks: a generator a position, in training."""
        rows = [self.rows[position] for position in positions.tolist()]
        if masks is not None and self.config.unit_dropout:
            rows = [np.where(masks[position].random(len(row)) < self.config.unit_dropout, unknown_of(self.units), row)
                    for position, row in zip(positions.tolist(), rows, strict=True)]
        return padded(rows)

    def training_batch(self, chosen: np.ndarray, batch: np.ndarray,
                       randoms: Mapping[int, np.random.Generator]) -> dict[str, Tensor]:
        """As `batch`, of what this process takes (`chosen`) of a training batch; randoms: a generator a position."""
        return self.batch(chosen, randoms)


def likeliest(weighted: Weighted) -> str:
    """The text of the largest weight; the first of equals."""
    return max(weighted, key=lambda one: one[1])[0]


def unknown_of(units: Units) -> int:
    """The unit of what has none."""
    return units.blank if units.unknown is None else units.unknown


@dataclass
class TextPredictor(SequencePredictor):
    """A network on the units of a text."""

    units: Units = field(kw_only=True)

    def prepare(self, part: Part) -> Texts:  # type: ignore[override]
        return Texts(part.x, self.units, self.config)  # type: ignore[arg-type]

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        return super().fits({}, classes) and self.about["inputs"] == len(self.units)

    def save(self, directory: Path) -> None:
        super().save(directory)
        self.units.save(directory / UNITS)


class TextBigruLearner(SequenceNetworkLearner):
    """Recurrent network on the units of a text."""

    Predictor = TextPredictor
    units: Units

    @staticmethod
    def build(config: TextNetworkConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> TextBigru:
        return TextBigru(inputs, outputs, config.model, weights)

    @property
    def width(self) -> int:
        return len(self.units)

    @classmethod
    def beside(cls, directory: Path) -> dict[str, Any]:
        return {"units": Units.load(directory / UNITS)}

    def untrained(self, part: Part, outputs: Mapping[str, Outputs], weights: Mapping[str, Tensor]) -> TextPredictor:
        texts = [likeliest(weighted) for weighted in part.x]  # type: ignore[arg-type]
        self.units = learn_units(texts, self.config.units)
        config = with_heads(self.config, self.heads)
        return TextPredictor(self.build(config, self.width, outputs, weights), self.world.device, config,
                             tuple(self.heads), {}, units=self.units)

    def batches(self, part: Part, labels: dict[str, Tensor]) -> SequenceBatches:
        texts = Texts(part.x, self.units, self.config)  # type: ignore[arg-type]
        if texts.cut:
            self.workspace.say(f"{texts.cut} of {len(texts)} training texts have more than {self.config.max_units} "
                               "units and are cut off there")
        return SequenceBatches(texts, labels, part.ids, self.config.training.batch_size, self.workspace.seed,
                               self.world, self.draw(part))
