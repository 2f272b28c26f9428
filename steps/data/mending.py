"""Preparation's answer to the same sound under several ids (steps/data/same_sound.py): automatic folds keep it whole,
and on demand duplicates are left out, and speakers who share recordings are made one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.groups import connected

if TYPE_CHECKING:
    from steps.data.dataset import Item
    from steps.data.same_sound import Group
    from utils.corpus import Row

SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """drop: leave duplicates out. merge: make speakers who share recordings one."""

    drop: bool = False
    merge: bool = False


@dataclass
class Mending:
    """What was done.

    Attributes:
        kept: groups of the same sound that stay. dropped: ids that are left out. merged: speaker -> the one that he is
            taken for.
    """

    kept: list[Group] = field(default_factory=list)

    dropped: set[str] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """For the warnings of the data set."""
        notes = []
        if self.dropped:
            shown = ", ".join(sorted(self.dropped)[:SHOWN]) + (" ..." if len(self.dropped) > SHOWN else "")
            notes.append(f"{len(self.dropped)} duplicates are left out: {shown}")
        if self.merged:
            notes.append("speakers taken as one, since they share recordings: "
                         + ", ".join(f"{other} = {one}" for other, one in sorted(self.merged.items())))
        return notes


def hear(items: Mapping[str, Item], nj: int) -> list[Group]:
    """Groups of the same sound; what cannot be decoded is left out here, and told by validation."""
    from steps.data.audio import read_audio
    from steps.data.duplicates import find_identical
    from steps.data.listen import listen
    from steps.data.same_sound import find_same

    prints = {key: result.print for key, result in listen(items, nj).items() if result.print is not None}
    identical = find_identical(prints,
                               lambda key: read_audio(items[key].path, items[key].start, items[key].duration)[0])
    return find_same(items, prints, identical)


def mend(rows: Sequence[Row], groups: Sequence[Group], items: Mapping[str, Item],
         asked: Asked, learned: str = "emotion") -> tuple[list[Row], Mending]:
    """The rows with their groups, without duplicates and with merged speakers as it is asked.

    Dropped is all but one of a group with one label, or none; where labels differ nobody knows which is right, and the
    group stays. Overlapping segments are no duplicates.
    """
    done = Mending()
    if asked.drop:
        for group in groups:
            labels = {key: value for key in group.ids if (value := items[key].fields.get(learned)) is not None}
            if group.how != "overlapping" and len(set(labels.values())) <= 1:
                done.dropped |= set(group.ids) - {next(iter(labels or group.ids))}
    if asked.merge:
        pairs = [(one, other) for group in groups for one in speakers(group, items) for other in speakers(group, items)]
        for one, *others in connected(pairs):
            done.merged |= dict.fromkeys(others, one)
    done.kept = [group for group in groups if len(set(group.ids) - done.dropped) > 1]
    group_of = {key: group.ids[0] for group in groups for key in group.ids}
    return [dataclasses.replace(row, group=group_of.get(row.id, ""), fields=merged_fields(row, done.merged))
            for row in rows if row.id not in done.dropped], done


def speakers(group: Group, items: Mapping[str, Item]) -> list[str]:
    return sorted({speaker for key in group.ids if (speaker := items[key].speaker) is not None})


def merged_fields(row: Row, merged: Mapping[str, str]) -> Mapping[str, object]:
    speaker = row.speaker
    return row.fields if speaker not in merged else {**row.fields, "speaker": merged[speaker]}


def mended_cuts(cuts: Iterable[dict[str, Any]], done: Mending) -> list[dict[str, Any]]:
    """The cuts that stay, with the merged speakers."""
    kept = [cut for cut in cuts if cut["id"] not in done.dropped]
    for cut in kept:
        supervision = cut["supervisions"][0]
        if (speaker := supervision.get("speaker")) in done.merged:
            supervision["speaker"] = done.merged[speaker]
    return kept
