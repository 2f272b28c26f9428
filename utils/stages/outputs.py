"""What a stage wrote: its record, whether it is still whole, and how it makes room for a new run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator

OLD, PARTIAL = ".old", ".partial"
"""What a new run finds in its place moves to one of these names: a whole output to the first, any other to the second,
so that a second interrupted try never costs what was finished."""

IGNORED_DIRECTORIES = ("log", "checkpoint", ".done")
"""Directories inside an output that may change without making it another one."""


def files_below(directory: str, everything: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    """Files below a directory as (relative path, stat), sorted.

    Args:
        everything: also what records ignore: log/, checkpoint/, .done/, hidden names, *.old, *.partial, *.tmp; and
            what lies behind links to directories, each directory once, wherever links lead in circles.
    """
    stack, found = [""], []
    seen = {_identity(os.stat(directory))}
    while stack:
        inner = stack.pop()
        with os.scandir(os.path.join(directory, inner)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name
                path = f"{inner}/{name}" if inner else name
                if not everything and (name.startswith(".") or name.endswith((OLD, PARTIAL, ".tmp"))):
                    continue
                try:
                    if not entry.is_dir(follow_symlinks=everything):
                        found.append((path, entry.stat()))
                    elif not everything:
                        stack += [path] if name not in IGNORED_DIRECTORIES else []
                    elif (identity := _identity(entry.stat())) not in seen:
                        seen.add(identity)
                        stack.append(path)
                except OSError:  # a link to nowhere, or one in a circle
                    continue
    yield from sorted(found, key=lambda item: item[0])


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


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


def move_away(paths: Iterable[str], suffix: str) -> list[str]:
    """Move each output to `<path><suffix>` (replacing what is there); return the new names."""
    moved = []
    for path in paths:
        path = path.rstrip("/")
        if not os.path.lexists(path):
            continue
        there = f"{path}{suffix}"
        if os.path.isdir(there) and not os.path.islink(there):
            shutil.rmtree(there)
        elif os.path.lexists(there):
            os.unlink(there)
        os.rename(path, there)
        moved.append(there)
    return moved
