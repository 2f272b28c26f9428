"""What is said, as weighted texts (steps/text/source.py): the transcript, its n-best list, or the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from steps.data.dataset import Item
from steps.data.trained_on import Record
from steps.text.source import EMPTY, FIELDS, Weighted, weighted_texts
from utils.errors import UserError

TEXT = "text"


@dataclass(frozen=True)
class TextSource:
    """See Source. Nothing is stored: the texts are fields of the utterances.

    Attributes:
        kind: one of steps.text.source.SOURCES.
    """

    kind: str
    items: Mapping[str, Item]
    layout = "text"
    width = 0
    step = None

    @property
    def name(self) -> str:
        return f"{TEXT}:{self.kind}"

    @cached_property
    def failures(self) -> Mapping[str, str]:
        return {key: EMPTY for key in self.items if not self[key]}

    def __contains__(self, key: object) -> bool:
        return key in self.items and key not in self.failures

    def __len__(self) -> int:
        return len(self.items) - len(self.failures)

    def __getitem__(self, key: str) -> Weighted:
        return weighted_texts(self.items[key].fields, self.kind)

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        raise UserError(f"{self.name} is text; one vector an utterance is needed here")

    def length(self, key: str) -> int:
        return len(self[key])

    def identity(self) -> dict[str, Any]:
        """The fields that it reads; their values are in the fingerprint of a fold (steps/examples/fold.py)."""
        return {"name": TEXT, "source": self.kind, "fields": list(FIELDS[self.kind])}

    def trained_on(self) -> list[Record]:
        """Nothing here: the audit reads what the layers of the data set say."""
        return []

    def joined(self, other: TextSource, rename: Callable[[str], str]) -> TextSource:
        return TextSource(self.kind, {**self.items, **{rename(key): item for key, item in other.items.items()}})
