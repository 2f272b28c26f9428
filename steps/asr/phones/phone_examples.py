"""What a phone-state head learns from: the utterances of a split with features, words, hidden states; its batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.asr.phones.lexicon import Lexicon
from steps.asr.phones.phone_alignment import PhoneSet, TopologyConfig
from steps.asr.phones.phone_states import at_frames
from steps.text.normal_form import normalize, words
from steps.training.random_state import derive, shuffled
from utils.errors import UserError
from utils.files import read_json, write_json

if TYPE_CHECKING:
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.features.store import FeatureStore

BLOCK = 64  # utterances that the recognizer sees at once


@dataclass
class PhoneExamples:
    """Utterances of train and dev.

    Attributes:
        train, dev: sorted ids. texts: words of each. left_out: id -> why it takes no part.
        hidden: archive of the recognizer's states; None: there are none. absent: (D,) what stands for the states of
            an utterance without an output frame.
    """

    data: Dataset
    store: FeatureStore
    train: list[str]
    dev: list[str]
    texts: dict[str, list[str]]
    lexicon: Lexicon
    phones: PhoneSet
    subsampling: int = 4
    hidden: FeatureStore | None = None
    absent: np.ndarray | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """Both parts."""
        return [*self.train, *self.dev]

    def words(self, key: str) -> list[list[tuple[str, ...]]]:
        """The pronunciations of each word of an utterance."""
        return [self.lexicon[word] for word in self.texts[key]]  # type: ignore[misc]

    def features(self, key: str) -> np.ndarray:
        """float32 (T, F)."""
        return np.asarray(self.store[key])

    def hidden_at_frames(self, key: str) -> np.ndarray:
        """float32 (T, D): the recognizer's states at the frames of the features."""
        assert self.hidden is not None, "a head without a recognizer has no hidden states"
        states = self.hidden[key] if key in self.hidden else np.zeros((0, self.hidden.dim), np.float32)
        return at_frames(states, self.store.rows(key), self.subsampling, self.absent)

    def leave_out(self, key: str, reason: str) -> None:
        """This utterance takes no further part."""
        self.left_out[key] = reason
        for part in (self.train, self.dev):
            if key in part:
                part.remove(key)

    def check(self) -> None:
        """
        Raises:
            UserError: nothing is left of a part.
        """
        for name in ("train", "dev"):
            if not getattr(self, name):
                reasons = "; ".join(sorted(set(self.left_out.values()))[:3])
                raise UserError(f"{self.data.path}: no {name} utterance can be aligned{': ' * bool(reasons)}{reasons}; "
                                "check texts, lexicon and features")

    def identity(self) -> str:
        """A digest of what is learned from."""
        digest = hashlib.sha256()
        for part in (self.train, self.dev):
            for key in part:
                digest.update(f"{key}\t{' '.join(self.texts[key])}\t{self.store.rows(key)}\n".encode())
            digest.update(b"\n")
        used = sorted({word for text in self.texts.values() for word in text})
        digest.update("\n".join(f"{word} {self.lexicon[word]}" for word in used).encode())
        return digest.hexdigest()[:16]


def open_examples(data: Dataset, split: Split, fold: int, store: FeatureStore, lexicon: str, stress: bool,
                  topology: TopologyConfig, limits: Mapping[str, int], seed: int) -> PhoneExamples:
    """
    Args:
        lexicon: path of a Kaldi lexicon.txt, or "graphemes". stress: keep the digits of its phones.
        limits: part -> at most so many utterances, drawn by the seed; 0: all.

    Raises:
        UserError: a part without a usable utterance.
    """
    parts: dict[str, list[str]] = {}
    texts: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for part in ("train", "dev"):
        usable = []
        for key in split.ids(fold, part):
            item = data.items[key]
            text = words(normalize(item.text or "", item.language))
            if key not in store:
                left_out[key] = store.failed.get(key, "it has no features")
            elif not text:
                left_out[key] = "it has no text"
            else:
                usable.append(key)
                texts[key] = text
        if limits.get(part):
            usable = sorted(usable, key=lambda key: derive(seed, "subset", key))[:limits[part]]
        parts[part] = sorted(usable)
    texts = {key: texts[key] for part in parts.values() for key in part}
    vocabulary = sorted({word for text in texts.values() for word in text})
    spelled = Lexicon.of_letters(vocabulary) if lexicon == "graphemes" \
        else Lexicon.read(lexicon, stress).with_letters(vocabulary)
    phones = PhoneSet.of((tuple(map(str, spelling)) for word in vocabulary for spelling in spelled[word]), topology)
    found = PhoneExamples(data, store, parts["train"], parts["dev"], texts, spelled, phones, left_out=left_out)
    found.check()
    return found


