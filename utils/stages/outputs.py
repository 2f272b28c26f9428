"""What a stage wrote: its record, whether it is still whole, and how it makes room for a new run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator

IGNORED_DIRECTORIES = ("log", "checkpoint", ".done")
"""Directories inside an output that may change without making it another one."""


def files_below(directory: str, everything: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    """Files below a directory as (relative path, stat), sorted.

    Args:
        everything: also what records ignore: log/, checkpoint/, .done/, hidden names, *.old, *.tmp.
    """
    stack = [""]
    found = []
    while stack:
        inner = stack.pop()
        with os.scandir(os.path.join(directory, inner)) as entries:
            for entry in entries:
                name = entry.name
                path = f"{inner}/{name}" if inner else name
                if not everything and (name.startswith(".") or name.endswith((".old", ".tmp"))):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if everything or name not in IGNORED_DIRECTORIES:
                        stack.append(path)
                    continue
                try:
                    found.append((path, entry.stat()))
                except OSError:  # a link to nowhere
                    continue
    yield from sorted(found, key=lambda item: item[0])


def record(path: str) -> dict[str, int] | None:
    """Sizes of the files of an output in bytes; None if it is not there."""
    if os.path.isdir(path):
        return {name: stat.st_size for name, stat in files_below(path)}
    try:
        return {"": os.stat(path).st_size}
    except OSError:
        return None


def damage(path: str, recorded: dict[str, int]) -> str | None:
    """In plain words, how an output differs from its record; None if it is whole. Additional files do not matter."""
    found = record(path)
    if found is None:
        return f"output {path} is missing"
    for name, size in recorded.items():
        where = f"{path}/{name}" if name else path
        if name not in found:
            return f"output {where} is missing"
        if found[name] != size:
            return f"output {where} has {found[name]} bytes, had {size} when it was made"
    return None


def move_away(paths: Iterable[str]) -> list[str]:
    """Move each output to `<path>.old` (replacing an older one); return the new names."""
    moved = []
    for path in paths:
        path = path.rstrip("/")
        if not os.path.lexists(path):
            continue
        old = f"{path}.old"
        if os.path.isdir(old) and not os.path.islink(old):
            shutil.rmtree(old)
        elif os.path.lexists(old):
            os.unlink(old)
        os.rename(path, old)
        moved.append(old)
    return moved
