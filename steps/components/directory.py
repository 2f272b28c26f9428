"""The directory of an exported model: which file is what, and whether all of them are as they were written.

    model.yaml              what it is: classes, subsystems, what it was trained on, versions; written by export.py
    subsystems/<name>/      of each its config.yaml, metrics.json (calibration, prior), model.*, normalization.npz
    fusion/model.json       weights; only there where several subsystems are fused (of further tracks
                            fusion/model.<target>.json)
    features/<name>.yaml    options of an extractor
    ivectors/<name>/        an i-vector extractor
    recognizer/             transcribes, and tells the phone states of an i-vector extractor
    trained_on.json         speakers and recordings that it has seen, for the leak audit of what starts from it
    checksums.json          {file: SHA-256} of all others
    README.md

Arrays lie in safetensors and npz files, everything else is text; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from utils.config import read_yaml
from utils.errors import UserError
from utils.files import read_json, write_json
from utils.printable import printable
from utils.renamed import FILES, present_content
from utils.shape import NAME, Maybe, Number, OneOf
from utils.shape import check as check_shape

ABOUT, CHECKSUMS, README = "model.yaml", "checksums.json", "README.md"
TRAINED_ON = "trained_on.json"  # see steps/data/trained_on.py
SUBSYSTEMS, FUSION, FEATURES, IVECTORS, RECOGNIZER = "subsystems", "fusion", "features", "ivectors", "recognizer"
AVERAGE = "average_speaker.npz"  # of a subsystem with per-speaker normalization
FORMAT = 1
ROOMS, ARRAYS = (SUBSYSTEMS, FUSION, FEATURES, IVECTORS, RECOGNIZER, FILES[RECOGNIZER]), (".npz", ".safetensors")
ADVICE = "copy the model again, or export it again with steps/export.sh"
FORM = {  # of model.yaml
    "name": str, "label": str, "classes": [NAME], "tracks?": [NAME], "fusion": bool, "marks?": [str],
    "trained_on?": {str: Any},
    "subsystems": {NAME: {"kind": NAME, "variant": str, "features": Maybe(NAME)}},
    "features": {NAME: {"kind": OneOf("utterance", "frames"), "dim": Number(1, 10**6, whole=True), "version": str,
                        "options": {str: Any}}},
    "recognizer?": Maybe({"decoding": {str: Any}, "features": {str: Any}})}


def read_about(directory: Path) -> dict[str, Any]:
    """model.yaml.

    Raises:
        UserError: no model there, one of another format, or one with an incomplete description.
    """
    path = directory / ABOUT
    if not path.is_file():
        raise UserError(f"{directory} is no exported model ({ABOUT} is missing); make one with steps/export.sh", 2)
    about = present_content(read_yaml(path))
    if about.get("format") != FORMAT:
        raise UserError(f"{path} has format {about.get('format')!s:.20}; this version reads {FORMAT}")
    check_shape(about, FORM, path, ADVICE)
    classes, members = about["classes"], about["subsystems"]
    if (not classes and not about.get("tracks")) or len(set(classes)) < len(classes):
        raise UserError(f"{path}: classes are missing, or one comes twice; {ADVICE}")
    if not members or (len(members) > 1 and not about["fusion"]):
        raise UserError(f"{path}: {len(members)} subsystems and no fusion; {ADVICE}")
    for name, told in members.items():
        if told["features"] is not None and told["features"] not in about["features"]:
            raise UserError(f"{path}: {name} reads {told['features']}, which features does not describe; {ADVICE}")
    return about


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
