"""Names of configurations and files that were others before: the earlier names are still read.

A configuration of a user (a file of the recipe, `--set`) gets a note with the present name. What an earlier version
wrote (config.yaml of an experiment, a checkpoint, an exported model) is read silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
# Earlier dotted key, below the present names of its groups -> present key.
KEYS: dict[str, str] = {
    "penalties": "C",
    "clip": "clip_features",
    "recogniser": "recognizer",
    "frames.every": "frames.stride",
    "frames.normalise_utterance": "frames.normalize_utterance",
    "frames.shortest": "frames.min_crop",
    "frames.longest": "frames.max_crop",
    "frames.frequency_width": "frames.max_frequency_mask_bins",
    "frames.time_width": "frames.max_time_mask_fraction",
    "augmentation.frequency_width": "augmentation.max_frequency_mask_bins",
    "augmentation.time_width": "augmentation.max_time_mask_fraction",
    "training.optimiser": "training.optimizer",
    "training.trunk_rate": "training.backbone_lr_scale",
    "backend.length_normalise": "backend.length_normalize",
}

# Files and directories: present name -> earlier name.
FILES: dict[str, str] = {
    "normalization.npz": "normalisation.npz",
    "optimizer.safetensors": "optimiser.safetensors",
    "recognizer": "recogniser",
    "recognizer.json": "recogniser.json",
}
# Keys of JSON and YAML files that the project writes: earlier -> present.
WRITTEN: dict[str, str] = {"optimiser": "optimizer", "recogniser": "recognizer", "deviation": "std"}
# Tensors of networks, by the last part of their names.
TENSORS: dict[str, str] = {"deviation": "std", "hidden_deviation": "hidden_std"}
EXTRACTORS: dict[str, str] = {"given": "precomputed", "given_vectors": "precomputed_vectors"}


def present_path(path: Path) -> Path:
    """The path; where only the same file under its earlier name is there, that one."""
    earlier = path.with_name(FILES.get(path.name, path.name))
    return earlier if earlier.exists() and not path.exists() else path


def present_content(value: Any) -> Any:
    """What was read from a file of the project, with the present names of its keys and extractors."""
    if isinstance(value, list):
        return [present_content(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {WRITTEN.get(key, key): present_content(item) for key, item in value.items()}
    if isinstance(found.get("extractor"), str):
        found["extractor"] = EXTRACTORS.get(found["extractor"], found["extractor"])
    return found


def present_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """What was read from a file of tensors, by their present names."""
    def present(name: str) -> str:
        group, dot, last = name.rpartition(".")
        return f"{group}{dot}{TENSORS.get(last, last)}"

    return {present(name): value for name, value in tensors.items()}


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
