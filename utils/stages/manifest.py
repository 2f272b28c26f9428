"""What inputs are made of, as a manifest (cuts.jsonl.gz) tells it.

Of sound: which utterances there are, the recording of each, start and end; and size and time of
every file of sound or of features. Of images: size and time of their files. Labels, speakers and
text are left out, so that a corrected label makes no stage compute features again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

TEXT = "supervisions"
"""What of a cut says nothing of its sound."""
IMAGES = "images"
"""The field of an utterance with the file of its images."""
NO_MANIFEST = (OSError, EOFError, ValueError, AttributeError, TypeError, KeyError)


def sound(path: str) -> str | None:
    """Counts and hashes of what a manifest says of sound, in two halves with `; ` between: files, utterances.

    Returns:
        None of what is no manifest.
    """
    lines, files, count = hashlib.sha256(), Files(), 0
    try:
        for cut in _cuts(path):
            for name in _sounds(cut):
                files.add(name)
            cut.pop(TEXT, None)
            lines.update(json.dumps(cut, sort_keys=True).encode())
            count += 1
    except NO_MANIFEST:
        return None
    return f"{files}; {count} utterances, {lines.hexdigest()[:24]}"


def images(path: str) -> str | None:
    """Count and hash of the files of images that a manifest names; None of what is no manifest."""
    files = Files()
    try:
        for cut in _cuts(path):
            for about in cut[TEXT]:
                if name := (about.get("custom") or {}).get(IMAGES):
                    files.add(name)
    except NO_MANIFEST:
        return None
    return str(files)


class Files:
    """Number, bytes and a hash over name, size and time of files; each counts once."""

    def __init__(self) -> None:
        self.digest, self.known, self.there, self.size = hashlib.sha256(), set[str](), 0, 0

    def add(self, name: str) -> None:
        if name in self.known:
            return
        self.known.add(name)
        about = _about(name)
        self.digest.update(os.fsencode(name) + repr(about).encode())
        self.there, self.size = self.there + bool(about), self.size + (about[0] if about else 0)

    def __str__(self) -> str:
        return f"{self.there} files, {self.size} bytes, {self.digest.hexdigest()[:24]}"


def _cuts(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def _sounds(cut: dict[str, Any]) -> Iterator[str]:
    """The files of a cut that hold sound or features."""
    for source in (cut.get("recording") or {}).get("sources", ()):
        yield source["source"]
    features = cut.get("features")
    if features:
        yield os.path.join(features["storage_path"], features["storage_key"])


def _about(name: str) -> tuple[int, int] | None:
    """Size and time of a file; None if it is gone."""
    try:
        about = os.stat(name)
    except (OSError, ValueError):
        return None
    return about.st_size, about.st_mtime_ns
