"""The noisy sets that a robustness test is made on, one condition each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.inputs.opening import open_source
from steps.inputs.said import TEXT
from steps.noise import KINDS
from steps.text.source import layers_for
from utils.errors import UsageError, UserError


@dataclass(frozen=True)
class Condition:
    """A data set that a test is made on: the clean one, or a noisy set of one ratio.

    Attributes:
        name: also of its directory below EXP/robustness/<protocol>.
    """

    name: str
    data: Dataset

    def inputs(self, ids: Sequence[str], features: str, source: str = "") -> tuple[list[Item], list[Any]]:
        """The utterances and what a subsystem reads of them (None: could not be computed), as TrainedExperiment takes
        it.

        Args:
            features: name of a directory, or TEXT. source: of text; that of a recognizer needs transcripts.

        Raises:
            UserError: it has no such features or text, or lacks one of the utterances.
        """
        data, path = self.data, self.data.path
        absent = [key for key in ids if key not in data.items]
        if absent:
            raise UserError(f"{path} lacks {len(absent)} utterances of the test part, the first is {absent[0]}; "
                            "make the noisy set with --parts PROTOCOL/test, or of all")
        if features == TEXT:
            data, features = data.with_layers(layers_for(path, [source])), f"{TEXT}:{source}"
        read = open_source(features, data)
        return [data.items[key] for key in ids], [read[key] if key in read else None for key in ids]  # noqa: SIM401 - no mapping

    @property
    def noise(self) -> dict[str, Any]:
        return self.data.info["noise"]

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


def open_conditions(text: str, corpus: str) -> list[Condition]:
    """`"snr10=DIR snr0=DIR"`: loudest speech first.

    Raises:
        UsageError: another form, or a set that is no condition.
    """
    found = []
    for word in shlex.split(text):
        name, separator, path = word.partition("=")
        if not separator or not path or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"--conditions: {word!r} is not NAME=DIR")
        found.append(Condition(name, Dataset.open(path)))
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
    data, noise = condition.data, condition.data.info.get("noise")
    if noise is None or data.name != corpus:
        raise UsageError(f"--conditions: {data.path} is no noisy set of {corpus}; make one with "
                         "steps/make_noisy_set.sh")
    if not isinstance(noise["snr"], float) or noise["pool"] != "test":
        raise UsageError(f"--conditions: {data.path} was made for training (ratio {noise['snr']}, pool "
                         f"{noise['pool']}); make one with steps/make_noisy_set.sh --snr DB")
