"""Splits: for each protocol a table `id  fold  part` and a description; read, and written whole."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.corpus import OF, PARTS, Protocol, Target
from utils.errors import UserError
from utils.files import atomic_directory, read_exact_text, read_json, write_json, write_text
from utils.shape import OneOf

SPLITS = "splits"
ABOUT = {"description?": str, "speaker_overlap?": bool, "context?": OneOf("dialogue")}  # of <protocol>.json


@dataclass(frozen=True)
class Split:
    """The folds of one protocol."""

    name: str
    parts: Mapping[int, Mapping[str, list[str]]]  # fold -> part -> sorted ids
    description: str = ""
    speaker_overlap: bool = False
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> str:
        """"dialogue" where a subsystem may read the utterances of a dialogue that are in other parts; else ""."""
        return str(self.info.get("context", ""))

    @property
    def folds(self) -> list[int]:
        return sorted(self.parts)

    def ids(self, fold: int, part: str) -> list[str]:
        """Sorted utterance ids.

        Raises:
            UserError: no such fold or part.
        """
        if fold not in self.parts:
            raise UserError(f"protocol {self.name} has no fold {fold}; it has {', '.join(map(str, self.folds))}", 2)
        if part not in PARTS:
            raise UserError(f"protocol {self.name}: {part!r} is no part; parts are {', '.join(PARTS)}", 2)
        return list(self.parts[fold].get(part, ()))


def read_split(path: Path) -> Split:
    """Read `<protocol>.tsv` and the `.json` beside it.

    Raises:
        UserError: naming file and line.
    """
    parts: dict[int, dict[str, list[str]]] = {}
    seen: set[tuple[str, str]] = set()
    header, *lines = read_exact_text(path).split("\n")
    if header.split("\t") != ["id", "fold", "part"]:
        raise UserError(f"{path}: the first line must be: id<tab>fold<tab>part")
    if lines[-1:] != [""]:
        raise UserError(f"{path}: its last line is cut off; run steps/prepare_data.sh again")
    for number, line in enumerate(lines[:-1], start=2):
        cells = line.split("\t")
        if len(cells) != 3 or not re.fullmatch("[0-9]{1,6}", cells[1]) or cells[2] not in PARTS:
            raise UserError(f"{path}, line {number}: expected id, fold number and one of {', '.join(PARTS)}; "
                            f"found {line.rstrip()!r}")
        if (cells[0], cells[1]) in seen:
            raise UserError(f"{path}, line {number}: {cells[0]} occurs twice in fold {cells[1]}")
        seen.add((cells[0], cells[1]))
        parts.setdefault(int(cells[1]), {}).setdefault(cells[2], []).append(cells[0])
    if not parts:
        raise UserError(f"{path}: it has no utterance; run steps/prepare_data.sh again")
    for fold in parts.values():
        for ids in fold.values():
            ids.sort()
    about = path.with_suffix(".json")
    info = read_json(about, ABOUT, "run steps/prepare_data.sh again") if about.is_file() else {}
    return Split(path.stem, parts, info.get("description", ""), bool(info.get("speaker_overlap", False)), info)


def split_of_protocol(protocol: Protocol, of: Sequence[str], speakers_known: bool) -> Split:
    """A corpus module's protocol as a Split.

    Args:
        of: of `wholes`.
    """
    parts = {}
    for number, fold in enumerate(protocol.folds, start=1):
        by_part: dict[str, list[str]] = defaultdict(list)
        for key, part in fold.items():
            by_part[part].append(key)
        parts[number] = {part: sorted(ids) for part, ids in by_part.items()}
    info = {"name": protocol.name, "description": protocol.description, "folds": len(parts),
            "speaker_overlap": protocol.speaker_overlap, "whole": list(of), "speakers_known": speakers_known,
            **({"random": True} if protocol.random else {}),
            **({"context": protocol.context} if protocol.context else {})}
    return Split(protocol.name, parts, protocol.description, protocol.speaker_overlap, info)


def wholes(targets: Iterable[Target]) -> list[str]:
    """What no split may divide, since it has one value of a target: "dialogue", "session"."""
    return [of for of in OF[1:] if of in {target.of for target in targets}]


def usable_folds(protocol: Protocol, labelled: set[str]) -> Protocol:
    """The protocol without folds that lack a part: for a choice of utterances (--size tiny)."""
    def labelled_parts(fold: Mapping[str, str]) -> set[str]:
        return {part for key, part in fold.items() if key in labelled}

    # Test labels may be kept back by those who published the corpus, but then in every fold.
    needed = {"train", "dev"}.union(*map(labelled_parts, protocol.folds))
    folds = [fold for fold in protocol.folds if labelled_parts(fold) == needed and set(fold.values()) == set(PARTS)]
    return dataclasses.replace(protocol, folds=folds)


def write_splits(data: Path, splits: Sequence[Split]) -> None:
    """Write `data`/splits as a whole: protocols of an earlier preparation do not stay."""
    with atomic_directory(data / SPLITS) as directory:
        for split in splits:
            lines = [f"{key}\t{fold}\t{part}\n"
                     for fold in split.folds for part in PARTS for key in split.ids(fold, part)]
            write_text(directory / f"{split.name}.tsv", "id\tfold\tpart\n" + "".join(lines))
            write_json(directory / f"{split.name}.json", dict(split.info))
