"""--size tiny: about 60 utterances on which every protocol, class and part still stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steps.data.splits import usable_folds
from utils.corpus import PARTS, UNLABELLED, Corpus, Protocol, Row, learned_target

SIZE = 60
SPEAKERS_PER_PART = 2
SPEAKERS = 4  # at least, where there are so many
SPEAKERS_PER_CLASS = 3  # where there are so many: then train, dev and test may each have the class
Protocols = Callable[[Sequence[Row]], list[Protocol]]


def choose_tiny(rows: Sequence[Row], corpus: Corpus, protocols: Protocols) -> list[Row]:
    """A choice that depends on nothing but the rows.

    Speakers first: a few of each part, so that every class is there, women and men in turn (where a unit carries the
    label, class by class); then each speaker's utterances, class by class. The protocols are afterwards made again from
    the chosen rows, so their folds may be fewer. Units stay whole.
    """
    units: dict[str, list[Row]] = defaultdict(list)
    target = learned_target(corpus.targets)
    for row in rows:
        units[row.id if target.of == "utterance" else str(row.fields[target.of])].append(row)
    chosen = _choose_speakers(rows, corpus, protocols) if all(row.speaker for row in rows) else None
    cells: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    parts = _first_parts(rows, protocols)
    for name in sorted(units):
        first = min(units[name], key=lambda row: row.id)
        if chosen is None or {row.speaker for row in units[name]} <= chosen:
            # A speaker has one part, but where a published protocol shares speakers.
            group = (first.speaker or "") if chosen is not None else "", parts.get(first.id, "")
            cells[(*group, str(first.fields.get(target.field, UNLABELLED)) if target.classes else "")].append(name)
    kept = _take_in_turn(cells, {name: len(members) for name, members in units.items()})
    return sorted((row for name in kept for row in units[name]), key=lambda row: row.id)


def _take_in_turn(cells: dict[tuple[str, str, str], list[str]], sizes: dict[str, int]) -> list[str]:
    """One unit of every (speaker, part, class) cell, then a second of each ..., until SIZE utterances are there."""
    kept: list[str] = []
    count = 0
    for turn in range(max(map(len, cells.values()), default=0)):
        for key in sorted(cells):
            if turn > 0 and count >= SIZE:
                return kept
            if turn < len(cells[key]):
                kept.append(cells[key][turn])
                count += sizes[kept[-1]]
    return kept


def _choose_speakers(rows: Sequence[Row], corpus: Corpus, protocols: Protocols) -> set[str]:
    traits = _traits(rows, corpus)
    labelled = {row.id for row in rows if row.fields.get(corpus.learned, UNLABELLED) != UNLABELLED}
    speaker_of = {row.id: row.speaker for row in rows}
    chosen: set[str] = set()
    for protocol in sorted(protocols(rows), key=lambda protocol: (len(protocol.folds), protocol.name)):
        again = {p.name: p for p in protocols([row for row in rows if row.speaker in chosen])} if chosen else {}
        if protocol.name in again and usable_folds(again[protocol.name], labelled).folds:
            continue
        for ids in _groups(protocol):
            group = {speaker_of[key] for key in ids if key in labelled} or {speaker_of[key] for key in ids}
            chosen |= _more_speakers(group, chosen & group, SPEAKERS_PER_PART, traits)
    everyone = {speaker_of[key] for key in labelled}
    return chosen | _more_speakers(everyone, chosen, SPEAKERS, traits, SPEAKERS_PER_CLASS)


@dataclass(frozen=True)
class Trait:
    """What a speaker brings to a choice. kind: gender, or where a unit carries the label the class."""

    kind: str | None
    classes: frozenset[str]


def _traits(rows: Sequence[Row], corpus: Corpus) -> dict[str, Trait]:
    # Where a unit carries the label, a speaker has one class: the classes must be there, whoever speaks.
    target = learned_target(corpus.targets)
    kind = "gender" if target.of == "utterance" or not target.classes else target.field
    kinds = {row.speaker: row.fields.get(kind) for row in rows}
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if target.classes and (label := row.fields.get(target.field, UNLABELLED)) != UNLABELLED:
            classes[row.speaker].add(label)
    return {speaker: Trait(value, frozenset(classes[speaker])) for speaker, value in kinds.items()}


def _more_speakers(group: set[str], taken: set[str], wanted: int, traits: dict[str, Trait], each: int = 1) -> set[str]:
    """`taken` and further speakers of `group` until there are `wanted`, and `each` for every class of the group where
    it has so many. The next one is who brings most of the classes that lack; of several, the gender that is rarest."""
    taken = set(taken)
    there = Counter(name for speaker in group | taken for name in traits[speaker].classes)
    while rest := sorted(group - taken):
        so_far = Counter(name for speaker in taken for name in traits[speaker].classes)
        lacking = {name for name, count in there.items() if so_far[name] < min(each, count)}
        if len(taken) >= wanted and not any(traits[speaker].classes & lacking for speaker in rest):
            break
        kinds = Counter(traits[speaker].kind for speaker in taken)
        taken.add(min(rest, key=lambda speaker: (-len(traits[speaker].classes & lacking), kinds[traits[speaker].kind])))
    return taken


def _groups(protocol: Protocol) -> list[list[str]]:
    """Groups of ids that a choice must reach: test parts of the first three folds, or the parts of the fewer folds."""
    if len(protocol.folds) >= 3:
        return [[key for key, part in fold.items() if part == "test"] for fold in protocol.folds[:3]]
    return [[key for key, part in fold.items() if part == wanted] for fold in protocol.folds for wanted in PARTS]


def _first_parts(rows: Sequence[Row], protocols: Protocols) -> dict[str, str]:
    found = protocols(rows)
    return dict(found[0].folds[0]) if found and found[0].folds else {}
