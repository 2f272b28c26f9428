"""Use a trained experiment on tracks on items that it has not seen: nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Item
from steps.experiments.apply import AGAIN, Applied, Rows, read_description, read_normalizers
from steps.features.normalize import Normalizer
from utils.errors import reading


@dataclass(frozen=True)
class TrackExperiment(Applied):
    """A trained subsystem of tracks."""

    @property
    def targets(self) -> list[str]:
        return list(self.predictor.targets)

    @property
    def step(self) -> float:
        """Seconds between values."""
        return float(self.predictor.about["step"])

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu",
             widths: Mapping[str, int] | None = None) -> TrackExperiment:
        """
        Args:
            widths: {input: width of the features that it is to take}, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, or damaged.
        """
        directory = Path(directory)
        run, about = read_description(directory)
        with reading(f"{directory}: the model", AGAIN, OSError):
            predictor: Any = run.spec.learner_type().load(run.config, directory, about["tracks"], device)
            width = predictor.about["inputs"]
            if set((widths or {}).values()) - {width}:
                raise ValueError(f"it takes {width} features a frame")
            if predictor.targets != about["tracks"]:
                raise ValueError("it predicts other tracks than metrics.json says")
            learned = read_normalizers(directory, run, {run.inputs[0]: width})
        return cls(directory, run, predictor, learned)

    def predict(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None,
                speakers: Mapping[str, Normalizer] | None = None,
                shift: float | None = None) -> dict[str, list[np.ndarray]]:
        """{target: (T,) of each item}; T is as many steps as the item's duration has room for.

        Args:
            rows, speakers, shift: see Applied.part; every item has its input.
        """
        known, part = self.part(items, rows, speakers, shift)
        assert len(known) == len(items), "an item has no frames"
        return self.predictor.predict(part)  # type: ignore[no-any-return]
