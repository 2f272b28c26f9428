"""Directories that users bring, looked through as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def walk(directory: str | Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(place, directories, names) as `os.walk` gives them, through links to directories, too: each directory once,
    wherever links lead in circles. Who takes names out of `directories` does not go there."""
    seen = {os.path.realpath(directory)}
    for place, directories, names in os.walk(directory, followlinks=True):
        fresh = []
        for name in sorted(directories):
            real = os.path.realpath(os.path.join(place, name))
            if real not in seen:
                seen.add(real)
                fresh.append(name)
        directories[:] = fresh
        yield place, directories, names


def files_below(directory: str | Path, suffix: str = "") -> list[Path]:
    """The regular files below a directory with these name endings, sorted."""
    return sorted(path for place, _, names in walk(directory) for name in names
                  if name.endswith(suffix) and (path := Path(place, name)).is_file())
