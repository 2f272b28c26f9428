"""Folds for corpora that publish none, all deterministic: by groups that stay whole, by class, by what is known."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from utils.corpus import Protocol, Row
from utils.names import spelling

WHOLE = ("dialogue", "session")  # utterances that share one of these belong together


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
    return Protocol(name, _rotate({row.id: fold_of[group_of[row.id]] for row in rows}, k), description, overlap)


def linked(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, str]:
    """{utterance id: group}, where utterances that share a value of any of the fields `keys` are of one group.

    Names that look alike (S3 and s3, see utils/names.py) are taken as one: they may be. The group's name is the
    smallest id in it.
    """
    parent: dict[str, str] = {}

    def find(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row in rows:
        for key in keys:
            if row.fields.get(key) is not None:
                parent[find(f"id {row.id}")] = find(f"{key} {spelling(str(row.fields[key]))}")
    smallest: dict[str, str] = {}
    for row in rows:
        root = find(f"id {row.id}")
        smallest[root] = min(smallest.get(root, row.id), row.id)
    return {row.id: smallest[find(f"id {row.id}")] for row in rows}


def carve_dev(parts: Mapping[str, str], rows: Sequence[Row], label: str = "emotion",
              share: float = 0.2) -> dict[str, str]:
    """Turn about `share` of the train part into dev: whole speakers where three or more are known, else by class.

    Args:
        parts: {id: part} with train and test, no dev.
    """
    train = [row for row in rows if parts.get(row.id) == "train"]
    groups = linked(train, WHOLE)
    by_label: dict[str, list[str]] = defaultdict(list)
    if all(row.speaker for row in train) and len({row.speaker for row in train}) >= 3:
        groups = {row.id: str(row.speaker) for row in train}
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
        found.append(Protocol("official", [parts], f"the table's parts{carved}"))
    if folds := {row.id: fold[row.id] for row in rows if row.id in fold}:
        k = len(set(folds.values()))
        found.append(group_folds("official_folds", rows, folds, k, "the table's folds; dev is the next fold"))
    return found or default_protocols(rows, label)


def default_protocols(rows: Sequence[Row], label: str = "emotion") -> list[Protocol]:
    """The most honest protocol that a corpus without a published one allows.

    Three or more speakers: at most six folds by speaker, dialogues and sessions whole where that leaves three groups.
    Two: each is the test part once, dev is carved out of the other's utterances (marked: it shares a speaker).
    Otherwise random folds by class.
    """
    if not all(row.speaker for row in rows):
        return [_random(rows, label, "random folds by class; speakers unknown")]
    for keys in (("speaker", *WHOLE), ("speaker", "dialogue"), ("speaker",)):
        groups = linked(rows, keys)
        k = min(6, len(set(groups.values())))
        if k >= 3:
            text = f"{k} folds, no {' nor '.join(keys)} in two of them; dev is the next fold"
            return [group_folds("speaker_folds", rows, groups, k, text)]
    speakers = sorted({row.speaker for row in rows})
    if len(speakers) < 2:
        return [_random(rows, label, "random folds by class; the corpus has one speaker only")]
    folds = [carve_dev({row.id: "test" if row.speaker == speaker else "train" for row in rows}, rows, label)
             for speaker in speakers]
    text = "each of two speakers is the test part once; dev is carved out of the other's utterances"
    return [Protocol("one_speaker_out", folds, text, speaker_overlap=True)]


def _random(rows: Sequence[Row], label: str, text: str) -> Protocol:
    groups = linked(rows, WHOLE)
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
