"""What every extractor offers, so that tasks, archives and front ends know nothing of any one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from steps.data.dataset import Item

RATE = 16000  # Hz; what steps/data/audio gives


class CannotCompute(Exception):
    """These samples have no such features (too short, say). The message is the reason that is stored."""


class Extractor:
    """Base of all extractors.

    Attributes:
        name: the features' name, e.g. "is10"; config: the typed options.
        kind: "frames" or "utterance". dim: number of columns. frame_shift: seconds, None for kind "utterance".
        columns: a name a column; empty where a number says it all.
        packages: distributions whose versions decide the values.
    """

    Config: ClassVar[type[Any]]  # of `config`, a dataclass
    packages: ClassVar[tuple[str, ...]] = ()
    needs_audio: ClassVar[bool] = True

    def __init__(self, name: str, config: Any):
        self.name, self.config = name, config
        self.kind = "frames"
        self.dim = 0
        self.frame_shift: float | None = None
        self.columns: list[str] = []

    @property
    def options(self) -> dict[str, Any]:
        """The options as JSON holds them."""
        options = asdict(self.config)
        return {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}

    @property
    def version(self) -> str:
        """E.g. "kaldi-native-fbank 1.22.5"."""
        return ", ".join(f"{package} {metadata.version(package)}" for package in self.packages)

    def bind(self, items: Mapping[str, Item]) -> None:
        """Look at the utterances before the first is computed (for extractors whose shape depends on them)."""

    def extract(self, samples: np.ndarray) -> np.ndarray:
        """float32 mono (T,) at 16 kHz -> float32 (frames, dim) or (dim,).

        Raises:
            CannotCompute: with the reason.
        """
        raise NotImplementedError

    def extract_shared(self, samples: np.ndarray, compute: Callable[[Extractor], np.ndarray]) -> np.ndarray:
        """As `extract`, where other features of the same samples are wanted too.

        Args:
            compute: gives another extractor's features of these samples, computed once for all who ask.
        """
        return self.extract(samples)

    def remarks(self) -> list[str]:
        """What is to be said of all that was extracted, e.g. "3 clipped (0.01 % of all samples)"."""
        return []

    def extract_item(self, item: Item) -> tuple[np.ndarray, tuple[str, ...]]:
        """Features of an utterance, and what was done to its audio ("resampled 8000", "stereo").

        Raises:
            CannotCompute: with the reason. UserError: the recording cannot be read.
        """
        from steps.data.audio import load_audio

        samples, notes = load_audio(item)
        return self.extract(samples), notes
