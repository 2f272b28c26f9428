"""The examples of one fold: data set + split + inputs + normalization -> arrays, or sequences read lazily.

Normalization is learned on the training part alone. Utterances without features stay known by id: they are scored with
the class prior and never trained on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from steps.data.dataset import Dataset, Item
from steps.data.splits import Split
from steps.examples.hidden import Kept, hide, without_label
from steps.examples.part import NO_LABEL, Features, Frames, Part, Vectors, known
from steps.examples.tracks import track_means, with_exchanged
from steps.examples.units import unit_names
from steps.features.normalize import Normalization, Normalizer, normalize
from steps.inputs.said import TEXT
from steps.inputs.source import NORMALIZED, Source
from steps.training.random_state import generator
from utils.corpus import PARTS, Target
from utils.errors import UserError


@dataclass(frozen=True)
class Examples:
    """What a subsystem learns from and is scored on.

    Attributes:
        targets: what is predicted. widths: {input: features a vector or frame}, 0 of text.
        unlabelled: sets without labels that training may use (`--unlabelled`), normalized as the training part.
        normalization: {input: arrays of what was learned on the training part}; without those that are not normalized.
    """

    targets: tuple[Target, ...]
    widths: Mapping[str, int]
    train: Part
    dev: Part
    test: Part
    unlabelled: tuple[Part, ...] = ()
    normalization: Mapping[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The first target."""
        return self.targets[0]

    @property
    def dim(self) -> int:
        """The width of all inputs side by side."""
        return sum(self.widths.values())

    def without_labels(self) -> Part:
        """The unlabelled utterances of the training part, and those of the unlabelled sets."""
        found = self.train.unlabelled()
        for part in self.unlabelled:
            found = found.join(part)
        return found

    def mean(self, target: Target) -> float:
        """Of the numbers of the training part."""
        y = self.train.labels[target.name]
        return float(y[known(y)].mean())

    def log_prior(self, target: Target) -> np.ndarray:
        """(C,) log of the class frequencies in train, one added to each count."""
        y = self.train.labels[target.name]
        counts = np.bincount(y[y != NO_LABEL], minlength=len(target.classes)) + 1.0
        return np.log(counts / counts.sum())


def load_examples(data: Dataset, inputs: Mapping[str, Source], split: Split, fold: int, norm: str,
                  clip: float | None = None, permute_seed: int | None = None, kept: Kept | None = None,
                  sets: Mapping[str, Sequence[str]] | None = None, targets: Sequence[Target] = (),
                  reads: str = "utterance") -> Examples:
    """The examples of one fold.

    Args:
        inputs: {name: source}; an utterance that one of them cannot give is left out and named as missing.
        norm: global, speaker or none. clip: largest magnitude of a normalized feature.
        permute_seed: shuffle the labels within train and within dev (the leak audit); test keeps its own.
        kept: which labels of the training part stay (hidden.py); None: all.
        sets: {name: utterances of `data`} that training may use without labels (unlabelled.py).
        targets: what is predicted; none: the default target.
        reads: utterance, or dialogue: then a part has its dialogues' utterances of no part, too, as context.
    """
    targets = tuple(targets) or (data.target(),)
    ids = {part: list(split.ids(fold, part)) for part in PARTS}
    context = context_of(data, ids, split.context) if reads == "dialogue" else {}
    ids |= {name: list(keys) for name, keys in (sets or {}).items()}
    check_present(data, split.name, ids)
    with_context = {part: sorted([*keys, *context.get(part, ())]) for part, keys in ids.items()}
    missing = {part: absent(inputs, keys) for part, keys in with_context.items()}
    usable = {part: [key for key in keys if key not in missing[part]] for part, keys in with_context.items()}
    own = {part: set(keys) for part, keys in ids.items()}
    read = {name: read_input(data, source, usable, own["train"], norm, clip) for name, source in inputs.items()}
    parts: dict[str, Part] = {}
    for part, keys in usable.items():
        items = tuple(data.items[key] for key in keys)
        aside = np.array([key not in own[part] for key in keys], dtype=bool)
        seed = permute_seed if part in ("train", "dev") else None
        items, labels = labels_of(items, aside, targets, seed, f"{fold} {part}")
        if kept is not None and part == "train":
            items, labels = with_hidden(items, labels, targets, kept, str(fold))
        parts[part] = Part(items, {name: features[part] for name, (features, _) in read.items()}, labels,
                           {key: missing[part][key] for key in ids[part] if key in missing[part]}, aside)
    for part, target in itertools.product(("train", "dev"), targets):
        if not known(parts[part].labels[target.name]).any():
            of = f" with {target.name}" if len(targets) > 1 else ""
            raise UserError(f"{data.path}, protocol {split.name}, fold {fold}: the {part} part has no labelled "
                            f"utterance with features{of}")
    return Examples(targets, {name: source.width for name, source in inputs.items()},
                    parts["train"], parts["dev"], parts["test"], tuple(parts[name] for name in sets or ()),
                    {name: learned.to_arrays() for name, (_, learned) in read.items() if learned})


