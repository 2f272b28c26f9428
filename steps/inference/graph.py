"""The nodes of an exported model: some are computed of one recording, some of several at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.components.component import (
    EMBEDDING,
    PREDICTION,
    TRANSCRIPT,
    WAVEFORM,
    Block,
    Component,
    Missing,
    OfBlock,
    OfRecording,
)
from steps.components.directory import ABOUT, ADVICE, check, read_about
from steps.data.dataset import Item
from steps.inference.kinds import kind_of
from utils.errors import UsageError, UserError, reading
from utils.shape import check as check_shape

if TYPE_CHECKING:
    from steps.asr.transcripts.precomputed_transcripts import Transcript


@dataclass(frozen=True)
class Heard:
    """What is known of one recording, or of a window of one.

    Attributes:
        values: {node: what it computed}, or Missing.
        dialogue, turn: where in which dialogue it stands; None where that is not known.
        notes: what is to be said of the sound.
    """

    key: str
    seconds: float
    speaker: str | None = None
    dialogue: str | None = None
    turn: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Open it with `Graph.open`; may be shared by threads.

    Attributes:
        about: model.yaml. nodes: by name, in the order of computation. result: name of the last.
    """

    about: dict[str, Any]
    nodes: dict[str, Component]
    result: str

    @classmethod
    def open(cls, directory: Path, transcribe: bool = True) -> Graph:
        """
        Args:
            transcribe: False: no transcript, unless a node reads it.

        Raises:
            UserError: no model there, one of another format, or a damaged file.
        """
        about = read_about(directory)
        check(directory)
        path, result = directory / ABOUT, about["nodes"][-1]["name"]
        kinds = {node["name"]: kind_of(node["kind"], path, ADVICE) for node in about["nodes"]}
        texts = [name for name, kind in kinds.items() if kind.gives == TRANSCRIPT]
        wanted = needed(about["nodes"], [result, *(texts if transcribe else [])])
        nodes: dict[str, Component] = {}
        for node in about["nodes"]:
            name, kind = node["name"], kinds[node["name"]]
            if name not in wanted:
                if issubclass(kind, OfBlock):
                    raise UserError(f"{path}: {name} predicts, and nothing reads it; {ADVICE}")
                continue
            if not issubclass(kind, OfBlock) and any(
                issubclass(kinds[one], OfBlock) for one in node["inputs"] if one != WAVEFORM
            ):
                raise UserError(f"{path}: {name} reads what is computed after it; {ADVICE}")
            check_shape(node["about"], kind.form, f"{path}: {name}", ADVICE)
            try:
                with reading(f"{path}: {name}", ADVICE):
                    nodes[name] = kind.open(node, node["place"], nodes, about["targets"])
            except UsageError as error:  # of options that this version does not have
                raise UserError(f"{path}: {name}: {error}; {ADVICE}", error.status) from error
        if not issubclass(kinds[result], OfBlock):
            raise UserError(f"{path}: the last node, {result}, predicts nothing; {ADVICE}")
        return cls(about, nodes, result)

    @property
    def predictions(self) -> list[str]:
        """The nodes that predict the targets each by itself."""
        return [name for name, node in self.nodes.items() if node.gives == PREDICTION]

    @property
    def by_speaker(self) -> bool:
        """Whether several utterances of a speaker are wanted."""
        return any(isinstance(node, OfBlock) and node.by_speaker for node in self.nodes.values())

    @property
    def by_dialogue(self) -> bool:
        """Whether all utterances of a dialogue are wanted."""
        return any(isinstance(node, OfBlock) and node.by_dialogue for node in self.nodes.values())

    def hear(
        self, key: str, samples: np.ndarray, seconds: float, speaker: str | None = None
    ) -> Heard:
        """All that is computed of one recording. Samples: float32 (T,) at 16 kHz."""
        from steps.inference.nodes.features import Computed

        values: dict[str, Any] = {WAVEFORM: Computed(samples)}
        for name, node in self.nodes.items():
            if isinstance(node, OfRecording) and not node.is_files:
                values[name] = node.compute(*(values[one] for one in node.inputs if one in values))
        del values[WAVEFORM]
        return Heard(key, seconds, speaker, values=values)

    def judge(
        self,
        items: Sequence[Item],
        heard: Sequence[Heard],
        speakers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """{node: {target: what it says of the N recordings}}, of those that predict.

        Args:
            items: what is known of them beside the values. speakers: what `learn` gave.
        """
        block, found = Block(items, speakers or {}), dict[str, Any]()
        for name, node in self.nodes.items():
            if isinstance(node, OfBlock):
                found[name] = node.compute(block, *self._inputs(node, heard, found))
        return {name: told for name, told in found.items() if self.nodes[name].gives != EMBEDDING}

    def learn(self, heard: Sequence[Heard]) -> dict[str, dict[str, Any]]:
        """{node: statistics of each speaker}."""
        block = Block(
            [Item(id=str(number), speaker=one.speaker) for number, one in enumerate(heard)]
        )
        return {
            name: node.learn(block, *self._inputs(node, heard, {}))
            for name, node in self.nodes.items()
            if isinstance(node, OfBlock) and node.by_speaker
        }

    def _inputs(
        self, node: Component, heard: Sequence[Heard], found: Mapping[str, Any]
    ) -> list[Any]:
        return [
            found[name] if name in found else [one.values[name] for one in heard]
            for name in node.inputs
        ]

    def missing(self, name: str, heard: Heard) -> str:
        """Why the inputs of a node tell nothing of a recording; "" where they do."""
        for one in self.nodes[name].inputs:
            node = self.nodes[one]
            reason = (
                node.missing(heard.values[one])
                if isinstance(node, OfRecording) and one in heard.values
                else self.missing(one, heard)
                if node.gives == EMBEDDING
                else ""
            )
            if reason:
                return reason
        return ""

    def transcript(self, heard: Heard) -> Transcript | None:
        """None where nobody was asked to transcribe, or the recording is too short."""
        for name, value in heard.values.items():
            if self.nodes[name].gives == TRANSCRIPT and not isinstance(value, Missing):
                found: Transcript = value
                return found
        return None


def needed(nodes: Sequence[Mapping[str, Any]], names: Iterable[str]) -> set[str]:
    """These nodes, and all that they read."""
    wanted = set(names)
    for node in reversed(nodes):
        if node["name"] in wanted:
            wanted.update(node["inputs"])
    return wanted
