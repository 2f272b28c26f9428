"""Splits: for each protocol a table `id  fold  part` and a description; read, written whole, and checked."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.corpus import OF, PARTS, Protocol, Target
from utils.errors import UserError
from utils.files import atomic_directory, read_exact_text, read_json, write_json, write_text
from utils.shape import OneOf

if TYPE_CHECKING:
    from steps.data.dataset import Item

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


def check_split(split: Split, items: Mapping[str, Item], of: Sequence[str] = (),
                learned: str = "emotion") -> None:
    """
    Args:
        items: the data set's. of: of `wholes`. learned: the field without which train and dev are of no use.

    Raises:
        UserError: the first of its faults; see `faults_of_split`.
    """
    if fault := next(iter(faults_of_split(split, items, of, learned)), ""):
        raise UserError(fault)


def faults_of_split(split: Split, items: Mapping[str, Item], of: Sequence[str] = (),
                    learned: str = "emotion") -> list[str]:
    """A line for each fault: an id that does not exist, a wrong part, an id, dialogue or session in
    two parts, a speaker in two parts (unless the protocol says so), a part of a fold without
    utterances, train or dev without labels."""
    if not split.parts:
        return [f"protocol {split.name}: it has no folds"]
    return [f"protocol {split.name}, fold {fold}: {fault}" for fold in split.folds
            for fault in _faults_of_fold(split.parts[fold], split.speaker_overlap, items, of, learned)]


def _faults_of_fold(parts: Mapping[str, list[str]], overlap: bool, items: Mapping[str, Item],
                    of: Sequence[str], learned: str) -> Iterator[str]:
    part_of: dict[str, str] = {}
    for part, ids in parts.items():
        if part not in PARTS:
            yield f"{part!r} is no part; parts are {', '.join(PARTS)}"
            continue
        for key in ids:
            if key not in items:
                yield f"{key!r} is no utterance of the data set"
            elif key in part_of:
                yield f"{key} is in {part_of[key]} and in {part}"
            else:
                part_of[key] = part
    for part in PARTS:
        if not (ids := parts.get(part, ())):
            yield f"the part {part} has no utterance"
        elif part != "test" and all(items[key].fields.get(learned) is None for key in ids if key in items):
            yield f"the part {part} has no labelled utterance; only test may be unlabelled"
    for name in of:
        yield from _not_apart(part_of, lambda key, name=name: items[key].fields[name], name,
                              f"a target has one value a {name}, so none is divided")
    if not overlap:
        yield from _not_apart(part_of, lambda key: items[key].speaker, "speaker",
                              "move the speaker to one part, or declare speaker_overlap in the protocol")


def _not_apart(part_of: Mapping[str, str], group_of: Callable[[str], str | None], what: str,
               advice: str) -> Iterator[str]:
    """A line for each group that is in two parts."""
    first: dict[str, str] = {}
    told: set[str] = set()
    for key, part in sorted(part_of.items()):
        group = group_of(key)
        if group is None:
            continue
        other = first.setdefault(group, key)
        if part_of[other] != part and group not in told:
            told.add(group)
            yield f"{what} {group} is in {part_of[other]} ({other}) and in {part} ({key}); {advice}"


def shares_test_speakers(split: Split, items: Mapping[str, Item]) -> bool:
    """Whether a speaker of some test part is in train or dev, too, or may be, because speakers are not known."""
    for fold in split.folds:
        tested, learned = ({items[key].speaker for part in parts for key in split.ids(fold, part)}
                           for parts in (("test",), ("train", "dev")))
        if None in tested | learned or tested & learned:
            return True
    return False


def describe_split(split: Split, items: Mapping[str, Item],
                   target: Target) -> tuple[list[dict[str, Any]], list[str]]:
    """Sizes of every fold's parts, and a warning for each class that a part lacks, and for dialogues in two parts."""
    folds, warnings = [], []
    for fold in split.folds:
        sizes: dict[str, Any] = {"fold": fold}
        for part in PARTS:
            ids = split.ids(fold, part)
            sizes[part] = len(ids)
            sizes[f"{part}_speakers"] = sorted({items[key].speaker for key in ids} - {None})
            there = {items[key].value(target) for key in ids}
            absent = [name for name in target.classes if name not in there]
            if there == {None}:
                warnings.append(f"protocol {split.name}, fold {fold}: {part} has no labels: scores, but no metrics")
            elif absent:
                warnings.append(f"protocol {split.name}, fold {fold}: {part} has no {', '.join(absent)}")
        divided = _divided_dialogues(split, fold, items)
        if divided:
            warnings.append(f"protocol {split.name}, fold {fold}: {len(divided)} dialogues lie in two parts: "
                            f"{', '.join(divided[:3])}{' ...' if len(divided) > 3 else ''}")
        folds.append(sizes)
    return folds, warnings


def _divided_dialogues(split: Split, fold: int, items: Mapping[str, Item]) -> list[str]:
    parts: dict[str, set[str]] = defaultdict(set)
    for part in PARTS:
        for key in split.ids(fold, part):
            if items[key].dialogue is not None:
                parts[str(items[key].dialogue)].add(part)
    return sorted(name for name, places in parts.items() if len(places) > 1)


def write_splits(data: Path, splits: Sequence[Split]) -> None:
    """Write `data`/splits as a whole: protocols of an earlier preparation do not stay."""
    with atomic_directory(data / SPLITS) as directory:
        for split in splits:
            lines = [f"{key}\t{fold}\t{part}\n"
                     for fold in split.folds for part in PARTS for key in split.ids(fold, part)]
            write_text(directory / f"{split.name}.tsv", "id\tfold\tpart\n" + "".join(lines))
            write_json(directory / f"{split.name}.json", dict(split.info))
