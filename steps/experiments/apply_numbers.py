"""Use a trained experiment on numbers on items that it has not seen: nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.data.dataset import Item
from steps.experiments.apply import Applied, Rows, open_predictor, read_description
from steps.features.normalize import Normalizer
from utils.errors import UserError


@dataclass(frozen=True)
class NumberExperiment(Applied):
    """A trained subsystem of one target of numbers, or several.

    Attributes:
        means: {target: of the training part}, for an item that lacks an input.
    """

    means: dict[str, float]

    @property
    def targets(self) -> list[str]:
        """Their names, in the order of training."""
        return list(self.means)

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu",
             widths: Mapping[str, int] | None = None) -> NumberExperiment:
        """
        Args:
            widths: {input: width of the features that it is to take}, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, damaged, or not on numbers.
        """
        directory = Path(directory)
        run, about = read_description(directory)
        if "numbers" not in about:
            raise UserError(f"{directory} predicts no numbers")
        found = open_predictor(directory, run, dict.fromkeys(about["numbers"], 0), widths, device)
        return cls(directory, run, *found, about["means"])

    def predict(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None,
                speakers: Mapping[str, Normalizer] | None = None,
                shift: float | None = None) -> dict[str, np.ndarray]:
        """{target: float64 (N, 1) in its own unit}; for an item that lacks an input the mean of the
        training part. See Applied.part."""
        out = {name: np.full((len(items), 1), mean) for name, mean in self.means.items()}
        known, part = self.part(items, rows, speakers, shift)
        if known:
            found = self.predictor.predict(part)
            for name, values in out.items():
                values[known] = found[name]
        return out
