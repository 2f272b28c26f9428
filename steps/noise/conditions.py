"""The noisy sets that a robustness test is made on, one condition each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.features.store import FeatureStore
from steps.noise import KINDS
from utils.errors import UsageError, UserError

TEXT = "text"  # as --features: what is said, and no features
REFERENCE = "reference"  # source of text that needs no recogniser


@dataclass(frozen=True)
class Sets:
    """Data sets of the same recordings: one, and the same transcribed where subsystems read text."""

    name: str
    sets: tuple[Dataset, ...]

    def inputs(self, ids: Sequence[str], features: str, source: str = "") -> tuple[list[Item], list[Any] | None]:
        """The utterances and their rows of features (None: could not be computed), as TrainedExperiment takes them.

        Args:
            features: name of a directory, or TEXT. source: of text; that of a recogniser needs transcripts.

        Raises:
            UserError: no set has these features, or one of the utterances.
        """
        data = self.data_with(features, source)
        absent = [key for key in ids if key not in data.items]
        if absent:
            raise UserError(f"{data.path} lacks {len(absent)} utterances of the test part, the first is {absent[0]}; "
                            "make the noisy set with --only PROTOCOL/test, or of all")
        items = [data.items[key] for key in ids]
        if features == TEXT:
            return items, None
        store = FeatureStore.open(data.path / features, {"name": features})
        missing = set(store.missing(ids))
        return items, [None if key in missing else store[key] for key in ids]

    def data_with(self, features: str, source: str) -> Dataset:
        """
        Raises:
            UserError: no set has these features; says how to make them.
        """
        first = self.sets[0]
        for data in self.sets:
            if (source == REFERENCE or "transcripts" in data.info) if features == TEXT else \
                    (data.path / features / "feature.json").is_file():
                return data
        if features == TEXT:
            raise UserError(f"{self.name}: {first.path} has no transcripts; transcribe it (steps/transcribe.sh) and "
                            "name the transcribed set too; see --help")
        raise UserError(f"{self.name}: {first.path} has no {features}; run steps/extract_features.sh --features "
                        f"{features} {first.path}")


@dataclass(frozen=True)
class Condition(Sets):
    """A noisy set of one ratio. name: also of its directory below EXP/robustness/<protocol>."""

    @property
    def noise(self) -> dict[str, Any]:
        return self.sets[0].info["noise"]

    @property
    def label(self) -> str:
        """`10 dB`, and the kinds of noise where they are not all."""
        kinds = self.noise["kinds"]
        return f"{self.noise['snr']:g} dB" + ("" if set(kinds) == set(KINDS) else f", {' '.join(kinds)}")

    @property
    def about(self) -> dict[str, Any]:
        """What a row of results says of it."""
        return {"snr": self.noise["snr"], "kinds": self.noise["kinds"],
                "noises": "MUSAN" if self.noise["musan"] else "synthetic", "seed": self.noise["seed"]}


def open_sets(name: str, paths: str) -> Sets:
    """`DIR` or `DIR,DIR`."""
    return Sets(name, tuple(Dataset.open(path) for path in paths.split(",")))


def open_conditions(text: str, corpus: str) -> list[Condition]:
    """`"snr10=DIR snr0=DIR,DIR"`: loudest speech first.

    Raises:
        UsageError: another form, or a set that is no condition.
    """
    found = []
    for word in shlex.split(text):
        name, separator, paths = word.partition("=")
        if not separator or not paths or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"--conditions: {word!r} is not NAME=DIR or NAME=DIR,DIR")
        found.append(Condition(name, open_sets(name, paths).sets))
        check(found[-1], corpus)
    for key in ("name", "label"):
        names = [getattr(condition, key) for condition in found]
        if len(set(names)) < len(names):
            raise UsageError(f"--conditions: two have the {key} {max(names, key=names.count)}; each is named once")
    if not found:
        raise UsageError("--conditions is empty; give NAME=DIR ..., noisy sets of the corpus")
    return sorted(found, key=lambda condition: (-condition.noise["snr"], condition.name))


def check(condition: Condition, corpus: str) -> None:
    """
    Raises:
        UsageError: a directory that is no noisy set of one ratio, of the corpus and with noises for testing.
    """
    first = condition.sets[0].info.get("noise")
    for data in condition.sets:
        noise = data.info.get("noise")
        if noise is None or data.name != corpus:
            raise UsageError(f"--conditions: {data.path} is no noisy set of {corpus}; make one with "
                             "steps/make_noisy_set.sh")
        if noise != first:
            raise UsageError(f"--conditions: {data.path} has other noise than {condition.sets[0].path}")
        if not isinstance(noise["snr"], float) or noise["pool"] != "test":
            raise UsageError(f"--conditions: {data.path} was made for training (ratio {noise['snr']}, pool "
                             f"{noise['pool']}); make one with steps/make_noisy_set.sh --snr DB")
