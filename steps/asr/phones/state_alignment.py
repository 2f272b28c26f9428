"""Frames aligned to phone states: what a round of training the phone states leaves, and what CTC training takes of
it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.models.conformer import FEWEST_FRAMES, SUBSAMPLING, output_length
from utils.arrays import arrays_digest
from utils.files import atomic_path

States = dict[str, np.ndarray]  # id -> (T,) columns of the phone set


@dataclass
class Alignment:
    """What a round learns from.

    Attributes:
        states: of train and dev. components: (S,) component of each column. left_out: id -> why it is not aligned.
    """

    states: States
    components: np.ndarray
    left_out: dict[str, str]

    def save(self, path: Path) -> None:
        """Write a .npz atomically."""
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary, ids=np.array(list(self.states)), components=self.components,
                lengths=np.array([len(row) for row in self.states.values()]),
                states=np.concatenate(list(self.states.values())).astype(np.int32),
                left_out=np.array(list(self.left_out.items()), dtype=str).reshape(-1, 2))

    @classmethod
    def load(cls, path: Path) -> Alignment:
        with np.load(path, allow_pickle=False) as found:
            rows = np.split(found["states"].astype(np.int64), np.cumsum(found["lengths"])[:-1])
            return cls(dict(zip(found["ids"].tolist(), rows, strict=True)), found["components"],
                       {str(key): str(reason) for key, reason in found["left_out"]})


@dataclass
class StateAlignment:
    """Phone states of training utterances at 10 ms (steps/asr/phones/train_phone_states.py makes them).

    Attributes:
        states: id -> (T,) numbers of C classes.
    """

    states: Mapping[str, np.ndarray]
    classes: int

    @classmethod
    def load(cls, path: Path) -> StateAlignment:
        """Read alignment.npz."""
        found = Alignment.load(path)
        return cls({key: found.components[row] for key, row in found.states.items()}, int(found.components.max()) + 1)

    def fingerprint(self) -> str:
        """Changes whenever a frame has another class."""
        return arrays_digest({key: np.asarray(rows, dtype=np.int32) for key, rows in self.states.items()},
                             described=False)

    def at_output(self, key: str, frames: int, speed: float) -> np.ndarray:
        """Classes (T',) at the middles of the output frames of an utterance of T input frames; -1: not known.

        Output frame j sees input frames 4 j to 4 j + 6.
        """
        count = output_length(frames)
        known = self.states.get(key)
        if known is None:
            return np.full(count, -1)
        middles = np.rint((SUBSAMPLING * np.arange(count) + FEWEST_FRAMES // 2) * speed).astype(int)
        return known[np.minimum(middles, len(known) - 1)]
