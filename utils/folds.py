"""Folds for corpora that publish none, all deterministic: by groups that stay whole, by class, by what is known."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from utils.corpus import Protocol, Row
from utils.groups import connected
from utils.names import spelling

WHOLE = ("dialogue", "session")  # utterances that share one of these belong together
RECORDING = "recording"  # segments of one belong together, too


def group_folds(name: str, rows: Sequence[Row], group_of: Mapping[str, str], k: int,
                description: str = "") -> Protocol:
    """k-fold protocol over groups of utterances that stay whole; folds come out of like size.

    Args:
        group_of: {utterance id: group}; rows that it lacks are left out of the protocol.
    """
    groups = _deal(Counter(group_of[row.id] for row in rows if row.id in group_of), k)
    fold_of = {row.id: groups[group_of[row.id]] for row in rows if row.id in group_of}
    return Protocol(name, _rotate(fold_of, k), description)


def random_folds(name: str, rows: Sequence[Row], group_of: Mapping[str, str], k: int, label: str = "emotion",
                 description: str = "") -> Protocol:
    """k-fold protocol for a corpus without known speakers: every class is dealt out evenly, in an order that depends
    on nothing but the ids.

    Args:
        group_of: {utterance id: group}; groups stay whole within one fold.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        labels[group_of[row.id]][str(row.fields.get(label))] += 1
    by_label: dict[str, list[str]] = defaultdict(list)
    for group, counts in labels.items():
        by_label[counts.most_common(1)[0][0]].append(group)
    if len(by_label) > max(20, len(labels) // 3):  # numbers, not classes
        by_label = {"": sorted(labels)}
    fold_of: dict[str, int] = {}
    for value in sorted(by_label):
        for group in sorted(by_label[value], key=_shuffled):
            fold_of[group] = len(fold_of) % k
    overlap = any(row.speaker is not None for row in rows)
    return Protocol(name, _rotate({row.id: fold_of[group_of[row.id]] for row in rows}, k), description, overlap,
                    random=True)


def linked(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, str]:
    """{utterance id: group}, where utterances that share a value of any of the fields `keys` (RECORDING: the recording
    that they are segments of) are of one group. Those with the same sound (Row.group) always are.

    Names that look alike (S3 and s3, see utils/names.py) are taken as one: they may be. The group's name is the
    smallest id in it.
    """
    def values(row: Row) -> Iterator[str]:
        yield f"id {row.id}"
        if row.group:
            yield f"sound {row.group}"
        for key in keys:
            if key == RECORDING and row.path is not None:
                yield f"recording {row.path}"
            elif row.fields.get(key) is not None:
                yield f"{key} {spelling(str(row.fields[key]))}"

    name_of = {row.id: [f"id {row.id}", *values(row)] for row in rows}
    groups = connected((names[0], name) for names in name_of.values() for name in names)
    group_of = {name: number for number, names in enumerate(groups) for name in names}
    smallest: dict[int, str] = {}
    for row in rows:
        number = group_of[f"id {row.id}"]
        smallest[number] = min(smallest.get(number, row.id), row.id)
    return {row.id: smallest[group_of[f"id {row.id}"]] for row in rows}


def whole(rows: Sequence[Row], fewest: int) -> dict[str, str]:
    """`linked` by recording, dialogue and session, as far as that leaves `fewest` groups; the same sound always."""
    for keys in ((*WHOLE, RECORDING), ("dialogue", RECORDING), (RECORDING,), WHOLE, ("dialogue",)):
        groups = linked(rows, keys)
        if len(set(groups.values())) >= fewest:
            return groups
    return linked(rows, ())


def people_of(rows: Sequence[Row]) -> dict[str, str]:
    """{utterance id: speaker}; speakers who have the same sound are one, named after the first of them."""
    groups = linked(rows, ("speaker",))
    first: dict[str, str] = {}
    for row in rows:
        name = groups[row.id]
        first[name] = min(first.get(name, str(row.speaker)), str(row.speaker))
    return {row.id: first[groups[row.id]] for row in rows}


def carve_dev(parts: Mapping[str, str], rows: Sequence[Row], label: str = "emotion",
              share: float = 0.2) -> dict[str, str]:
    """Turn about `share` of the train part into dev: whole speakers where three or more are known, else by class.

    Args:
        parts: {id: part} with train and test, no dev.
    """
    train = [row for row in rows if parts.get(row.id) == "train"]
    groups, people = whole(train, 2), people_of(train)
    by_label: dict[str, list[str]] = defaultdict(list)
    if all(row.speaker for row in train) and len(set(people.values())) >= 3:
        groups = people
        by_label[""] = list(set(groups.values()))
    else:
        for row in train:
            if groups[row.id] == row.id:  # a group is named after one of its rows
                by_label[str(row.fields.get(label))].append(row.id)
    dev = {group for members in by_label.values()
           for group in sorted(members, key=_shuffled)[: round(share * len(members)) or (len(members) > 1)]}
    return {key: "dev" if groups.get(key) in dev else part for key, part in parts.items()}


def class_parts(name: str, rows: Sequence[Row], description: str = "", label: str = "emotion",
                test: float = 0.2, dev: float = 0.1) -> Protocol:
    """One fold that takes these shares of every class for test and dev, whoever speaks."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_label[str(row.fields.get(label))].append(row.id)
    parts = {}
    for members in by_label.values():
        ends = [max(1, round(test * len(members))), max(1, round(dev * len(members)))]
        for place, key in enumerate(sorted(members, key=_shuffled)):
            parts[key] = "test" if place < ends[0] else "dev" if place < sum(ends) else "train"
    return Protocol(name, [parts], description, speaker_overlap=True)


def speaker_parts(name: str, rows: Sequence[Row], description: str = "", label: str = "emotion",
                  test: float = 0.2, dev: float = 0.1) -> Protocol:
    """One fold without common speakers, whose test and dev parts have about these shares of every class.

    The speakers, the largest first, go each to the part that lacks most of what he brings; of several, to the emptiest.
    """
    brings: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        brings[str(row.speaker)][str(row.fields.get(label))] += 1
    total = sum(brings.values(), Counter())
    shares = {"train": 1 - test - dev, "test": test, "dev": dev}
    held: dict[str, Counter[str]] = {part: Counter() for part in shares}

    def lack(part: str, speaker: str) -> float:
        """Less the fuller the part is in what the speaker brings."""
        return sum(count / total[value] * (1 - held[part][value] / (shares[part] * total[value]))
                   for value, count in brings[speaker].items())

    part_of = {}
    for speaker in sorted(brings, key=lambda name: (-brings[name].total(), _shuffled(name))):
        part = max(shares, key=lambda part: (lack(part, speaker), -held[part].total() / shares[part]))
        part_of[speaker] = part
        held[part] += brings[speaker]
    return Protocol(name, [{row.id: part_of[str(row.speaker)] for row in rows}], description)


def table_protocols(rows: Sequence[Row], part: Mapping[str, str], fold: Mapping[str, str],
                    label: str = "emotion") -> list[Protocol]:
    """Protocols that a table gives itself: `official` from parts, `official_folds` from fold names; else the default.

    Args:
        part: {id: train, dev or test}. fold: {id: the fold whose test part it is in}. Both may be empty.
    """
    found = []
    if parts := {row.id: part[row.id] for row in rows if row.id in part}:
        carved = "" if "dev" in parts.values() else "; dev is carved out of its train part"
        parts = carve_dev(parts, rows, label) if carved else parts
        found.append(Protocol("official", [parts], f"the table's parts{carved}", automatic=bool(carved)))
    if folds := {row.id: fold[row.id] for row in rows if row.id in fold}:
        k = len(set(folds.values()))
        found.append(group_folds("official_folds", rows, folds, k, "the table's folds; dev is the next fold"))
    return found or default_protocols(rows, label)


def default_protocols(rows: Sequence[Row], label: str = "emotion") -> list[Protocol]:
    """The most honest protocol that a corpus without a published one allows.

    Three or more speakers: at most six folds by speaker; recordings, dialogues and sessions whole where that leaves
    three groups. Two: each is the test part once, dev is carved out of the other's utterances (marked: it shares a
    speaker). Otherwise random folds by class. Utterances with the same sound (Row.group) are never divided.
    """
    return [dataclasses.replace(_default(rows, label), automatic=True)]


def _default(rows: Sequence[Row], label: str) -> Protocol:
    if not all(row.speaker for row in rows):
        return _random(rows, label, "random folds by class; speakers unknown")
    segments = [RECORDING] if len({row.path for row in rows}) < len(rows) else []
    for keys in (*([("speaker", *WHOLE, RECORDING), ("speaker", RECORDING)] if segments else []),
                 ("speaker", *WHOLE), ("speaker", "dialogue"), ("speaker",)):
        groups = linked(rows, keys)
        k = min(6, len(set(groups.values())))
        if k >= 3:
            text = f"{k} folds, no {' nor '.join(keys)} in two of them; dev is the next fold"
            return group_folds("speaker_folds", rows, groups, k, text)
    people = people_of(rows)
    if len(set(people.values())) < 2:
        return _random(rows, label, "random folds by class; the corpus has one speaker only")
    folds = [carve_dev({key: "test" if person == tested else "train" for key, person in people.items()}, rows, label)
             for tested in sorted(set(people.values()))]
    text = "each of two speakers is the test part once; dev is carved out of the other's utterances"
    return Protocol("one_speaker_out", folds, text, speaker_overlap=True)


def _random(rows: Sequence[Row], label: str, text: str) -> Protocol:
    groups = whole(rows, 3)
    return random_folds("random_folds", rows, groups, min(5, len(set(groups.values()))), label, text)


def _rotate(group_of: Mapping[str, int], k: int) -> list[dict[str, str]]:
    """Folds from groups 0 ... k-1: group f is the test part of fold f+1, the next group its dev part."""
    return [{key: "test" if group == f else "dev" if group == (f + 1) % k else "train"
             for key, group in group_of.items()} for f in range(k)]


def _deal(sizes: Mapping[str, int], k: int) -> dict[str, int]:
    """Name -> group 0 ... k-1, the largest first, each to the smallest group so far."""
    load = [0] * k
    groups = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        groups[name] = min(range(k), key=lambda g: (load[g], g))
        load[groups[name]] += sizes[name]
    return groups


def _shuffled(name: Any) -> str:
    """A sort key that looks random and never changes."""
    return hashlib.sha256(str(name).encode("utf-8", "surrogateescape")).hexdigest()
