"""What features are made of, as a manifest (cuts.jsonl.gz) tells it: which utterances there are, the recording of each,
start and end; and size and time of every file that it names. Labels, speakers and text are left out, so that a
corrected label makes no stage compute features again.
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


def sound(path: str) -> str | None:
    """Counts and hashes of what a manifest says of sound, in two halves with `; ` between: files, utterances.

    Returns:
        None of what is no manifest.
    """
    lines, files, count, there, size = hashlib.sha256(), hashlib.sha256(), 0, 0, 0
    known: set[str] = set()
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                cut = json.loads(line)
                cut.pop(TEXT, None)
                lines.update(json.dumps(cut, sort_keys=True).encode())
                count += 1
                for name in _named(cut):
                    if name in known:
                        continue
                    known.add(name)
                    about = _about(name)
                    files.update(os.fsencode(name) + repr(about).encode())
                    there, size = there + bool(about), size + (about[0] if about else 0)
    except (OSError, EOFError, ValueError, AttributeError, TypeError, KeyError):
        return None
    return f"{there} files, {size} bytes, {files.hexdigest()[:24]}; {count} utterances, {lines.hexdigest()[:24]}"


def _named(cut: dict[str, Any]) -> Iterator[str]:
    """The files of a cut."""
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
