"""The recordings themselves: `waveform` at 16 kHz, `waveform@RATE` at another rate.

Decoded when read; nothing is stored. Networks keep what they have read as far as there is memory
(steps/subsystems/sequence_network.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from steps.data.audio import RATE, read_sound
from steps.data.dataset import Dataset, Item
from steps.data.layers import sound_of
from steps.data.trained_on import Record
from utils.errors import UsageError, UserError

WAVEFORM = "waveform"
NAME = re.compile(rf"{WAVEFORM}(?:@([1-9][0-9]{{3,5}}))?")


@dataclass(frozen=True)
class WaveformSource:
    """See Source.

    Attributes:
        rate: samples a second. sound: what the data set says of all its sound, for fingerprints.
    """

    rate: int
    items: Mapping[str, Item]
    sound: str | None
    layout = WAVEFORM
    width = 1

    @classmethod
    def open(cls, name: str, data: Dataset) -> WaveformSource:
        """
        Raises:
            UsageError: another form of name. UserError: no utterance has a recording.
        """
        match = NAME.fullmatch(name)
        if match is None:
            raise UsageError(f"--inputs {name}: expected {WAVEFORM}, or {WAVEFORM}@RATE with 1000 "
                             f"to 999999 samples a second, e.g. {WAVEFORM}@22050")
        found = cls(int(match[1] or RATE), data.items, sound_of(data.path))
        if not len(found):
            raise UserError(f"{data.path} has no recordings to read {name} from")
        return found

    @property
    def name(self) -> str:
        return WAVEFORM if self.rate == RATE else f"{WAVEFORM}@{self.rate}"

    @property
    def step(self) -> float:
        return 1.0 / self.rate

    @cached_property
    def failures(self) -> Mapping[str, str]:
        return {key: "no recording" for key, item in self.items.items() if item.path is None}

    def __contains__(self, key: object) -> bool:
        return key in self.items and key not in self.failures

    def __len__(self) -> int:
        return len(self.items) - len(self.failures)

    def __getitem__(self, key: str) -> np.ndarray:
        """float32 (T,), mono.

        Raises:
            UserError: it cannot be decoded; names the file.
        """
        item = self.items[key]
        assert item.path is not None, f"{key} is one of the failures"
        return read_sound(item.path, item.start, item.duration, rate=self.rate).samples

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        raise UserError(f"{self.name} is sound; one vector an utterance is needed here")

    def length(self, key: str) -> int:
        """Samples, as `read_sound` resamples them."""
        item = self.items[key]
        own = item.sampling_rate or self.rate
        return -(-round(item.duration * own) * self.rate // own)

    def identity(self) -> dict[str, Any]:
        return {"name": WAVEFORM, "rate": self.rate, "sound": self.sound}

    def trained_on(self) -> list[Record]:
        return []

    def joined(self, other: WaveformSource, rename: Callable[[str], str]) -> WaveformSource:
        more = {rename(key): item for key, item in other.items.items()}
        return WaveformSource(self.rate, {**self.items, **more}, f"{self.sound} {other.sound}")
