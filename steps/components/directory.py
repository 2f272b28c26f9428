"""The directory of an exported model: which file is what, and whether all of them are as they were written.

    model.yaml              what it predicts, its nodes in the order of computation, versions; written by export.py
    nodes/<name>/           the files of a node (component.py); none where model.yaml says it all
    trained_on.json         speakers and recordings that it has seen, for the leak audit of what starts from it
    checksums.json          {file: SHA-256} of all others
    README.md

    nodes:
    - {name: is10, kind: features, inputs: [waveform], about: {kind: utterance, dim: 1582, options: {...}, ...}}
    - {name: svm_is10, kind: subsystem, inputs: [is10], about: {kind: linear_svm, variant: norm-global, ...}}

Arrays lie in safetensors and npz files, everything else is text; nothing is pickled. A kind is a name of the table in
steps/inference/kinds.py. Models of the earlier form are read too (earlier.py).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from steps.components.component import WAVEFORM
from steps.components.earlier import EARLIER, EARLIER_ROOMS, in_nodes
from utils.config import read_yaml
from utils.errors import UserError
from utils.files import read_json, write_json
from utils.printable import printable
from utils.renamed import present_content, present_path
from utils.shape import NAME, OneOf
from utils.shape import check as check_shape

ABOUT, CHECKSUMS, README = "model.yaml", "checksums.json", "README.md"
TRAINED_ON = "trained_on.json"  # see steps/data/trained_on.py
NODES = "nodes"
FORMAT = 2
ROOMS, ARRAYS = (NODES, *EARLIER_ROOMS), (".npz", ".safetensors")
ADVICE = "copy the model again, or export it again with steps/export.sh"
FORM = {  # of model.yaml
    "name": str, "marks?": [str], "trained_on?": {str: Any},
    "targets": {NAME: {"kind": OneOf("class", "number", "track"), "classes?": [NAME]}},
    "nodes": [{"name": NAME, "kind": NAME, "inputs": [NAME], "about": {str: Any}}]}


def read_about(directory: Path) -> dict[str, Any]:
    """model.yaml; each node also has "place", the directory of its files.

    Raises:
        UserError: no model there, one of another format, or one with an incomplete description.
    """
    path = directory / ABOUT
    if not path.is_file():
        raise UserError(f"{directory} is no exported model ({ABOUT} is missing); make one with steps/export.sh", 2)
    about = present_content(read_yaml(path))
    if about.get("format") == EARLIER:
        about = in_nodes(about, path, ADVICE)
    elif about.get("format") == FORMAT:
        check_shape(about, FORM, path, ADVICE)
        about = {**about, "nodes": [{**node, "place": f"{NODES}/{node['name']}"} for node in about["nodes"]]}
    else:
        raise UserError(f"{path} has format {about.get('format')!s:.20}; this version reads {EARLIER} and {FORMAT}")
    check_targets(about["targets"], path)
    check_nodes(about["nodes"], path)
    return {**about, "nodes": [{**node, "place": present_path(directory / node["place"])} for node in about["nodes"]]}


def check_targets(targets: dict[str, Any], path: Path) -> None:
    """
    Raises:
        UserError: none, several of classes, or classes that are none.
    """
    kinds = {told["kind"] for told in targets.values()}
    if len(kinds) != 1 or (kinds == {"class"} and len(targets) > 1):
        raise UserError(f"{path}: targets are {', '.join(targets) or 'missing'}; expected one of classes, or several "
                        f"of numbers or of tracks; {ADVICE}")
    classes = next(iter(targets.values())).get("classes", [])
    if (not classes and kinds == {"class"}) or len(set(classes)) < len(classes):
        raise UserError(f"{path}: classes are missing, or one comes twice; {ADVICE}")


def check_nodes(nodes: list[dict[str, Any]], path: Path) -> None:
    """
    Raises:
        UserError: none, a name that comes twice, or a node that reads none of those before it.
    """
    if not nodes:
        raise UserError(f"{path} has no nodes; {ADVICE}")
    known = {WAVEFORM}
    for node in nodes:
        if node["name"] in known:
            raise UserError(f"{path}: the node {node['name']} comes twice; {ADVICE}")
        strange = [name for name in node["inputs"] if name not in known]
        if strange or not node["inputs"]:
            raise UserError(f"{path}: {node['name']} reads {', '.join(strange) or 'nothing'}, which no node before it "
                            f"gives; {ADVICE}")
        known.add(node["name"])


def write_checksums(directory: Path) -> None:
    """checksums.json over every other file below `directory`."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != directory / CHECKSUMS)
    write_json(directory / CHECKSUMS, {path.relative_to(directory).as_posix(): checksum(path) for path in files})


def check(directory: Path) -> None:
    """
    Raises:
        UserError: a file is missing or is not what was written, came in, or is a link that leads out; names the first.
    """
    path = directory / CHECKSUMS
    if not path.is_file():
        raise UserError(f"{path} is missing; {ADVICE}")
    expected = read_json(path, {str: str}, ADVICE)
    root = Path(os.path.realpath(directory))  # Path.resolve raises at a link to itself
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            raise UserError(f"{path} is a link that leads out of the model; {ADVICE}, with cp -L")
        vouched = name.parts[0] in ROOMS or name.as_posix() in (ABOUT, TRAINED_ON) or path.suffix in ARRAYS
        if vouched and path.is_file() and not name.name.startswith(".") and name.as_posix() not in expected:
            raise UserError(f"{path} is not in {CHECKSUMS}, so nobody vouches for it; {ADVICE}")
    for name, digest in expected.items():
        path = directory / name
        if not Path(os.path.realpath(path)).is_relative_to(root):
            raise UserError(f"{directory / CHECKSUMS} names {printable(name)}, which is not in the model; {ADVICE}")
        if not path.is_file():
            raise UserError(f"{path} is missing; {ADVICE}")
        if checksum(path) != digest:
            raise UserError(f"{path} is damaged: it has another checksum than {CHECKSUMS} says; {ADVICE}")


def checksum(path: Path) -> str:
    """SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
