"""Use a trained experiment on tracks on items that it has not seen: nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.data.dataset import Item
from steps.examples.part import Part
from steps.experiments.apply import AGAIN, NORMALIZATION, normalized, read_description
from steps.experiments.run_spec import RunSpec
from steps.features.normalize import Normalizer
from utils.errors import reading
from utils.renamed import present_path

if TYPE_CHECKING:
    from steps.subsystems.track_gru import TrackPredictor


@dataclass(frozen=True)
class TrackExperiment:
    """One trained subsystem on tracks: one fold, one seed.

    Attributes:
        run: config.yaml. targets: names. norm: global, speaker or none. normalization: learned on the training part.
    """

    run: RunSpec
    targets: list[str]
    predictor: TrackPredictor
    norm: str = "none"
    normalization: Normalizer | None = None

    @property
    def step(self) -> float:
        """Seconds between values."""
        return float(self.predictor.about["step"])

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu", inputs: int | None = None) -> TrackExperiment:
        """
        Args:
            inputs: width of the features that it is to take, where that is known.

        Raises:
            UserError: not trained, trained without keeping the model, or damaged.
        """
        directory = Path(directory)
        run, about = read_description(directory)
        with reading(f"{directory}: the model", AGAIN, OSError):
            predictor: Any = run.spec.learner_type().load(run.config, directory, about["tracks"], device)
            norm, width = run.norm, predictor.about["inputs"]
            if inputs not in (None, width):
                raise ValueError(f"it takes {width} features a frame")
            learned = None if norm == "none" else \
                Normalizer.load(present_path(directory / NORMALIZATION), width, AGAIN)
            if predictor.targets != about["tracks"]:
                raise ValueError("it predicts other tracks than metrics.json says")
        return cls(run, about["tracks"], predictor, norm, learned)

    def predict(self, items: Sequence[Item], rows: Sequence[np.ndarray],
                speakers: Mapping[str, Normalizer] | None = None,
                shift: float | None = None) -> dict[str, list[np.ndarray]]:
        """{target: (T,) of each item}; T is as many steps as the item's duration has room for.

        Args:
            rows: of each item its frames (T, F), not normalized. speakers: statistics of a speaker's own frames, in
                mode "speaker". shift: seconds between frames.
        """
        chosen = tuple(items)
        x = normalized(self.norm, self.normalization, chosen, rows, speakers or {}, shift)
        labels = {name: np.full(len(chosen), np.nan) for name in self.targets}
        return self.predictor.predict(Part(chosen, {"frames": x}, labels))
