"""Utterances that have the same sound, whatever they are called: found, judged against the splits, and listed.

    identical   the same samples, or but for the rounding or dither of a conversion (steps/data/duplicates.py)
    alike       the same but for gain, a shift, cut ends or another encoding (steps/data/fingerprint.py, which says what
                it can find and what not)
    overlapping segments of one recording with half of the longer one or more in common (steps/data/recordings.py)

The same sound in two parts of a fold is refused: a model would be tested on what it was trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.groups import connected

if TYPE_CHECKING:
    from steps.data.dataset import Item
    from steps.data.duplicates import Print
    from steps.data.splits import Split

LIST = "duplicates.tsv"
SHOWN = 5  # groups that are printed; the list has all
HOW = ("identical", "alike", "overlapping")
MEND = "--drop-duplicates true or --merge-speakers true (options of steps/prepare_data.sh and of recipes)"


@dataclass(frozen=True)
class Group:
    """Sorted ids of one sound; how: one of HOW, the weakest link between them."""

    ids: tuple[str, ...]
    how: str

    def describe(self, what: str) -> str:
        """`what`: "audio", "features" or "images"."""
        return {"identical": f"identical {what}", "alike": "the same sound (but for gain, a shift or an encoding)",
                "overlapping": "overlapping segments of one recording"}[self.how]


def find_same(items: Mapping[str, Item], prints: Mapping[str, Print],
              identical: Sequence[Sequence[str]]) -> list[Group]:
    """Every group of two utterances or more.

    Args:
        prints: of those that could be decoded (steps/data/listen.py). identical: groups of duplicates.find_identical.
    """
    from steps.data.fingerprint import alike
    from steps.data.recordings import overlapping

    first_of = {key: group[0] for group in identical for key in group}
    heard = {key: sound for key, seen in sorted(prints.items())
             if (sound := seen.sound) is not None and sound.comparable and first_of.get(key, key) == key}
    names = list(heard)
    near = [(names[i], names[j]) for i, j in alike(list(heard.values()))]
    cut = [pair for pair in overlapping(items.values())
           if first_of.get(pair[0], pair[0]) != first_of.get(pair[1], pair[1])]
    equal = [(group[0], key) for group in identical for key in group[1:]]
    weakest = {key: how for how, pairs in zip(HOW, (equal, near, cut), strict=True) for pair in pairs for key in pair}
    return [Group(tuple(ids), max((weakest[key] for key in ids), key=HOW.index))
            for ids in connected([*equal, *near, *cut])]


def judge(groups: Sequence[Group], splits: Sequence[Split], items: Mapping[str, Item],
          learned: str = "emotion", what: str = "audio") -> tuple[list[str], list[str]]:
    """
    Args:
        learned: the field that says whether labels differ.
        what: "audio", "features" or "images", for the messages.

    Returns:
        problems: groups that some fold has in two parts; warnings: what else is to be said. One line each.
    """
    folds = [(split.name, fold, {key: part for part, ids in split.parts[fold].items() for key in ids})
             for split in splits for fold in split.folds] if groups else []
    problems, within = [], []
    for group in groups:
        across = next(((name, fold, part_of) for name, fold, part_of in folds
                       if len({part_of[key] for key in group.ids if key in part_of}) > 1), None)
        if across is None:
            within.append(f"{group.describe(what)} under {len(group.ids)} ids: {', '.join(group.ids)}")
        else:
            name, fold, part_of = across
            places = ", ".join(f"{key} ({part_of[key]})" for key in group.ids if key in part_of)
            problems.append(f"{group.describe(what)} in two parts of protocol {name}, fold {fold}: {places}")
    more = [f"{len(within) - SHOWN} more of the same sound"] if len(within) > SHOWN else []
    return problems, [*within[:SHOWN], *more, *same_speakers(groups, items), *other_labels(groups, items, learned)]


def same_speakers(groups: Sequence[Group], items: Mapping[str, Item]) -> list[str]:
    """A line for every two speakers that have recordings in common."""
    number = Counter(item.speaker for item in items.values())
    shared = Counter(pair for group in groups for pair in speaker_pairs(group, items))
    lines = []
    for (one, other), count in sorted(shared.items()):
        fewer = min(number[one], number[other])
        lines.append(f"speaker {one} = {other}: {count} of their {fewer} recordings are the same" if 2 * count >= fewer
                     else f"speakers {one} and {other} have {count} recording{'s' * (count > 1)} in common")
    return lines


def speaker_pairs(group: Group, items: Mapping[str, Item]) -> list[tuple[str, str]]:
    """Every two different speakers of a group, sorted."""
    names = sorted({speaker for key in group.ids if (speaker := items[key].speaker) is not None})
    return [(one, other) for place, one in enumerate(names) for other in names[place + 1:]]


def other_labels(groups: Sequence[Group], items: Mapping[str, Item], learned: str) -> list[str]:
    """A line where the same sound has different labels."""
    differing = [group for group in groups if len({items[key].fields.get(learned) for key in group.ids}) > 1]
    if not differing:
        return []
    shown = "; ".join(", ".join(f"{key} ({items[key].fields.get(learned)})" for key in group.ids)
                      for group in differing[:SHOWN])
    return [f"{len(differing)} group{'s' * (len(differing) > 1)} of the same sound with different labels: {shown}"
            + (" ..." if len(differing) > SHOWN else "")]


def listed(groups: Sequence[Group], items: Mapping[str, Item], learned: str = "emotion") -> str:
    """duplicates.tsv: every group, one utterance a line."""
    lines = ["group\tid\tsound\tspeaker\tlabel\tstart\trecording"]
    for number, group in enumerate(groups, start=1):
        for key in group.ids:
            item = items[key]
            value = item.fields.get(learned)
            label = value if isinstance(value, (str, float)) else "-"
            lines.append("\t".join((str(number), key, group.how, item.speaker or "-", str(label), f"{item.start:g}",
                                    ascii(item.path or "-")[1:-1])))
    return "\n".join(lines) + "\n"
