"""Common classes of several corpora (conf/common_classes.yaml): which of its labels is which class, and which none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import UsageError
from utils.files import ROOT
from utils.names import plain_name

DEFAULT = ROOT / "conf" / "common_classes.yaml"
KEYS = ("classes", "corpora")

Labels = Mapping[str, str | None]  # label of a corpus -> common class; None: left out


@dataclass(frozen=True)
class ClassMap:
    """A file of maps: the common classes in their order, and name of a map -> its labels."""

    path: Path
    classes: tuple[str, ...]
    maps: Mapping[str, Labels]

    def name_of(self, corpus: str, called: str) -> str:
        """The map of a corpus: that of the name it has in the pool, else that of its own name.

        Raises:
            UsageError: there is neither; suggests the nearest.
        """
        for name in (called, corpus):
            if name in self.maps:
                return name
        raise UsageError(f"{self.path}: corpora has no map for {corpus}{_nearest(corpus, self.maps)}; add a line "
                         f"{corpus}: {{label: class, ...}}")

    def labels_of(self, name: str, labels: Iterable[str]) -> Labels:
        """The map `name`, which must have every one of `labels`.

        Raises:
            UsageError: it misses one.
        """
        known = self.maps[name]
        for label in labels:
            if label not in known:
                raise UsageError(f"{self.path}: the map of {name} misses the label {label!r} of the corpus"
                                 f"{_nearest(label, known)}; give it one of {', '.join(self.classes)}, or null, which "
                                 "leaves its utterances out")
        return known


def read_class_map(path: Path) -> ClassMap:
    """
    Raises:
        UsageError: no such file, or something in it that is no map; names file and key.
    """
    from utils.config import read_yaml

    if not path.is_file():
        raise UsageError(f"--map {path}: no such file")
    content = read_yaml(path)
    for key in content:
        if key not in KEYS:
            raise UsageError(f"{path}: unknown key {key}{_nearest(str(key), KEYS)}; it has classes and corpora")
    classes = content.get("classes")
    if isinstance(classes, list):
        classes = [plain_name(name) if isinstance(name, str) else name for name in classes]
    if not isinstance(classes, list) or len(classes) < 2 or not all(isinstance(name, str) for name in classes):
        raise UsageError(f"{path}: classes is {classes!r}; expected a list of two names or more")
    if len(set(classes)) != len(classes):
        raise UsageError(f"{path}: classes names one class twice: {', '.join(classes)}")
    corpora = content.get("corpora")
    if not isinstance(corpora, dict) or not corpora:
        raise UsageError(f"{path}: corpora is {corpora!r}; expected for each corpus a mapping of its labels")
    return ClassMap(path, tuple(classes), {str(name): _labels(path, name, labels, classes)
                                           for name, labels in corpora.items()})


def _labels(path: Path, name: Any, labels: Any, classes: list[str]) -> Labels:
    where = f"{path}: corpora.{name}"
    if not isinstance(labels, dict) or not labels:
        raise UsageError(f"{where} is {labels!r}; expected a mapping {{label: class, ...}}")
    found: dict[str, str | None] = {}
    for label, common in labels.items():
        if not isinstance(label, str):
            raise UsageError(f"{where}: the label {label!r} is no text for YAML; put it between quotes")
        common = plain_name(common) if isinstance(common, str) else common
        if common is not None and common not in classes:
            raise UsageError(f"{where}.{label} is {common!r}, which is no common class"
                             f"{_nearest(str(common), classes)}; accepted: {', '.join(classes)}, or null")
        if found.setdefault(plain_name(label), common) != common:
            raise UsageError(f"{where}: the label {label} comes in two spellings, as {found[plain_name(label)]} and as "
                             f"{common}; remove one")
    return found


def map_votes(votes: Mapping[str, float], labels: Labels) -> dict[str, float]:
    """Annotators' votes on the common classes: those for one class are added, others are left out."""
    found: dict[str, float] = {}
    for label, number in votes.items():
        common = labels.get(label)
        if common is not None:
            found[common] = found.get(common, 0) + number
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" (the nearest is {near[0]})" if near else ""
