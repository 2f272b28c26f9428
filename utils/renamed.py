"""Keys of configurations that had another name before: the earlier name is still read.

A configuration of a user (a file of the recipe, `--set`) gets a note with the present name. What an earlier version
wrote (config.yaml of an experiment, the identity in a checkpoint) is read silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Earlier dotted key, below the present names of its groups -> present key.
KEYS: dict[str, str] = {}


def present_key(key: str) -> str:
    """The present name of a dotted key: `training.optimiser.kind` -> `training.optimizer.kind`."""
    group, dot, name = key.rpartition(".")
    if dot:
        key = f"{present_key(group)}.{name}"
    return KEYS.get(key, key)


def renamed(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same plain configuration with the present names of its keys.

    Args:
        prefix: dotted key of `values` within the whole configuration, with a dot at its end; "" for the whole.
    """
    present = {}
    for key, value in values.items():
        name = present_key(f"{prefix}{key}")
        value = renamed(value, f"{name}.") if isinstance(value, Mapping) else value
        present[name.rpartition(".")[2]] = value
    return present
