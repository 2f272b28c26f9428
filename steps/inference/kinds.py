"""Kinds of nodes. model.yaml holds names of this table, never a module.

A new kind is a component (steps/components/component.py) and one line here.
"""

from __future__ import annotations

from steps.components.component import Component
from utils.errors import UserError
from utils.imports import imported

KINDS = {
    "features": "steps.inference.nodes.features:Features",
    "samples": "steps.inference.nodes.features:Samples",
    "ivectors": "steps.inference.nodes.ivectors:Ivectors",
    "recognizer": "steps.inference.nodes.recognizer:RecognizerFiles",
    "transcript": "steps.inference.nodes.recognizer:Transcriber",
    "embeddings": "steps.inference.nodes.subsystem:Embeddings",
    "subsystem": "steps.inference.nodes.subsystem:Subsystem",
    "fusion": "steps.inference.nodes.fusion:FusedSubsystems",
}


def kind_of(name: str, where: object, advice: str) -> type[Component]:
    """
    Raises:
        UserError: no such kind.
    """
    if name not in KINDS:
        raise UserError(
            f"{where}: a node is of kind {name}; accepted: {', '.join(KINDS)}; {advice}"
        )
    found: type[Component] = imported(KINDS[name])
    return found
