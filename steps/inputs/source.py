"""What a subsystem reads, by name; opening.py says what each name stands for.

A source gives what is stored or computed, not normalized: normalization is learned on the training
part of a fold (steps/examples/fold.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from steps.data.trained_on import Record

LAYOUTS = ("vector", "frames", "waveform", "text", "images")
NORMALIZED = ("vector", "frames")  # layouts of features, which are normalized
Self = TypeVar("Self")


class Source(Protocol):
    """
    Attributes:
        name: as in `--inputs`.
        layout: vector: (F,); frames: (T, F); waveform: (samples,); all float32. images: uint8 (N,
            height, width, channels). text: weighted texts (steps/text/source.py).
        width: F; 1 of a waveform, channels of images, 0 of text.
        step: seconds between frames, or samples; None where there are none.
    """

    name: str
    layout: str
    width: int
    step: float | None

    @property
    def failures(self) -> Mapping[str, str]:
        """{utterance that it cannot give: why}, of those that it knows."""

    def __contains__(self, key: object) -> bool: ...

    def __len__(self) -> int:
        """How many utterances it gives."""

    def __getitem__(self, key: str) -> Any:
        """What it has of an utterance, in its layout."""

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        """float32 (N, F); only of the layout vector."""

    def length(self, key: str) -> int:
        """Frames, samples, images or texts of an utterance; 1 of a vector."""

    def identity(self) -> dict[str, Any]:
        """What fingerprints say of it, plain values."""

    def trained_on(self) -> list[Record]:
        """What made it was trained on, for the leak audit; nothing where nothing was trained."""

    def joined(self: Self, other: Self, rename: Callable[[str], str]) -> Self:
        """This one and another of its kind, of which utterances have the names that `rename` gives.

        Raises:
            UserError: the two were not made alike.
        """


@dataclass(frozen=True)
class Run:
    """Whose input it is; of embeddings alone this matters.

    Attributes:
        exp: directory of all subsystems. subsystem: the one that reads.
        permuted: whether it learns permuted labels.
    """

    exp: Path
    subsystem: str
    protocol: str
    fold: int
    seed: int
    permuted: bool = False
