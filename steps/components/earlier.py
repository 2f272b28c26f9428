"""model.yaml as it was before exported models were lists of nodes, in the present form.

subsystems/<name>/      of each its config.yaml, metrics.json, model.*, normalization.npz
fusion/model.json       only there where several subsystems are fused
ivectors/<name>/        an i-vector extractor
recognizer/             transcribes, and tells the phone states of an i-vector extractor
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steps.components.component import WAVEFORM
from utils.errors import UserError
from utils.renamed import FILES
from utils.shape import NAME, Maybe, check

EARLIER = 1  # its format
FEATURES, IVECTORS, RECOGNIZER, TRANSCRIPT, SUBSYSTEM, FUSION = (  # kinds
    "features",
    "ivectors",
    "recognizer",
    "transcript",
    "subsystem",
    "fusion",
)
SUBSYSTEMS = "subsystems"
EARLIER_ROOMS = (SUBSYSTEMS, FUSION, FEATURES, IVECTORS, RECOGNIZER, FILES[RECOGNIZER])
FORM = {
    "name": str,
    "label": str,
    "classes": [NAME],
    "tracks?": [NAME],
    "fusion": bool,
    "marks?": [str],
    "trained_on?": {str: Any},
    "subsystems": {NAME: {"kind": NAME, "variant": str, "features": Maybe(NAME)}},
    "features": {NAME: {"options": {str: Any}}},
    "recognizer?": Maybe({"decoding": {str: Any}, "features": {str: Any}}),
}


def in_nodes(about: dict[str, Any], path: Path, advice: str) -> dict[str, Any]:
    """
    Args:
        about: what `path` holds, with the present names of its keys.

    Returns:
        It with "targets" and "nodes", from "label", "classes", "tracks", "subsystems", "features",
        "recognizer" and "fusion"; each node has "place", the directory of its files.

    Raises:
        UserError: incomplete.
    """
    check(about, FORM, path, advice)
    members = about["subsystems"]
    if not members or (len(members) > 1 and not about["fusion"]):
        raise UserError(f"{path}: {len(members)} subsystems and no fusion; {advice}")
    recognizer = about.get("recognizer")
    reads = {name: told["features"] for name, told in members.items()}
    if None in reads.values() and not recognizer:
        raise UserError(
            f"{path}: a subsystem reads the transcript, and recognizer is null; {advice}"
        )
    for name, features in reads.items():
        if features is not None and features not in about["features"]:
            raise UserError(
                f"{path}: {name} reads {features}, which features does not describe; {advice}"
            )
    taken = set(members)
    asr = entry(free(RECOGNIZER, taken), RECOGNIZER, [WAVEFORM], {}, RECOGNIZER)
    heard = {
        name: node_of_features(name, told, free(name, taken), asr["name"])
        for name, told in about["features"].items()
    }
    nodes = list(heard.values())
    if recognizer or any(asr["name"] in node["inputs"] for node in nodes):
        nodes.insert(0, asr)
    text = entry(
        free(TRANSCRIPT, taken), TRANSCRIPT, [WAVEFORM, asr["name"]], recognizer or {}, TRANSCRIPT
    )
    nodes += [text] if recognizer else []
    for name, told in members.items():
        read = text if told["features"] is None else heard[told["features"]]
        nodes.append(entry(name, SUBSYSTEM, [read["name"]], told, f"{SUBSYSTEMS}/{name}"))
    if about["fusion"]:
        nodes.append(entry(free(FUSION, taken), FUSION, list(members), {}, FUSION))
    tracks = {name: {"kind": "track"} for name in about.get("tracks", ())}
    targets = tracks or {about["label"]: {"kind": "class", "classes": about["classes"]}}
    return {**about, "targets": targets, "nodes": nodes}


def node_of_features(name: str, told: dict[str, Any], node: str, asr: str) -> dict[str, Any]:
    """
    Args:
        told: what model.yaml says of the features `name`. node: name of their node. asr: of the
            recognizer's.
    """
    options = told["options"]
    if options.get("extractor") != "ivector":
        return entry(node, FEATURES, [WAVEFORM], told, f"{FEATURES}/{name}")
    inputs = [WAVEFORM] if options.get("occupancy") == "gmm" else [WAVEFORM, asr]
    return entry(node, IVECTORS, inputs, told, f"{IVECTORS}/{name}")


def entry(
    name: str, kind: str, inputs: list[str], about: dict[str, Any], place: str
) -> dict[str, Any]:
    return {"name": name, "kind": kind, "inputs": inputs, "about": about, "place": place}


def free(name: str, taken: set[str]) -> str:
    """`name`, or one like it that is not taken; takes it."""
    while name in taken:
        name += ".input"
    taken.add(name)
    return name