def context_of(data: Dataset, ids: Mapping[str, Sequence[str]], across: str = "") -> dict[str, list[str]]:
    """{part: utterances of no part that belong to its dialogues}; of a dialogue that several parts share, none.

    Args:
        across: "dialogue": also those of other parts, and of dialogues that parts share.
    """
    part_of = {key: part for part, keys in ids.items() for key in keys}
    found: dict[str, list[str]] = {part: [] for part in ids}
    for keys in data.groups("dialogue").values():
        parts = {part_of[key] for key in keys if key in part_of}
        for part in parts if across or len(parts) == 1 else ():
            found[part] += [key for key in keys if (part_of.get(key) != part if across else key not in part_of)]
    return found


def context_examples(data: Dataset, inputs: Mapping[str, Source], split: Split, fold: int, norm: str,
                     clip: float | None) -> list[Part]:
    """The utterances of no part that belong to the dialogues of a fold, normalized as its examples."""
    ids = {part: list(split.ids(fold, part)) for part in PARTS}
    taken = {key for keys in ids.values() for key in keys}
    outside = sorted({key for keys in context_of(data, ids, "dialogue").values() for key in keys} - taken)
    return list(load_examples(data, inputs, split, fold, norm, clip, sets={"context": outside}).unlabelled) \
        if outside else []


def labels_of(items: tuple[Item, ...], context: np.ndarray, targets: Sequence[Target], permute_seed: int | None,
              purpose: str) -> tuple[tuple[Item, ...], dict[str, np.ndarray]]:
    """{target: (N,)}, see Part; none of the context. With `permute_seed` shuffled, and with them the items' votes;
    whole tracks change places in the items themselves."""
    labels: dict[str, np.ndarray] = {}
    tracks = [target for target in targets if target.kind == "track"]
    if tracks and permute_seed is not None:
        items = with_exchanged(items, tracks, permute_seed, purpose)
    for position, target in enumerate(targets):
        number = {name: place for place, name in enumerate(target.classes)}
        values = [None if aside else item.value(target) for item, aside in zip(items, context, strict=True)]
        if target.kind == "track":
            labels[target.name] = np.where(context, np.nan, track_means(items, [target]))
            continue
        if target.kind == "number":
            y = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        else:
            y = np.array([NO_LABEL if value is None else number[str(value)] for value in values], dtype=np.int64)
        if permute_seed is not None:
            own = f"{purpose} {target.name}" if position else purpose
            items, y = permuted(items, y, permute_seed, own, target.of)
        labels[target.name] = y
    return items, labels


def with_hidden(items: tuple[Item, ...], labels: dict[str, np.ndarray], targets: Sequence[Target], kept: Kept,
                purpose: str) -> tuple[tuple[Item, ...], dict[str, np.ndarray]]:
    """The same without most labels: those of the first target stay as `kept` says, of the others with them."""
    first, *others = targets
    items, y = hide(items, labels[first.name], kept, purpose, first.field, first.of)
    there = known(y)
    for other in others:
        items = tuple(item if stays else without_label(item, other.field)
                      for item, stays in zip(items, there, strict=True))
    return items, {first.name: y, **{other.name: np.where(there, labels[other.name],
                                                          np.nan if labels[other.name].dtype.kind == "f" else NO_LABEL)
                                     for other in others}}


def absent(inputs: Mapping[str, Source], ids: list[str]) -> dict[str, str]:
    """{utterance that lacks an input: why}."""
    return {key: source.failures.get(key, "no features")
            for source in inputs.values() for key in ids if key not in source}


def read_input(data: Dataset, source: Source, ids: Mapping[str, list[str]], learned_on: Collection[str],
               norm: str, clip: float | None) -> tuple[dict[str, Features], Normalizer | None]:
    """One input of every part; features normalized, and the normalizer, learned on the utterances `learned_on`."""
    if source.layout not in NORMALIZED:
        return {part: read_when_asked(data, source, keys) for part, keys in ids.items()}, None
    if source.layout == "vector":
        return read_vectors(data, source, ids, learned_on, norm, clip)
    return read_frames(data, source, ids, learned_on, norm, clip)


def read_when_asked(data: Dataset, source: Source, keys: list[str]) -> Frames:
    """An input that is taken as it is."""
    return Frames(lambda item: source[item.id], tuple(data.items[key] for key in keys),
                  lambda item: source.length(item.id), source.step)


