"""Use a trained experiment on numbers on items that it has not seen: nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.data.dataset import Item
from steps.examples.part import Part
from steps.experiments.apply import normalized, open_predictor, read_description
from steps.experiments.run_spec import RunSpec
from steps.features.normalize import Normalizer
from steps.subsystems.contract import Predictor
from utils.errors import UserError


@dataclass(frozen=True)
class NumberExperiment:
    """One trained subsystem on one target of numbers, or several: one fold, one seed.

    Attributes:
        run: config.yaml. means: {target: of the training part}, for an item without features.
        norm: global, speaker or none. normalization: learned on the training part; None for none.
    """

    run: RunSpec
    predictor: Predictor
    means: dict[str, float]
    norm: str = "none"
    normalization: Normalizer | None = None

    @property
    def targets(self) -> list[str]:
        """Their names, in the order of training."""
        return list(self.means)

    @classmethod
    def open(
        cls, directory: str | Path, device: str = "cpu", inputs: int | None = None
    ) -> NumberExperiment:
        """
        Args:
            inputs: width of the features that it is to take, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, damaged, or not on numbers.
        """
        directory = Path(directory)
        run, about = read_description(directory)
        if "numbers" not in about:
            raise UserError(f"{directory} predicts no numbers")
        predictor, learned = open_predictor(
            directory, run, dict.fromkeys(about["numbers"], 0), inputs, device
        )
        return cls(run, predictor, about["means"], run.norm, learned)

    def predict(
        self,
        items: Sequence[Item],
        rows: Sequence[np.ndarray | None],
        speakers: Mapping[str, Normalizer] | None = None,
        shift: float | None = None,
    ) -> dict[str, np.ndarray]:
        """{target: float64 (N, 1) in its own unit}; for an item without features the mean of the
        training part.

        Args:
            rows, speakers: see TrainedExperiment.log_posteriors. shift: seconds between frames.
        """
        out = {name: np.full((len(items), 1), mean) for name, mean in self.means.items()}
        known = [position for position, row in enumerate(rows) if row is not None]
        if known:
            chosen = tuple(items[position] for position in known)
            x = normalized(
                self.norm,
                self.normalization,
                chosen,
                [rows[position] for position in known],
                speakers or {},
                shift,
            )
            labels = {name: np.full(len(known), np.nan) for name in self.means}
            found = self.predictor.predict(Part(chosen, {self.run.features: x}, labels))
            for name, values in out.items():
                values[known] = found[name]
        return out
