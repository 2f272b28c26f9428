"""Which components a frame of speech belongs to, told in four ways; the rest of the package sees no difference.

    phone_states   a head of the recognizer that tells phone states, trained on forced alignments; silence left out
    clusters       k-means over the recognizer's hidden states; each frame belongs softly to the near ones
    tokens         the recognizer's CTC posteriors without the blank
    gmm            a Gaussian mixture over the speaker features themselves: no recognizer

    Occupier.of(utterance) -> Occupancies of the utterance's frames (10 ms)

A frame that is not voiced, or that most likely is silence of the phone-state head, has no component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from steps.ivector.sparse import Occupancies
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.asr.phones.phone_states import PhoneStateHead
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.features.extractor import Extractor
    from steps.ivector.gmm import Gmm

HEAD = "phone_states"  # below a recognizer's directory
HEAD_ABOUT = "phone_states.json"


@dataclass(frozen=True)
class Utterance:
    """What is known of an utterance, at frames of 10 ms.

    Attributes:
        features: speaker features (T, D). voiced: bool (T,).
        fbank: the recognizer's input (T, F); None where no recognizer takes part.
    """

    id: str
    features: np.ndarray
    voiced: np.ndarray
    fbank: np.ndarray | None = None


@dataclass(frozen=True)
class HeadAlone:
    """In the place of a recognizer: a phone-state head that takes filter banks and no hidden states."""

    extractor: Extractor
    fingerprint: str = "none"

    @classmethod
    def open(cls, directory: Path) -> HeadAlone:
        """
        Raises:
            UserError: damaged.
        """
        from steps.features.registry import remake
        from utils.files import read_json

        try:
            about = read_json(directory / HEAD_ABOUT)
            return cls(remake(about["features"], about["options"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{directory / HEAD_ABOUT} is damaged ({error}); run steps/train_phone_states.sh "
                            "again") from error


class Occupier(Protocol):
    """count: number of components C. fingerprint: changes whenever the occupancies of an utterance would."""

    count: int
    fingerprint: str

    def of(self, utterance: Utterance) -> Occupancies:
        """Occupancies of all T frames; frames that are not to count have none."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What was learned for it beside the recognizer."""