def store_hidden(recognizer: Recognizer, examples: PhoneExamples, directory: Path) -> FeatureStore | None:
    """The recognizer's states of every utterance, in an archive; None for a recognizer that does not show them.

    A whole archive of the same recognizer and utterances is taken as it is.
    """
    from steps.features.store import DESCRIPTION, ArchiveWriter, FeatureStore

    wanted = {"recognizer": recognizer.fingerprint, "utterances": examples.identity()}
    if (directory / DESCRIPTION).is_file() and wanted.items() <= read_json(directory / DESCRIPTION).items():
        return FeatureStore.open(directory)
    (directory / DESCRIPTION).unlink(missing_ok=True)
    try:
        first = recognizer.hidden([examples.features(examples.train[0])])[0]
    except UserError as error:
        print(f"phone states: without hidden states: {error}", flush=True)
        return None
    with ArchiveWriter(directory, 1, first.shape[1]) as writer:
        for keys in blocks(examples.ids):
            for key, states in zip(keys, recognizer.hidden([examples.features(key) for key in keys]), strict=True):
                if len(states):
                    writer.add(key, states)
                else:
                    writer.fail(key, "too short for an output frame")
        writer.commit()
    write_json(directory / DESCRIPTION, {"name": "hidden", "kind": "frames", "dim": first.shape[1], "archives": 1,
                                         "frame_shift": recognizer.frame_shift, **wanted})
    return FeatureStore.open(directory)


def blocks(ids: Sequence[str], size: int = BLOCK) -> Iterator[list[str]]:
    """The ids in blocks, in order."""
    for start in range(0, len(ids), size):
        yield list(ids[start:start + size])


class PhoneStateBatches:
    """Batches of like length for the trainer; a function of (seed, epoch, ids).

    Args:
        targets: id -> (T,) components.
    """

    def __init__(self, examples: PhoneExamples, ids: Sequence[str], targets: Mapping[str, np.ndarray], batch_size: int,
                 seed: int):
        self.examples, self.ids, self.targets = examples, list(ids), targets
        self.batch_size, self.seed = batch_size, seed

    def count(self, epoch: int) -> int:
        return math.ceil(len(self.ids) / self.batch_size)

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        order = shuffled(self.ids, self.seed, epoch)
        pool = 16 * self.batch_size  # drawn at random, then sorted by length, so that little is padded
        batches: list[list[str]] = []
        for begin in range(0, len(order), pool):
            like = sorted(order[begin:begin + pool], key=lambda key: (len(self.targets[key]), key))
            cut = list(blocks(like, self.batch_size))
            names = shuffled((group[0] for group in cut), self.seed, epoch)
            batches += sorted(cut, key=lambda group: names.index(group[0]))
        for group in batches[start:]:
            yield make_batch(self.examples, group, self.targets)


def make_batch(examples: PhoneExamples, ids: Sequence[str], targets: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """See PhoneStateNetwork.loss; padded with zeros and, the targets, with -1."""
    import torch

    lengths = [len(targets[key]) for key in ids]
    features = torch.zeros(len(ids), max(lengths), examples.store.dim)
    states = torch.full((len(ids), max(lengths)), -1, dtype=torch.int64)
    batch: dict[str, Any] = {"features": features, "lengths": torch.tensor(lengths), "states": states}
    if examples.hidden is not None:
        batch["hidden"] = torch.zeros(len(ids), max(lengths), examples.hidden.dim)
    for row, (key, length) in enumerate(zip(ids, lengths, strict=True)):
        features[row, :length] = torch.from_numpy(np.array(examples.features(key)))
        states[row, :length] = torch.from_numpy(targets[key].astype(np.int64))
        if examples.hidden is not None:
            batch["hidden"][row, :length] = torch.from_numpy(examples.hidden_at_frames(key))
    return batch
