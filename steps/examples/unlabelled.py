"""Unlabelled sets that training may use beside its own part, `--unlabelled "SET ..."`.

A SET is DATA or DATA:PROTOCOL/PART: a data set, or one part of it in a protocol; of the
experiment's own data and protocol the part of the same fold. Whatever labels it has are not read.
Its utterances are called <set>/<id> and its speakers <set>/<speaker>; the features are those of the
experiment, extracted alike, and normalized with what was learned on the training part.

What shares utterances, sound or, unless the protocol declares it, speakers with dev or test of a
fold is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steps.data import fingerprint as sound
from steps.data.dataset import Dataset, Item
from steps.data.recordings import overlapping
from steps.data.splits import Split
from steps.data.trained_on import Record, describe_training, read_hashes
from steps.examples.hidden import without_label
from steps.inputs.opening import open_source
from steps.inputs.source import Source
from utils.corpus import PARTS
from utils.errors import UsageError, UserError
from utils.names import spelling

Inputs = Mapping[str, Source]  # by name
WORD = re.compile(rf"(?P<data>.+?)(:(?P<protocol>[^:/]+)/(?P<part>{'|'.join(PARTS)}))?")


@dataclass(frozen=True)
class UnlabelledSet:
    """
    Attributes:
        text: as the user wrote it. protocol, part: "" for the whole data set.
    """

    text: str
    data: Dataset
    protocol: str = ""
    part: str = ""

    @property
    def name(self) -> str:
        """Of the variant and of its utterances."""
        return "-".join(filter(None, [self.data.path.resolve().name, self.protocol, self.part]))

    def ids(self, own: Dataset, split: Split, fold: int) -> list[str]:
        """Its utterances, by their own ids, for a fold of the experiment on `own` and `split`."""
        if not self.protocol:
            return list(self.data.items)
        theirs = self.data.split(self.protocol)
        same = self.is_of(own) and self.protocol == split.name
        return sorted({key for each in ([fold] if same else theirs.folds)
                       for key in theirs.ids(each, self.part)})

    def is_of(self, own: Dataset) -> bool:
        return self.data.path.resolve() == own.path.resolve()

    def renamed(self, key: str) -> str:
        return f"{self.name}/{key}"


def open_sets(text: str) -> list[UnlabelledSet]:
    """
    Raises:
        UsageError: a word that is no DATA[:PROTOCOL/PART], or one that stands twice. UserError: no
            data set there.
    """
    found = []
    for word in text.split():
        match = WORD.fullmatch(word)
        assert match is not None
        if ":" in match["data"] and not Path(match["data"]).exists():
            raise UsageError(f"--unlabelled {word}: expected DATA or DATA:PROTOCOL/PART, PART one "
                             f"of {', '.join(PARTS)}")
        found.append(UnlabelledSet(word, Dataset.open(match["data"]), match["protocol"] or "",
                                   match["part"] or ""))
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise UsageError(f"--unlabelled {one.text}: another set is called {one.name}, too; "
                             "name each once")
    return found


class WithUnlabelled(Dataset):
    """A data set and the utterances of unlabelled sets, under names of their own and without
    labels."""

    def __init__(self, data: Dataset, sets: Sequence[UnlabelledSet]):
        super().__init__(data.path, data.info)
        fields = {target.field for one in (data, *(one.data for one in sets))
                  for target in one.targets}
        self.items = dict(data.items)
        for one in sets:
            for key, item in one.data.items.items():
                self.items[one.renamed(key)] = _foreign(item, one, fields)


def _foreign(item: Item, one: UnlabelledSet, fields: set[str]) -> Item:
    for field in fields:
        item = without_label(item, field)
    speaker = None if item.speaker is None else f"{one.name}/{item.speaker}"
    return replace(item, id=one.renamed(item.id), speaker=speaker)


def add_unlabelled(data: Dataset, inputs: Inputs, sets: Sequence[UnlabelledSet]) -> tuple[Dataset, dict[str, Any]]:
    """The data set and its inputs, with those of the sets.

    Raises:
        UserError: features that were not extracted alike.
    """
    joined = dict(inputs)
    for one in sets:
        for name, source in joined.items():
            joined[name] = source.joined(open_source(name, one.data), one.renamed)
    return WithUnlabelled(data, sets), joined


def about_sets(sets: Sequence[UnlabelledSet], own: Dataset, split: Split, fold: int,
               inputs: Inputs) -> list[dict[str, Any]]:
    """What config.yaml says of the sets: their data, utterances, and version of the features."""
    told = []
    for one in sets:
        ids = one.ids(own, split, fold)
        read = [open_source(name, one.data).identity() for name in inputs]
        state = [one.name, ids, *read]
        digest = hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16)
        told.append({"set": one.name, "corpus": one.data.name, "utterances": len(ids),
                     "digest": digest.hexdigest()})
    return told


def check_apart(sets: Sequence[UnlabelledSet], own: Dataset, split: Split,
                folds: Sequence[int]) -> None:
    """
    Raises:
        UserError: a set shares utterances, sound or speakers with dev or test of a fold; names the
            first utterances.
    """
    for one in sets:
        same_sound = _same_sound(one, own)
        for fold in folds:
            ids = one.ids(own, split, fold)
            for part in ("dev", "test"):
                held = split.ids(fold, part)
                for kind, shared in _shared(one, own, ids, held, same_sound).items():
                    if shared and not (kind == "speaker" and split.speaker_overlap):
                        shown = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
                        raise UserError(f"--unlabelled {one.text} shares the {kind} with {part} of "
                                        f"{split.name}, fold {fold} ({shown}): that would be a "
                                        "leak; take a part without them", 2)


def _shared(one: UnlabelledSet, own: Dataset, ids: Sequence[str], held: Sequence[str],
            same_sound: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """{kind: utterances of `ids` that share it with the utterances `held`}."""
    inside = set(held)
    speakers = {spelling(name) for key in held if (name := own.items[key].speaker)} \
        if one.data.name == own.name else set()
    return {"utterance": [key for key in ids if one.is_of(own) and key in inside],
            "sound": [key for key in ids if inside & same_sound.get(key, set())],
            "speaker": [key for key in ids if (name := one.data.items[key].speaker)
                        and spelling(name) in speakers]}


def _same_sound(one: UnlabelledSet, own: Dataset) -> dict[str, set[str]]:
    """{utterance of the set: those of the experiment's data with the same samples or sound, as
    validation knows it}."""
    found: dict[str, set[str]] = {}
    by_hash: dict[str, list[str]] = {}
    for key, digest in read_hashes(own.path / "audio_hashes.tsv").items():
        by_hash.setdefault(digest, []).append(key)
    for key, digest in read_hashes(one.data.path / "audio_hashes.tsv").items():
        found.setdefault(key, set()).update(by_hash.get(digest, ()))
    files = [each.path / sound.FILE for each in (one.data, own)]
    pairs = list(overlapping(own.items.values())) if one.is_of(own) else []
    if all(path.is_file() for path in files):
        heard = [{key: print_ for key, print_ in sound.load(path).items() if print_.comparable}
                 for path in files]
        names = [*heard[0], *heard[1]]
        pairs += [(names[i], names[j])
                  for i, j in sound.alike([*heard[0].values(), *heard[1].values()])
                  if i < len(heard[0]) <= j]
    for theirs, ours in pairs:
        found.setdefault(theirs, set()).add(ours)
        if one.is_of(own):
            found.setdefault(ours, set()).add(theirs)
    return found


def training_records(sets: Sequence[UnlabelledSet], own: Dataset, split: Split) -> list[Record]:
    """What the leak audit holds against dev and test: of sets that are the same for all folds."""
    records = []
    for one in sets:
        if one.protocol and one.is_of(own) and one.protocol == split.name:
            continue  # a part of the protocol, which the audit looks at anyhow
        record = describe_training(one.data, one.ids(own, split, split.folds[0]),
                                   "semi-supervised training")
        record["sentences_may_be_shared"] = True  # as the training part may
        records.append({**record, "speakers": []} if split.speaker_overlap else record)
    return records
