"""The examples of one fold: data set + split + feature store + normalisation -> arrays, or sequences read lazily.

Normalisation is learned on the training part alone. Utterances without features stay known by id: they are scored with
the class prior and never trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Dataset, Item
from steps.data.splits import Split
from steps.examples.hidden import Kept, hide, without_label
from steps.examples.part import NO_LABEL, Features, Frames, Nothing, Part, Vectors, known
from steps.examples.tracks import track_means, with_exchanged
from steps.examples.units import unit_names
from steps.features.normalise import Normalisation, normalise
from steps.features.store import FeatureStore
from steps.text.source import EMPTY, FIELDS, weighted_texts
from steps.training.random_state import generator
from utils.corpus import PARTS, Target
from utils.errors import UserError

TEXT = "text"  # the reserved name of "no features": what is said is a field of the data set


@dataclass(frozen=True)
class Examples:
    """What a subsystem learns from and is scored on.

    Attributes:
        targets: what is predicted. dim: features a vector or frame.
        normalisation: arrays of what was learned on the training part; empty for none.
        unlabelled: sets without labels that training may use (`--unlabelled`), normalised as the training part.
    """

    targets: tuple[Target, ...]
    dim: int
    train: Part
    dev: Part
    test: Part
    normalisation: dict[str, np.ndarray] = field(default_factory=dict)
    unlabelled: tuple[Part, ...] = ()

    @property
    def target(self) -> Target:
        """The first target."""
        return self.targets[0]

    def without_labels(self) -> Part:
        """The unlabelled utterances of the training part, and those of the unlabelled sets."""
        found = self.train.unlabelled()
        for part in self.unlabelled:
            found = found.join(part)
        return found

    def mean(self) -> float:
        """Of the numbers of the training part."""
        return float(self.train.y[known(self.train.y)].mean())

    def log_prior(self) -> np.ndarray:
        """(C,) log of the class frequencies in train, one added to each count."""
        counts = np.bincount(self.train.y[self.train.y != NO_LABEL], minlength=len(self.target.classes)) + 1.0
        return np.log(counts / counts.sum())


def open_features(data: Path, name: str) -> FeatureStore | None:
    """The features `--features NAME` of a data set; None for TEXT."""
    return None if name == TEXT else FeatureStore.open(data / name, {"name": name})


def load_examples(data: Dataset, store: FeatureStore | None, split: Split, fold: int, norm: str,
                  clip: float | None = None, permute_seed: int | None = None, source: str = "",
                  kept: Kept | None = None, sets: Mapping[str, Sequence[str]] | None = None,
                  targets: Sequence[Target] = ()) -> Examples:
    """The examples of one fold.

    Args:
        store: None for text, then of `source` (steps/text/source.py), and an empty text counts as no features.
        norm: global, speaker or none. clip: largest magnitude of a normalised feature.
        permute_seed: shuffle the labels within train and within dev (the leak audit); test keeps its own.
        kept: which labels of the training part stay (hidden.py); None: all.
        sets: {name: utterances of `data`} that training may use without labels (unlabelled.py).
        targets: what is predicted; none: the default target. Several are tracks.
    """
    targets = tuple(targets) or (data.target(),)
    target = targets[0]
    ids = {part: split.ids(fold, part) for part in PARTS} | {name: list(keys) for name, keys in (sets or {}).items()}
    check_present(data, split.name, ids)
    missing = {part: absent(data, store, ids[part], source) for part in ids}
    usable = {part: [key for key in ids[part] if key not in missing[part]] for part in ids}
    features: dict[str, Features] = {part: Nothing(len(usable[part])) for part in ids}
    arrays: dict[str, np.ndarray] = {}
    if store is not None:
        read = read_vectors if store.kind == "utterance" else read_frames
        features, arrays = read(data, store, usable, norm, clip)
    number = {name: position for position, name in enumerate(target.classes)}
    parts: dict[str, Part] = {}
    for part in ids:
        items = tuple(data.items[key] for key in usable[part])
        if target.kind == "track" and permute_seed is not None and part in ("train", "dev"):
            items = with_exchanged(items, targets, permute_seed, f"{fold} {part}")
        labels = [item.value(target) for item in items]
        if target.kind == "track":
            y = track_means(items, targets)
        elif target.kind == "number":
            y = np.array([np.nan if label is None else label for label in labels], dtype=np.float64)
        else:
            y = np.array([NO_LABEL if label is None else number[str(label)] for label in labels], dtype=np.int64)
        if permute_seed is not None and part in ("train", "dev") and target.kind != "track":
            items, y = permuted(items, y, permute_seed, f"{fold} {part}", target.of)
        if kept is not None and part == "train":
            items, y = hide(items, y, kept, str(fold), target.field, target.of)
            for other in targets[1:]:
                items = tuple(item if there else without_label(item, other.field)
                              for item, there in zip(items, known(y), strict=True))
        parts[part] = Part(items, features[part], y, missing[part])
    for part in ("train", "dev"):
        if not known(parts[part].y).any():
            raise UserError(f"{data.path}, protocol {split.name}, fold {fold}: the {part} part has no labelled "
                            "utterance with features")
    return Examples(targets, 0 if store is None else store.dim, parts["train"], parts["dev"], parts["test"], arrays,
                    tuple(parts[name] for name in sets or ()))


def absent(data: Dataset, store: FeatureStore | None, ids: list[str], source: str) -> dict[str, str]:
    """{utterance without features or text: why}."""
    if store is None:
        return {key: EMPTY for key in ids if not weighted_texts(data.items[key].fields, source)}
    return {key: store.failed.get(key, "no features") for key in ids if key not in store}


def read_vectors(data: Dataset, store: FeatureStore, ids: dict[str, list[str]], norm: str,
                 clip: float | None) -> tuple[dict[str, Features], dict[str, np.ndarray]]:
    """Features of kind "utterance", normalised, a part; and the normaliser's arrays."""
    everyone = [key for part in ids for key in ids[part]]
    train = np.array([part == "train" for part in ids for _ in ids[part]], dtype=bool)
    speakers = [data.items[key].speaker for key in everyone]
    rows, overall = normalise(norm, store.matrix(everyone), speakers, train, clip)
    edges = np.cumsum([0] + [len(ids[part]) for part in ids])
    features: dict[str, Features] = {part: Vectors(rows[start:end])
                                     for part, start, end in zip(ids, edges[:-1], edges[1:], strict=True)}
    return features, {} if overall is None else overall.to_arrays()


