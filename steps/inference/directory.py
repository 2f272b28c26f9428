"""The directory of an exported model: which file is what, and whether all of them are as they were written.

    model.yaml              what it is: classes, subsystems, what it was trained on, versions; written by export.py
    subsystems/<name>/      of each its config.yaml, metrics.json (calibration, prior), model.*, normalisation.npz
    fusion/model.json       weights; only there where several subsystems are fused
    features/<name>.yaml    options of an extractor
    ivectors/<name>/        an i-vector extractor
    recogniser/             transcribes, and tells the phone states of an i-vector extractor
    trained_on.json         speakers and recordings that it has seen, for the leak audit of what starts from it
    checksums.json          {file: SHA-256} of all others
    README.md

Arrays lie in safetensors and npz files, everything else is text; nothing is pickled.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from utils.config import read_yaml
from utils.errors import UserError
from utils.files import read_json, write_json

ABOUT, CHECKSUMS, README = "model.yaml", "checksums.json", "README.md"
SUBSYSTEMS, FUSION, FEATURES, IVECTORS, RECOGNISER = "subsystems", "fusion", "features", "ivectors", "recogniser"
AVERAGE = "average_speaker.npz"  # of a subsystem with per-speaker normalisation
FORMAT = 1
KEYS = ("name", "classes", "subsystems", "features", "fusion")  # of model.yaml, without which nothing can be done
ADVICE = "copy the model again, or export it again with steps/export.sh"


def read_about(directory: Path) -> dict[str, Any]:
    """model.yaml.

    Raises:
        UserError: no model there, or one of another format.
    """
    if not (directory / ABOUT).is_file():
        raise UserError(f"{directory} is no exported model ({ABOUT} is missing); make one with steps/export.sh", 2)
    about = read_yaml(directory / ABOUT)
    if about.get("format") != FORMAT:
        raise UserError(f"{directory / ABOUT} has format {about.get('format')}; this version reads {FORMAT}")
    if missing := [key for key in KEYS if key not in about]:
        raise UserError(f"{directory / ABOUT} has no key {missing[0]}; {ADVICE}")
    return about


def write_checksums(directory: Path) -> None:
    """checksums.json over every other file below `directory`."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != directory / CHECKSUMS)
    write_json(directory / CHECKSUMS, {path.relative_to(directory).as_posix(): checksum(path) for path in files})


def check(directory: Path) -> None:
    """
    Raises:
        UserError: a file is missing or is not what was written, or arrays came in; names the first.
    """
    try:
        expected = dict(read_json(directory / CHECKSUMS))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{directory / CHECKSUMS} is missing or damaged; {ADVICE}") from error
    arrays = [path for pattern in ("*.safetensors", "*.npz") for path in directory.rglob(pattern)]
    for path in (directory / ABOUT, *arrays):
        if path.relative_to(directory).as_posix() not in expected:
            raise UserError(f"{path} is not in {CHECKSUMS}, so nobody vouches for it; {ADVICE}")
    for name, digest in expected.items():
        path = directory / name
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
