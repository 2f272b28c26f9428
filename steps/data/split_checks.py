"""Checks of splits: faults that refuse them, warnings that validation prints, sizes of their parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from steps.data.splits import Split
from utils.corpus import PARTS, Target
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.data.dataset import Item


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
