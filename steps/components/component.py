"""The contract of a component: a node of an exported model, which computes one value.

    component = Kind.find(wanted, source)         # of what was trained; None: another kind gives it
    about = component.pack(directory)             # writes its files; what model.yaml says of it
    component = Kind.open(node, directory, others, targets)       # from an exported model
    component.compute(...)

A model is a list of nodes in the order of computation. A node of a recording (`OfRecording`) is
computed when the recording is heard, by several threads; a node of a block (`OfBlock`) when several
recordings are judged together. A new kind is a class like those in steps/inference/nodes, and one
line in steps/inference/kinds.py.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

WAVEFORM = "waveform"  # as an input: the recording itself

# What a node gives.
FEATURES, SAMPLES, TRANSCRIPT, EMBEDDING = "features", "samples", "transcript", "embedding"
PREDICTION, FUSED = "prediction", "fused"
FILES = "files"  # nothing of a recording: other nodes read its directory

# What an exporter looks for beside features, which have their own names: no name of features begins
# with *. `subsystem_named` is the prediction of one subsystem.
RESULT, TEXT, SOUND, RECOGNIZER = "*result", "*text", "*sound", "*recognizer"


def subsystem_named(name: str) -> str:
    """What an exporter looks for: the prediction of a subsystem."""
    return f"*subsystem {name}"


def embeddings_named(name: str) -> str:
    """What an exporter looks for: the input embedding:SUBSYSTEM/VARIANT."""
    return f"*{name}"


@dataclass(frozen=True)
class Missing:
    """In place of a value: why there is none for a recording."""

    reason: str


@dataclass(frozen=True)
class Block:
    """Recordings that are judged together.

    Attributes:
        items: N utterances (steps.data.dataset.Item), with what is known of them beside the values.
        speakers: {node: {speaker: Normalizer}}, learned from more recordings than these.
    """

    items: Sequence[Any]
    speakers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Component(abc.ABC):
    """See the module's text.

    Attributes:
        gives: FEATURES, SAMPLES, TRANSCRIPT, EMBEDDING, PREDICTION, FUSED or FILES. form: of `about` (utils/shape.py).
        name: of the node. inputs: names of the nodes that it reads, or WAVEFORM.
        about: what model.yaml says of it: plain values.
    """

    gives: ClassVar[str]
    form: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str, inputs: Sequence[str], about: Mapping[str, Any] | None = None):
        self.name, self.inputs, self.about = name, tuple(inputs), dict(about or {})

    @classmethod
    @abc.abstractmethod
    def find(cls, wanted: str, source: Any) -> Component | None:
        """The component that gives `wanted`, for export; None where this kind does not.

        Args:
            wanted: features' name, RESULT, TEXT, SOUND, RECOGNIZER, `subsystem_named` or
                `embeddings_named`; its inputs are called likewise.
            source: steps/inference/source.py.

        Raises:
            UserError: this kind gives it, and something is missing; one line says what to do.
        """

    def pack(self, directory: Path) -> dict[str, Any]:  # noqa: ARG002 - most have files
        """Write its files into `directory`, which is not there yet; returns `about`."""
        return self.about

    def trained_on(self) -> list[dict[str, Any]]:
        """Records (steps/data/trained_on.py) of what it saw beside the model's training part."""
        return []

    @classmethod
    @abc.abstractmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> Component:
        """
        Args:
            node: of model.yaml: "name", "inputs", "about" of the form `form`.
            directory: its files. others: the nodes before it. targets: of the model.

        Raises:
            UserError: damaged, or not what `about` says.
        """


class OfRecording(Component):
    """Computed of one recording; shared by threads."""

    @property
    def is_files(self) -> bool:
        """Whether it computes nothing: other nodes read its directory."""
        return self.gives == FILES

    def compute(self, *inputs: Any) -> Any:
        """A value, or Missing. inputs: those that are values, in their order (no FILES)."""
        raise NotImplementedError

    def missing(self, value: Any) -> str:
        """Why its value tells nothing; "" where it does."""
        return value.reason if isinstance(value, Missing) else ""


class OfBlock(Component):
    """Computed of several recordings at once."""

    by_speaker: bool = False  # whether it wants several recordings of a speaker
    by_dialogue: bool = False  # whether it wants all recordings of a dialogue

    @abc.abstractmethod
    def compute(self, block: Block, *inputs: Any) -> Any:
        """{target: (N, C) log-posteriors, (N, 1) numbers, or a list of N tracks (T,)}; of one that
        gives EMBEDDING a list of N vectors, or Missing.

        Args:
            inputs: of each input its values: a list of N, or what another OfBlock gave.
        """

    def learn(self, block: Block, *inputs: Any) -> dict[str, Any]:  # noqa: ARG002 - most do not
        """{speaker: Normalizer} of these recordings; {} where nothing is learned."""
        return {}
