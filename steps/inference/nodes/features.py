"""Features of a recording, by an extractor with the options of training, not those of conf/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from steps.components.component import (
    FEATURES,
    SAMPLES,
    SOUND,
    WAVEFORM,
    Component,
    Missing,
    OfRecording,
)
from steps.components.directory import ADVICE
from steps.features.extractor import CannotCompute, Extractor
from steps.inference.source import Source
from utils.errors import UserError
from utils.shape import Number, OneOf

IVECTOR = "ivector"  # an extractor with files of its own: another kind of node


class Computed:
    """The features of one recording by extractor, computed when first asked for.

    Attributes:
        samples: float32 (T,) at 16 kHz.
    """

    def __init__(self, samples: np.ndarray):
        self.samples = samples
        self._found: dict[str, np.ndarray | CannotCompute] = {}

    def of(self, extractor: Extractor) -> np.ndarray:
        """
        Raises:
            CannotCompute: with the reason.
        """
        key = json.dumps(extractor.options, sort_keys=True)
        if key not in self._found:
            try:
                self._found[key] = extractor.extract_shared(self.samples, self.of)
            except CannotCompute as reason:
                self._found[key] = reason
        found = self._found[key]
        if isinstance(found, CannotCompute):
            raise found
        return found


class Features(OfRecording):
    """Raw features, (F,) or (T, F), not normalized.

    Attributes:
        extractor: of an opened node.
    """

    gives = FEATURES
    form = {
        "kind": OneOf("utterance", "frames"),
        "dim": Number(1, 10**6, whole=True),
        "version": str,
        "options": {str: Any},
    }
    extractor: Extractor

    @classmethod
    def find(cls, wanted: str, source: Source) -> Features | None:
        if (
            wanted.startswith("*")
            or (described := source.described(wanted))["options"].get("extractor") == IVECTOR
        ):
            return None
        return cls(wanted, (WAVEFORM,), {key: described[key] for key in cls.form})

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> Features:
        """
        Raises:
            UserError: an extractor that is not installed, or that makes other features now.
        """
        from steps.features.registry import remake

        kind = node["about"]["options"].get("extractor")
        if kind == IVECTOR:
            raise UserError(
                f"{node['name']}: extractor is {kind}, and the model lacks its files; {ADVICE}"
            )
        opened = cls(node["name"], node["inputs"], node["about"])
        extractor = remake(opened.name, opened.about["options"])
        if not extractor.needs_audio:
            raise UserError(
                f"{opened.name}: extractor is {kind}, and the model lacks its files; {ADVICE}"
            )
        opened.use(extractor)
        return opened

    def use(self, extractor: Extractor) -> None:
        """Take this extractor.

        Raises:
            UserError: it makes other features than `about` says.
        """
        extractor.bind({})
        check_options(extractor, self.about["options"])
        if (extractor.kind, extractor.dim) != (self.about["kind"], self.about["dim"]):
            raise UserError(
                f"{self.name} has {extractor.dim} columns here, the model was trained on "
                f"{self.about['dim']}: install {self.about['version']}"
            )
        self.extractor = extractor

    def compute(self, *inputs: Any) -> np.ndarray | Missing:
        computed: Computed = inputs[0]
        try:
            rows = computed.of(self.extractor)
        except CannotCompute as reason:
            return Missing(str(reason))
        wrong = rows.size - int(np.isfinite(rows).sum())
        return Missing(f"{wrong} of {rows.size} values are not finite") if wrong else rows


def check_options(extractor: Extractor, options: Mapping[str, Any]) -> None:
    """
    Raises:
        UserError: these would not be the features of training.
    """
    from utils.differences import differences

    for key, found, wanted in differences(extractor.options, options):
        raise UserError(
            f"{extractor.name}: {key} is {found!r} in this version, the model was trained with "
            f"{wanted!r}; export it again, or use the version that exported it"
        )


class Samples(OfRecording):
    """The recording itself, float32 (T,) at 16 kHz, for networks that read it."""

    gives = SAMPLES

    @classmethod
    def find(cls, wanted: str, source: Source) -> Samples | None:  # noqa: ARG003 - it needs no files
        return cls("samples", (WAVEFORM,)) if wanted == SOUND else None

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,  # noqa: ARG003
        others: Mapping[str, Component],  # noqa: ARG003
        targets: Mapping[str, Any],  # noqa: ARG003
    ) -> Samples:
        return cls(node["name"], node["inputs"], node["about"])

    def compute(self, *inputs: Any) -> Any:
        return inputs[0].samples if len(inputs[0].samples) else Missing("no sound")