def at_frames(frames: int, available: int, subsampling: int) -> np.ndarray:
    """For each of `frames` input frames the output frame (of `available`) with the nearest center, int64 (frames,).

    Output frame j of the recognizer is centerd at input frame subsampling * j + subsampling - 1: for 4 by two
    convolutions of width 3 and stride 2 without padding, it sees the frames 4j to 4j + 6.
    """
    nearest = np.floor_divide(np.arange(frames) - (subsampling - 1) + subsampling // 2, subsampling)
    return np.clip(nearest, 0, max(available - 1, 0))


def only_voiced(posteriors: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Posteriors (T, C) with zeros where nobody speaks; frames that one of both lacks are silence."""
    out = np.zeros((len(voiced), posteriors.shape[1]), dtype=np.float64)
    frames = min(len(voiced), len(posteriors))
    speaks = np.flatnonzero(voiced[:frames])
    out[speaks] = posteriors[speaks]
    return out


@dataclass
class GmmOccupier:
    """The posteriors of a Gaussian mixture."""

    gmm: Gmm
    top: int
    prune: float
    fingerprint: str = ""  # the mixture is part of the extractor

    @property
    def count(self) -> int:
        return len(self.gmm.weights)

    def of(self, utterance: Utterance) -> Occupancies:
        spoken = np.flatnonzero(utterance.voiced)
        found = self.gmm.occupancies(utterance.features[spoken], self.top, self.prune)
        sizes = np.zeros(len(utterance.voiced), dtype=np.int64)
        sizes[spoken] = np.diff(found.indptr)
        return Occupancies(np.concatenate([[0], np.cumsum(sizes)]), found.components, found.weights, self.count)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return self.gmm.to_arrays()


@dataclass
class TokenOccupier:
    """CTC posteriors without the blank: blank dominates most frames, what is left still tells the sound."""

    recognizer: Recognizer
    prune: float

    @property
    def fingerprint(self) -> str:
        return self.recognizer.fingerprint

    @property
    def count(self) -> int:
        return self.recognizer.dim - 1

    def of(self, utterance: Utterance) -> Occupancies:
        frames = len(utterance.voiced)
        log_posteriors = self.recognizer.log_posteriors([_fbank(utterance)])[0]
        if not len(log_posteriors):
            return nobody(frames, self.count)
        tokens = log_posteriors[:, 1:].astype(np.float64)  # blank is token 0
        tokens = np.exp(tokens - tokens.max(axis=1, keepdims=True))
        stretched = tokens[at_frames(frames, len(tokens), self.recognizer.subsampling)]
        return Occupancies.of_dense(only_voiced(stretched, utterance.voiced), self.prune)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}


@dataclass
class ClusterOccupier:
    """Soft assignment to clusters of hidden states: posteriors of equal spherical Gaussians around the means.

    Attributes:
        means: (C, H). variance: mean square distance of a state to its own mean, a dimension.
    """

    recognizer: Recognizer
    means: np.ndarray
    variance: float
    prune: float

    @property
    def fingerprint(self) -> str:
        return self.recognizer.fingerprint

    @property
    def count(self) -> int:
        return len(self.means)

    def of(self, utterance: Utterance) -> Occupancies:
        frames = len(utterance.voiced)
        hidden = self.recognizer.hidden([_fbank(utterance)])[0]
        if not len(hidden):
            return nobody(frames, self.count)
        logits = -squared_distances(hidden, self.means) / (2 * self.variance)
        posteriors = np.exp(logits - logits.max(axis=1, keepdims=True))
        stretched = posteriors[at_frames(frames, len(hidden), self.recognizer.subsampling)]
        return Occupancies.of_dense(only_voiced(stretched, utterance.voiced), self.prune)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"means": self.means, "variance": np.array([self.variance])}


@dataclass
class PhoneStateOccupier:
    """Posteriors of phone states; a frame whose silence states together have more than half is left out."""

    recognizer: Recognizer | HeadAlone
    head: PhoneStateHead
    prune: float
    _spoken: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.head.recognizer not in (None, self.recognizer.fingerprint):
            raise UserError(f"the phone-state head was trained on the recognizer {self.head.recognizer}, this is "
                            f"{self.recognizer.fingerprint}; give the former with --asr, or train the head again")
        self._spoken = np.setdiff1d(np.arange(len(self.head)), np.asarray(self.head.silence, dtype=np.int64))

    @property
    def fingerprint(self) -> str:
        return f"{self.recognizer.fingerprint} {self.head.fingerprint}"

    @property
    def count(self) -> int:
        return len(self._spoken)

    def of(self, utterance: Utterance) -> Occupancies:
        fbank = _fbank(utterance)
        hidden = None if self.head.recognizer is None else self.recognizer.hidden([fbank])[0]
        posteriors = np.asarray(self.head.posteriors(fbank, hidden))[:, self._spoken]
        frames = min(len(posteriors), len(utterance.voiced))
        voiced = utterance.voiced.copy()
        voiced[:frames] &= posteriors[:frames].sum(axis=1) > 0.5
        return Occupancies.of_dense(only_voiced(posteriors, voiced), self.prune)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}


def squared_distances(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """float64 (N, C) of rows (N, H) and means (C, H)."""
    rows = np.asarray(rows, dtype=np.float64)
    found = np.square(rows).sum(axis=1)[:, None] - 2 * rows @ means.T + np.square(means).sum(axis=1)
    return np.maximum(found, 0.0)


def nobody(frames: int, count: int) -> Occupancies:
    """Occupancies of an utterance in which no frame counts."""
    return Occupancies(np.zeros(frames + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), count)


def _fbank(utterance: Utterance) -> np.ndarray:
    if utterance.fbank is None:
        raise ValueError(f"{utterance.id}: no filter bank was read for the recognizer")
    return utterance.fbank


def open_occupier(kind: str, recognizer: Recognizer | HeadAlone | None, directory: Path | None,
                  arrays: Mapping[str, np.ndarray], prune: float, top: int = 20) -> Occupier:
    """
    Args:
        recognizer, directory: and where it lies; None for gmm.
        arrays: what was learned: the mixture, the clusters.

    Raises:
        UserError: no recognizer, or it has no phone-state head.
    """
    from steps.ivector.config import CLUSTERS, GMM, TOKENS

    if kind == GMM:
        from steps.ivector.gmm import Gmm

        return GmmOccupier(Gmm.from_arrays(arrays), top, prune)
    if recognizer is None or directory is None:
        raise UserError(f"occupancy {kind} takes a recognizer: give --asr DIR, or --occupancy gmm", 2)
    if kind == TOKENS:
        return TokenOccupier(recognizer, prune)
    if kind == CLUSTERS:
        return ClusterOccupier(recognizer, np.asarray(arrays["means"]), float(arrays["variance"][0]), prune)
    head = directory if isinstance(recognizer, HeadAlone) else directory / HEAD
    if not head.is_dir():
        raise UserError(f"{directory} has no {HEAD}/: train the head with steps/train_phone_states.sh, or take another "
                        "--occupancy (clusters, tokens, gmm)", 2)
    from steps.asr.phones.phone_states import PhoneStateHead, check_recognizer

    loaded = PhoneStateHead.load(head)
    check_recognizer(loaded, recognizer.fingerprint)
    return PhoneStateOccupier(recognizer, loaded, prune)
