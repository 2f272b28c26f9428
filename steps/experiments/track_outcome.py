"""What an experiment on tracks comes to: a table of scores a part, and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Dataset
from steps.data.dataset import Sequence as MovingLabel
from steps.examples.fold import Examples
from steps.examples.part import Part
from steps.examples.tracks import Track, length, scale_of, step_of, track_of
from steps.scoring import metrics
from steps.scoring.experiment import scores_path
from steps.scoring.scores import write_sequences
from utils.corpus import Target


@dataclass(frozen=True)
class TrackOutcome:
    """Scores of dev and test for one target.

    Args:
        values: part -> (T,) of each of its items.
    """

    data: Dataset
    examples: Examples
    target: Target
    values: Mapping[str, Sequence[Track]]

    def write(self, directory: Path) -> dict[str, Any]:
        """Write scores/<target>/<part>.tsv; returns what metrics.json says of the target. An item
        without features has the mean of the training part at every step."""
        found: dict[str, Any] = {"prior_scored": []}
        for name, tracks in self.values.items():
            part: Part = getattr(self.examples, name)
            found["prior_scored"] += sorted(part.missing)
            items = [*part.items, *(self.data.items[key] for key in part.missing)]
            predictions = [*tracks, *map(self._mean, part.missing)]
            ids, labels = [item.id for item in items], [item.value(self.target) for item in items]
            known = [np.array(label.values) if isinstance(label, MovingLabel) else None
                     for label in labels]
            write_sequences(scores_path(directory, self.target.name, name), ids, known, predictions)
            found[name] = track_metrics(ids, known, predictions)
        return found

    def _mean(self, key: str) -> Track:
        """The mean of the training part, as long as the item."""
        train, item = self.examples.train.items, self.data.items[key]
        count = length(item, step_of(train, self.examples.targets), self.examples.targets)
        known = [track_of(one, self.target, 1) for one in train]
        return np.full(count, scale_of(known, lambda text: None, self.target.name)["mean"])


def track_metrics(ids: Sequence[str], labels: Sequence[Track | None],
                  predictions: Sequence[Track]) -> dict[str, Any]:
    """Every metric of TRACK, and "n", how many values are labelled."""
    y = np.concatenate([np.full(len(p), np.nan) if label is None else label
                        for label, p in zip(labels, predictions, strict=True)] or [np.zeros(0)])
    p = np.concatenate([*predictions]) if len(predictions) else np.zeros(0)
    sums = metrics.moments(y, p)
    if not sums[0]:
        return {"n": 0}
    of = np.repeat(np.array(ids, dtype=object), [len(prediction) for prediction in predictions])
    values = metrics.track(np.concatenate([sums, metrics.item_sums(of, y, p)]))
    defined = {name: float(value) for name, value in values.items() if value == value}
    return {**defined, "n": int(sums[0])}
