"""Features that were extracted once, DATA/<name> (steps/features/store.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.trained_on import Record, read_training
from steps.features.store import FeatureStore
from utils.differences import differences
from utils.errors import UserError

LAYOUT_OF = {"utterance": "vector", "frames": "frames"}  # of each kind of features
ALIKE = ("name", "version", "options", "kind", "dim")  # what two archives of one input agree in


@dataclass(frozen=True)
class ArchiveSource:
    """See Source."""

    name: str
    store: FeatureStore

    @classmethod
    def open(cls, data: Path, name: str) -> ArchiveSource:
        """
        Raises:
            UserError: not extracted, damaged, or other features than the directory says.
        """
        return cls(name, FeatureStore.open(data / name, {"name": name}))

    @property
    def layout(self) -> str:
        return LAYOUT_OF[self.store.kind]

    @property
    def width(self) -> int:
        return self.store.dim

    @property
    def step(self) -> float | None:
        return self.store.frame_shift

    @property
    def failures(self) -> Mapping[str, str]:
        return self.store.failed

    def __contains__(self, key: object) -> bool:
        return key in self.store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, key: str) -> np.ndarray:
        return self.store[key]

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        return self.store.matrix(ids)

    def length(self, key: str) -> int:
        return self.store.rows(key)

    def identity(self) -> dict[str, Any]:
        """feature.json; the number of archives changes nothing."""
        return {key: value for key, value in self.store.description.items() if key != "archives"}

    def trained_on(self) -> list[Record]:
        return read_training(self.store.path) or []

    def joined(self, other: ArchiveSource, rename: Callable[[str], str]) -> ArchiveSource:
        wanted = {key: self.store.description[key] for key in ALIKE}
        for key, found, expected in differences(other.store.description, wanted):
            raise UserError(f"{other.store.path}: {key} is {found!r}, in {self.store.path} {expected!r}; "
                            "extract both alike")
        return ArchiveSource(self.name, self.store.joined(other.store, rename))
