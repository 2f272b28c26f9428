"""A recognizer's files, for i-vectors and transcripts; the transcript of a recording."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.components.component import (
    FILES,
    RECOGNIZER,
    TEXT,
    TRANSCRIPT,
    WAVEFORM,
    Component,
    Missing,
    OfRecording,
)
from steps.data.layers import layer_path
from steps.data.trained_on import Record, read_training
from steps.features.extractor import CannotCompute
from steps.inference.nodes.features import check_options
from steps.inference.source import Source
from utils.array_plan import PLAN
from utils.errors import UserError
from utils.files import read_json
from utils.renamed import FILES as EARLIER_NAMES

if TYPE_CHECKING:
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.decode import Decoder
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.asr.transcripts.precomputed_transcripts import Transcript

# What transcribing needs of a recognizer's directory; the rest is of training.
KEPT = (
    "recognizer.json",
    EARLIER_NAMES["recognizer.json"],
    "config.yaml",
    "model.safetensors",
    "model.onnx*",
    "tokens.txt",
    "trained_on.json",
    "phone_states.json",
    "units",
    "phone_states",
    "graph",
)
# In a directory of its own: a phone-state head, which gives components of i-vectors and no words.
HEAD = "phone_states.json"
NOTHING = "nothing was recognized"


class RecognizerFiles(OfRecording):
    """
    Attributes:
        directory: the recognizer's.
    """

    gives = FILES
    directory: Path

    @classmethod
    def of(cls, name: str, inputs: tuple[str, ...], directory: Path) -> RecognizerFiles:
        made = cls(name, inputs)
        made.directory = directory
        return made

    @classmethod
    def find(cls, wanted: str, source: Source) -> RecognizerFiles | None:
        return (
            cls.of("recognizer", (WAVEFORM,), source.asr)
            if wanted == RECOGNIZER and source.asr
            else None
        )

    def pack(self, directory: Path) -> dict[str, Any]:
        """Without what only training needs."""
        for path in (path for pattern in KEPT for path in self.directory.glob(pattern)):
            directory.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, directory / path.name)
            else:
                shutil.copyfile(path, directory / path.name)
        if not directory.is_dir():
            raise UserError(
                f"{self.directory} is no recognizer that can be exported: recognizer.json or "
                "model.onnx with tokens.txt is needed (a TorchScript file is a program)",
                2,
            )
        return {}

    def trained_on(self) -> list[Record]:
        return read_training(self.directory) or []

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> RecognizerFiles:
        return cls.of(node["name"], node["inputs"], directory)


class Transcriber(OfRecording):
    """A recognizer with its decoding; each thread has a decoder of its own.

    Attributes:
        source: of one that is exported. recognizer, config, graph: of one that is opened.
    """

    gives = TRANSCRIPT
    form = {"decoding": {str: Any}, "features": {str: Any}}
    source: Source
    recognizer: Recognizer
    config: DecodeConfig
    graph: Graph | None

    @classmethod
    def find(cls, wanted: str, source: Source) -> Transcriber | None:
        if wanted != TEXT or source.asr is None or (source.asr / HEAD).is_file():
            return None
        found = cls("transcript", (WAVEFORM, RECOGNIZER))
        found.source = source
        return found

    def pack(self, directory: Path) -> dict[str, Any]:
        from steps.asr.recognizers.recognizer import open_recognizer

        assert self.source.asr is not None
        return {
            "decoding": decoding(self.source, self.source.asr),
            "features": open_recognizer(self.source.asr).extractor.options,
        }

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> Transcriber:
        from steps.asr.decode.config import DecodeConfig
        from steps.asr.decode.graph import Graph
        from steps.asr.recognizers.recognizer import open_recognizer
        from utils.config import from_dict

        [asr] = [
            one.directory
            for name in node["inputs"]
            if isinstance(one := others.get(name), RecognizerFiles)
        ]
        opened = cls(node["name"], node["inputs"], node["about"])
        opened.config = from_dict(DecodeConfig, opened.about["decoding"])
        opened.recognizer = open_recognizer(asr)
        opened.graph = (
            Graph.open(asr / "graph", opened.recognizer.units)
            if opened.config.method == "graph"
            else None
        )
        check_options(opened.recognizer.extractor, opened.about["features"])
        opened._local = threading.local()
        return opened

    def compute(self, *inputs: Any) -> Transcript | Missing:
        """As steps/transcribe.sh writes it; Missing where nothing can be heard."""
        from steps.asr.transcripts.precomputed_transcripts import of_hypotheses

        [computed] = inputs
        try:
            rows = computed.of(self.recognizer.extractor)
        except CannotCompute:
            return Missing(NOTHING)
        if not np.isfinite(rows).all():
            return Missing(NOTHING)
        found = of_hypotheses(self._decoder().decode(self.recognizer.log_posteriors([rows])[0]))
        return Missing(NOTHING) if found is None else found

    def missing(self, value: Any) -> str:
        return NOTHING if isinstance(value, Missing) or not value.text else ""

    def _decoder(self) -> Decoder:
        from steps.asr.decode.decode import make_decoder

        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = self._local.decoder = make_decoder(
                self.config, self.recognizer.units, self.recognizer.frame_shift, self.graph
            )
        return decoder


def decoding(source: Source, asr: Path) -> dict[str, Any]:
    """As the transcripts of training were made; where the data set does not say, by the graph if
    there is one."""
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.tune_decoding import settings
    from utils.config import load_config

    graph = asr / "graph"
    plan = layer_path(source.data, "asr") / "decoded" / PLAN
    if any(one.features is None for one in source.chosen.members):
        if plan.is_file():
            planned = read_json(plan)
            check_plan(planned, asr)
            found: dict[str, Any] = planned["config"]
            return found
        print(
            f"note: {plan} is not there: recordings are transcribed by {asr}, however the "
            "transcripts of training were made",
            file=sys.stderr,
        )
    method = "graph" if graph.is_dir() else "prefix"
    return dataclasses.asdict(
        load_config(
            DecodeConfig,
            "asr_decode",
            [*settings(graph if graph.is_dir() else None), f"method={method}"],
        )
    )


def check_plan(planned: Mapping[str, Any], asr: Path) -> None:
    """
    Raises:
        UserError: the transcripts of training were made otherwise.
    """
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import open_recognizer

    recognizer = open_recognizer(asr)
    graph = Graph.open(asr / "graph", recognizer.units).fingerprint if planned["graph"] else None
    for what, found in (("recognizer", recognizer.fingerprint), ("graph", graph)):
        if found != planned[what]:
            raise UserError(
                f"the transcripts of training were made with the {what} {planned[what]}, {asr} is "
                f"{found}; give the former with --asr"
            )
