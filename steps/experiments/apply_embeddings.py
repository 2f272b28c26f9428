"""Compute the embeddings of a trained experiment for items that it has not seen: nothing is learned.

The model is the one that was selected on dev, which computed the embeddings that others were trained
on; not the one that was trained again on train and dev.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.data.dataset import Item
from steps.experiments.apply import Applied, Rows, open_predictor, read_experiment
from steps.experiments.run_spec import RunSpec
from steps.experiments.run_task import SELECTED
from steps.features.normalize import Normalizer
from utils.errors import UserError


@dataclass(frozen=True)
class EmbeddingExperiment(Applied):
    """A trained subsystem that others read."""

    predicts: tuple[str, ...]

    @property
    def targets(self) -> list[str]:
        return list(self.predicts)

    @classmethod
    def open(cls, directory: str | Path, device: str = "cpu",
             widths: Mapping[str, int] | None = None) -> EmbeddingExperiment:
        """
        Args:
            widths: {input: width of the features that it is to take}, where that is known.

        Raises:
            UserError: not trained, trained without keeping that model, or damaged.
        """
        directory = Path(directory)
        run, _, targets = read_experiment(directory)
        classes = {name: len(told.get("log_prior", ())) for name, told in targets.items()}
        found = open_predictor(directory, run, classes, widths, device, selected_model(directory, run))
        return cls(directory, run, *found, tuple(classes))

    def embed(self, items: Sequence[Item], rows: Rows | Mapping[str, Rows] | None,
              speakers: Mapping[str, Normalizer] | None = None,
              shift: float | None = None) -> list[np.ndarray | None]:
        """float32 (F,) or (T, F) of each item; None for one that lacks an input. See Applied.part."""
        out: list[np.ndarray | None] = [None] * len(items)
        known, part = self.part(items, rows, speakers, shift)
        if known:
            for number, row in zip(known, self.predictor.embed(part), strict=True):
                out[number] = row
        return out


def selected_model(directory: Path, run: RunSpec) -> str:
    """The name of the directory, below the experiment's, of the model that was selected on dev.

    Raises:
        UserError: it was not kept.
    """
    if not run.config.refit:
        return "."
    if not (directory / SELECTED / "model.json").is_file():
        raise UserError(f"{directory} has no {SELECTED}/, the model that computed its embeddings; train it again with "
                        "keep_embeddings=true and keep_model=true")
    return SELECTED
