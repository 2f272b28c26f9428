"""The corpora of a pooled data set (steps/data/pool.py): opened, each with its map and protocol, and held against each
other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.errors import UsageError, UserError

if TYPE_CHECKING:
    from steps.data.class_map import ClassMap, Labels
    from steps.data.dataset import Dataset, Item
    from steps.data.splits import Split

NAME = re.compile(r"\w[\w-]*")


@dataclass
class Member:
    """One corpus of the pool.

    Attributes:
        labels: its label -> common class. kept: utterance -> name in the pool. left_out: label, or "-" -> utterances.
    """

    name: str
    data: Dataset
    map_name: str
    labels: Labels
    own: Split
    kept: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def open_members(words: Sequence[str], classes: ClassMap, protocols: str) -> list[Member]:
    """The corpora, each with its map and its own protocol.

    Raises:
        UsageError, UserError: one corpus only, a name twice, another target, no map, a label without a class, no
            such protocol.
    """
    from steps.data.dataset import Dataset

    if len(words) < 2:
        raise UsageError(f"one data set, {words[0]}, is no pool; name two or more")
    opened: dict[str, Dataset] = {}
    for word in words:
        called, _, path = word.rpartition("=") if NAME.fullmatch(word.partition("=")[0]) else ("", "", word)
        data = Dataset.open(path)
        name = called or data.name
        if not NAME.fullmatch(name):
            raise UsageError(f"{path}: the name {name!r} cannot stand before ids; give another, NAME={path}")
        if name in opened:
            raise UsageError(f"{opened[name].path} and {path} are both called {name}; name one NAME={path}")
        twin = next((other for other, its in opened.items() if its.path.resolve() == data.path.resolve()), None)
        if twin is not None:
            raise UsageError(f"{path} is in the pool twice, as {twin} and as {name}; name it once")
        opened[name] = data
    wanted = wanted_protocols(protocols, opened)
    first = next(iter(opened.values()))
    for data in opened.values():
        check_like(data, first)
    members = []
    for name, data in opened.items():
        map_name = classes.name_of(data.name, name)
        target = data.target()
        there = [*target.classes, *sorted({str(value) for item in data.items.values()
                                           if (value := item.value(target)) is not None})]
        own = wanted.get(name) or next((each for each in data.info.get("protocols", ()) if each in data.protocols),
                                       next(iter(data.protocols), ""))
        members.append(Member(name, data, map_name, classes.labels_of(map_name, dict.fromkeys(there)), data.split(own)))
    return members


def wanted_protocols(text: str, opened: Mapping[str, Dataset]) -> dict[str, str]:
    """`"ravdess=six_folds ..."` -> {corpus: protocol}."""
    wanted = {}
    for word in text.split():
        name, equals, protocol = word.partition("=")
        if not equals or name not in opened:
            raise UsageError(f"--protocols {word!r}: expected CORPUS=PROTOCOL; the corpora are {', '.join(opened)}")
        wanted[name] = protocol
    return wanted


def check_like(data: Dataset, first: Dataset) -> None:
    """
    Raises:
        UserError: the first target has no classes, or is not that of `first`.
    """
    target, other = data.target(), first.target()
    if target.kind != "class":
        raise UserError(f"{data.path}: the target {target.name} is a {target.kind}; only corpora with classes can be "
                        "pooled")
    if (target.field, target.of) != (other.field, other.of):
        raise UserError(f"{data.path}: the target is {target.field} (one value by {target.of}), in {first.path} "
                        f"{other.field} (one by {other.of}); they cannot be pooled")


def check_features(cuts: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Returns:
        a warning where some corpora have recordings and others features only.

    Raises:
        UserError: features of different dimensions.
    """
    widths: dict[int, str] = {}
    sources: dict[str, str] = {}
    for cut in cuts:
        name = cut["supervisions"][0]["custom"]["corpus"]
        if cut.get("features"):
            widths.setdefault(cut["features"]["num_features"], name)
        sources.setdefault("features only" if cut.get("features") else "recordings", name)
    if len(widths) > 1:
        (one, first), (two, second) = list(widths.items())[:2]
        raise UserError(f"{second} has features of {two} columns, {first} of {one}; corpora of features can be pooled "
                        "only where these are alike")
    if len(sources) > 1:
        return [f"{sources['recordings']} has recordings and {sources['features only']} features only: only features "
                "that are given for both can be used"]
    return []


def check_classes(members: Sequence[Member], classes: ClassMap) -> list[str]:
    """
    Returns:
        a line for each corpus that lacks a common class.

    Raises:
        UserError: a corpus without any, or a class that no corpus has.
    """
    warnings, seen = [], set()
    for member in members:
        there = set(counts_of(member))
        seen |= there
        if not there:
            raise UserError(f"{member.data.path}: the map {member.map_name} of {classes.path} leaves no utterance")
        lacking = [name for name in classes.classes if name not in there]
        if lacking:
            warnings.append(f"{member.name} has no {', '.join(lacking)}: UA on it runs over the classes that it has")
    nowhere = [name for name in classes.classes if name not in seen]
    if nowhere:
        raise UserError(f"{classes.path}: none of {', '.join(member.name for member in members)} has the class "
                        f"{nowhere[0]}; take it out of classes, or map a label to it")
    return warnings


def counts_of(member: Member) -> dict[str, int]:
    """Utterances of each common class."""
    target = member.data.target()
    return Counter(str(member.labels[str(member.data.items[key].value(target))]) for key in member.kept)


def check_audio(members: Sequence[Member], split: Split, items: Mapping[str, Item]) -> list[str]:
    """Audio that stands in two corpora, as their validation knows it (audio_hashes.tsv).

    Returns:
        a warning for each that lies in one part, and for each corpus that was not validated.

    Raises:
        UserError: some lies in two parts of a fold.
    """
    from steps.data.same_sound import Group, judge
    from steps.data.trained_on import read_hashes

    groups: dict[str, list[str]] = defaultdict(list)
    warnings = []
    for member in members:
        hashes = read_hashes(member.data.path / "audio_hashes.tsv")
        if not hashes:
            warnings.append(f"{member.data.path} is not validated: identical audio is looked for when the pool is")
        for key, name in member.kept.items():
            if key in hashes:
                groups[hashes[key]].append(name)
    same = [Group(tuple(sorted(names)), "identical") for names in groups.values()
            if len({name.partition(".")[0] for name in names}) > 1]
    problems, told = judge(same, [split], items, members[0].data.learned)
    if problems:
        more = f" ({len(problems) - 1} more of this kind)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{more}")
    return warnings + told


def about(member: Member, classes: ClassMap) -> dict[str, Any]:
    """What corpus.json says of one corpus of the pool."""
    info, counts = member.data.info, counts_of(member)
    speakers = {member.data.items[key].speaker for key in member.kept}
    return {"corpus": member.data.name, "map": member.map_name, "protocol": member.own.name,
            "folds": len(member.own.folds), "speaker_overlap": member.own.speaker_overlap,
            "utterances": len(member.kept), "left_out": sum(member.left_out.values()),
            "speakers": None if None in speakers else len(speakers),
            "counts": {name: counts.get(name, 0) for name in classes.classes},
            **{name: info.get(name) for name in ("language", "synthetic", "size", "missing")}}
