"""Labelled batches with unlabelled utterances beside them, each as a weakly and as a strongly
changed view."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from steps.semi_supervised.config import ViewsConfig
from steps.semi_supervised.views import Change, changing
from steps.training.random_state import generator
from steps.training.trainer import Batches


class Inputs(Protocol):
    """What a network reads of the utterances of a part, by position."""

    layout: str  # vector or frames

    def __len__(self) -> int: ...

    def view(self, positions: Sequence[int], change: Change,
             randoms: Sequence[np.random.Generator]) -> dict[str, Tensor]:
        """These items as `network.scores` takes them, each changed with its own generator."""


class WithUnlabelled:
    """Batches for the trainer: those of `labelled`, with "weak" and "strong" views of unlabelled
    utterances.

    Each labelled utterance brings `ratio` unlabelled ones, drawn from (seed, pass, its id): so they
    fall to processes as the labelled ones do, and the mean over the labelled is one over the
    unlabelled, too.

    Args:
        labelled: its batches have "position" (N,), of the items `ids`.
        inputs: of the unlabelled utterances. key: of the configuration, for messages.
    """

    def __init__(self, labelled: Batches, ids: Sequence[str], inputs: Inputs, config: ViewsConfig,
                 seed: int,
                 key: str = ""):
        self.labelled, self.ids, self.inputs, self.seed = labelled, ids, inputs, seed
        self.ratio = config.ratio
        self.passes = config.passes or math.ceil(len(inputs) / (config.ratio * len(ids)))
        self.changes = {name: changing(getattr(config, name), inputs.layout, f"{key}.{name}")
                        for name in ("weak", "strong")}

    def count(self, epoch: int) -> int:
        return sum(self.labelled.count(each) for each in self._passes(epoch))

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        for each in self._passes(epoch):
            count = self.labelled.count(each)
            if start < count:
                for batch in self.labelled.epoch(each, start):
                    yield {**batch, **self._views(batch["position"].tolist(), each)}
            start = max(0, start - count)

    def _passes(self, epoch: int) -> range:
        """The passes of an epoch, counted from 1 over all epochs; `labelled` takes them for its
        epochs."""
        return range((epoch - 1) * self.passes + 1, epoch * self.passes + 1)

    def _views(self, positions: Sequence[int], number: int) -> dict[str, dict[str, Tensor]]:
        """The views of `ratio` unlabelled utterances for each labelled position."""
        names = [self.ids[position] for position in positions]
        chosen = [int(place) for name in names for place in generator(
            self.seed, "unlabelled", number, name).integers(0, len(self.inputs), self.ratio)]
        return {kind: self.inputs.view(chosen, change, [
            generator(self.seed, kind, number, name, place) for name in names
            for place in range(self.ratio)])
            for kind, change in self.changes.items()}