def read_frames(data: Dataset, store: FeatureStore, ids: dict[str, list[str]], norm: str,
                clip: float | None) -> tuple[dict[str, Features], dict[str, np.ndarray]]:
    """Features of kind "frames", read and normalised when asked for."""
    utterances = [(store[key], data.items[key].speaker, part == "train") for part in ids for key in ids[part]]
    learned = Normalisation.fit(norm, utterances, clip)
    features: dict[str, Features] = {
        part: Frames(lambda item: learned.apply(store[item.id], item.speaker),
                     tuple(data.items[key] for key in ids[part]), lambda item: store.rows(item.id),
                     store.frame_shift) for part in ids}
    return features, {} if learned.overall is None else learned.overall.to_arrays()


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


def what_is_read(store: FeatureStore | None, source: str = "", targets: Sequence[str] = ()) -> dict[str, Any]:
    """What identifies the features (feature.json), or the text and the fields that it is made of.

    Args:
        targets: fields beside the label, the speaker and the gender that are learned (targets.further_fields).
    """
    learned = {"targets": list(targets)} if targets else {}
    if store is None:
        return {"name": TEXT, "source": source, "fields": list(FIELDS[source]), **learned}
    return {**{key: value for key, value in store.description.items() if key != "archives"}, **learned}


def fingerprint(data: Dataset, split: Split, fold: int, description: dict[str, Any],
                targets: Sequence[Target] = ()) -> str:
    """A hash of all that the examples of a fold are made of: ids, parts, labels, speakers, fields, feature.json, and
    where there are no features the text itself."""
    texts = [*(description["fields"] if description.get("name") == TEXT else ()), *description.get("targets", ())]
    digest = hashlib.blake2b(digest_size=16)
    targets = targets or [data.target()]
    read = [[target.field, list(target.classes)] for target in targets]  # of one as it was before there were several
    digest.update(json.dumps([*(read[0] if len(read) == 1 else read), description], sort_keys=True).encode())
    for part in PARTS:
        for key in split.ids(fold, part):
            item = data.items.get(key)
            values = None if item is None else [*(item.value(target) for target in targets), item.speaker, item.gender,
                                                *(item.fields.get(name) for name in texts)]
            digest.update(json.dumps([part, key, values], ensure_ascii=False, default=repr).encode())
    return digest.hexdigest()