def read_vectors(data: Dataset, source: Source, ids: Mapping[str, list[str]], learned_on: Collection[str],
                 norm: str, clip: float | None) -> tuple[dict[str, Features], Normalizer | None]:
    """An input of the layout vector, in memory."""
    everyone = [key for keys in ids.values() for key in keys]
    train = np.array([key in learned_on for key in everyone], dtype=bool)
    speakers = [data.items[key].speaker for key in everyone]
    rows, overall = normalize(norm, source.matrix(everyone), speakers, train, clip)
    edges = np.cumsum([0] + [len(keys) for keys in ids.values()])
    return {part: Vectors(rows[start:end])
            for part, start, end in zip(ids, edges[:-1], edges[1:], strict=True)}, overall


def read_frames(data: Dataset, source: Source, ids: Mapping[str, list[str]], learned_on: Collection[str],
                norm: str, clip: float | None) -> tuple[dict[str, Features], Normalizer | None]:
    """An input of the layout frames, read and normalized when asked for."""
    utterances = [(source[key], data.items[key].speaker, key in learned_on) for keys in ids.values() for key in keys]
    learned = Normalization.fit(norm, utterances, clip)
    return {part: Frames(lambda item: learned.apply(source[item.id], item.speaker),
                         tuple(data.items[key] for key in keys), lambda item: source.length(item.id), source.step)
            for part, keys in ids.items()}, learned.overall


def check_present(data: Dataset, protocol: str, ids: dict[str, list[str]]) -> None:
    """Every id of the split is in the data set."""
    unknown = [key for keys in ids.values() for key in keys if key not in data.items]
    if unknown:
        raise UserError(f"{data.path}/splits/{protocol}.tsv names {len(unknown)} utterances that the data set does not "
                        f"have, the first is {unknown[0]!r}; run steps/prepare_data.sh again")


def permuted(items: Sequence[Item], y: np.ndarray, seed: int, purpose: str,
             unit: str = "utterance") -> tuple[tuple[Item, ...], np.ndarray]:
    """Labels, and votes with them, shuffled among the labelled items; unlabelled ones stay so and lose their votes.

    Where a dialogue or session carries the label, whole ones change theirs, and all votes are lost.
    """
    if unit != "utterance":
        names, first, of = np.unique(unit_names(items, unit), return_index=True, return_inverse=True)
        units = [replace(items[place], id=name, fields={}) for name, place in zip(names.tolist(), first, strict=True)]
        return tuple(with_votes(item, None) for item in items), permuted(units, y[first], seed, purpose)[1][of]
    places = np.flatnonzero(known(y))
    source = dict(zip(places.tolist(), generator(seed, "permute", purpose).permutation(places).tolist(), strict=True))
    shuffled = y.copy()
    shuffled[list(source)] = y[list(source.values())]
    votes = [items[source[n]].fields.get("emotion_votes") if n in source else None for n in range(len(items))]
    return tuple(with_votes(item, own) for item, own in zip(items, votes, strict=True)), shuffled


def with_votes(item: Item, votes: Any) -> Item:
    return item if item.fields.get("emotion_votes") == votes else \
        replace(item, fields={**item.fields, "emotion_votes": votes})


def what_is_read(inputs: Mapping[str, Source], fields: Sequence[str] = ()) -> dict[str, Any]:
    """The identity of the inputs.

    Args:
        fields: beside the targets, the speaker and the gender that are learned (tasks.further_fields).
    """
    learned = {"targets": list(fields)} if fields else {}
    found = [source.identity() for source in inputs.values()]
    return {**(found[0] if len(found) == 1 else {"inputs": found}), **learned}


def fingerprint(data: Dataset, split: Split, fold: int, description: dict[str, Any],
                targets: Sequence[Target] = (), reads: str = "utterance") -> str:
    """A hash of all that the examples of a fold are made of: ids, parts, labels, speakers, fields, feature.json, and
    where there are no features the text itself."""
    read = [description, *description.get("inputs", ())]
    texts = [*(name for one in read if one.get("name") == TEXT for name in one["fields"]),
             *description.get("targets", ())]
    digest = hashlib.blake2b(digest_size=16)
    targets = targets or [data.target()]
    told = [[target.field, list(target.classes)] for target in targets]  # of one as it was before there were several
    digest.update(json.dumps([*(told[0] if len(told) == 1 else told), description], sort_keys=True).encode())
    ids = {part: split.ids(fold, part) for part in PARTS}
    if reads == "dialogue":
        ids |= {f"context of {part}": keys for part, keys in context_of(data, ids, split.context).items()}
        texts += ["dialogue", "turn"]
    for part, keys in ids.items():
        for key in keys:
            item = data.items.get(key)
            values = None if item is None else [*(item.value(target) for target in targets), item.speaker, item.gender,
                                                *(item.fields.get(name) for name in texts)]
            digest.update(json.dumps([part, key, values], ensure_ascii=False, default=repr).encode())
    return digest.hexdigest()
