"""Training with noise: the training part of every fold also gets its utterances as they sound in a noisy set.

The noisy copies are utterances of their own, named <id>+aug, in the training part alone: dev and test stay clean. They
have the labels and the speaker of the clean ones as fields, but count as another speaker where features are normalized
by speaker: noise changes a speaker's statistics, and those of his clean utterances must be what they are in a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.data.splits import Split
from steps.inputs.opening import open_source
from steps.inputs.source import Source
from utils.corpus import Target
from utils.errors import UserError

SUFFIX = "+aug"  # of ids, speakers and variants


class AugmentedDataset(Dataset):
    """A data set and the noisy copies of its utterances."""

    def __init__(self, data: Dataset, noisy: Dataset):
        super().__init__(data.path, data.info)
        self.items = {**data.items, **{f"{key}{SUFFIX}": copy_of(item) for key, item in noisy.items.items()}}


def copy_of(item: Item) -> Item:
    speaker = None if item.speaker is None else f"{item.speaker}{SUFFIX}"
    return replace(item, id=f"{item.id}{SUFFIX}", speaker=speaker)


def open_noisy(data: Dataset, path: str | Path) -> Dataset:
    """
    Raises:
        UserError: no noisy set, of another corpus, with noises that are for testing, or no longer like DATA.
    """
    noisy = Dataset.open(path, data.layers)
    about = noisy.info.get("noise")
    if about is None or noisy.name != data.name:
        raise UserError(f"--augment {path} is no noisy set of {data.name}; make one with steps/make_noisy_set.sh --snr "
                        "random")
    if about["pool"] != "train":
        raise UserError(f"--augment {path} was made of the noises for testing, with which nothing is trained; make one "
                        "with steps/make_noisy_set.sh --snr random")
    changed = [key for key, item in noisy.items.items() if key not in data.items
               or values(item, data.targets) != values(data.items[key], data.targets)]
    if changed:
        raise UserError(f"--augment {path}: {changed[0]} is not what it is in {data.path}; make the noisy set again")
    return noisy


def values(item: Item, targets: Sequence[Target]) -> list[object]:
    """What training reads of an utterance beside its features."""
    return [item.speaker, *(item.value(target) for target in targets)]


def augment(data: Dataset, split: Split, noisy: Dataset) -> tuple[Dataset, Split]:
    """The data set with its noisy copies, and the split with those of the training utterances.

    Raises:
        UserError: a training utterance is not in the noisy set.
    """
    parts = {}
    for fold in split.folds:
        train = split.ids(fold, "train")
        absent = [key for key in train if key not in noisy.items]
        if absent:
            raise UserError(f"--augment {noisy.path} lacks {len(absent)} of the {len(train)} training utterances of "
                            f"{split.name}, fold {fold}, the first is {absent[0]}")
        parts[fold] = {**split.parts[fold], "train": sorted([*train, *(f"{key}{SUFFIX}" for key in train)])}
    return AugmentedDataset(data, noisy), replace(split, parts=parts)


def open_augmented(data: Dataset, inputs: Mapping[str, Source], split: Split, path: str | Path,
                   ) -> tuple[Dataset, dict[str, Source], Split, dict[str, Any]]:
    """Data set, inputs and split with the noisy copies, and what config.yaml says of these."""
    noisy = open_noisy(data, path)
    more = {name: open_source(name, noisy) for name in inputs}
    both, longer = augment(data, split, noisy)
    joined = {name: source.joined(more[name], lambda key: f"{key}{SUFFIX}") for name, source in inputs.items()}
    return both, joined, longer, about_noise(noisy, [source for source in more.values() if source.layout != "text"])


def about_noise(noisy: Dataset, sources: Sequence[Source]) -> dict[str, Any]:
    """What config.yaml says of the noisy set: how it was made, and in which state its features are."""
    about = {key: noisy.info["noise"][key] for key in ("snr", "kinds", "pool", "seed", "musan")}
    return about if not sources else {**about, "utterances": min(len(source) for source in sources)}
