"""Feature normalization: global, per speaker, or none. Statistics in float64, learned on training parts only.

- global: z-normalize with the mean and standard deviation of the training part.
- speaker: first z-normalize each speaker on all of his own audio (labels are not looked at; for test speakers this is
  the marked variant "norm-speaker"), then z-normalize with the training part as above.
- none: leave as it is.

A column that is constant where the statistics were learned carries no information and becomes 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.arrays import AGAIN, read_npz
from utils.errors import UsageError, UserError, reading

MODES = ("global", "speaker", "none")
# Relative to its mean, a float32 column with a smaller spread than this is constant up to rounding.
_CONSTANT = 1e-7


class Moments:
    """Mean and variance of many rows, merged block by block in float64 (Chan, Golub and LeVeque, 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray | None = None
        self._squares: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Take in (N, F) or (F,)."""
        block = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        if not len(block):
            return
        mean = block.mean(axis=0)
        squares = np.square(block - mean).sum(axis=0)
        if self.mean is None or self._squares is None:
            self.count, self.mean, self._squares = len(block), mean, squares
            return
        total = self.count + len(block)
        delta = mean - self.mean
        self.mean = self.mean + delta * (len(block) / total)
        self._squares = self._squares + squares + np.square(delta) * (self.count * len(block) / total)
        self.count = total

    @property
    def std(self) -> np.ndarray:
        """Population standard deviation (F,); 0 where the column is constant up to float32 rounding."""
        if self.mean is None or self._squares is None:
            raise ValueError("no rows were added")
        std = np.sqrt(self._squares / self.count)
        return np.where(std > _CONSTANT * np.abs(self.mean), std, 0.0)


@dataclass(frozen=True)
class Normalizer:
    """(x - mean) / std, then clipped. mean, std: float64 (F,); std 0 marks a constant column, which becomes 0.

    clip: largest magnitude after normalization, in standard deviations; functionals have wild outliers.
    """

    mean: np.ndarray
    std: np.ndarray
    clip: float | None = None

    @classmethod
    def fit(cls, rows: np.ndarray | Iterable[np.ndarray], clip: float | None = None) -> Normalizer:
        """
        Args:
            rows: (N, F), or blocks of (T, F) or (F,) one by one.

        Raises:
            UserError: no rows, or a value that is not finite.
        """
        moments = Moments()
        for block in [rows] if isinstance(rows, np.ndarray) else rows:
            moments.add(block)
        return cls.of_moments(moments, clip)

    @classmethod
    def of_moments(cls, moments: Moments, clip: float | None = None) -> Normalizer:
        if moments.mean is None:
            raise UserError("normalization: there is nothing to learn from; the training part has no features")
        std = moments.std
        if not (np.isfinite(moments.mean).all() and np.isfinite(std).all()):
            column = int(np.flatnonzero(~np.isfinite(moments.mean + std))[0])
            raise UserError(f"normalization: column {column} holds values that are not finite")
        return cls(moments.mean, std, clip)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """(..., F) -> float32 of the same shape."""
        if np.shape(rows)[-1] != len(self.mean):
            raise UserError(f"normalization was learned on {len(self.mean)} columns, these features have "
                            f"{np.shape(rows)[-1]}")
        varying = self.std > 0
        scale = np.divide(1.0, self.std, out=np.zeros_like(self.std), where=varying)
        out = (np.asarray(rows, dtype=np.float64) - self.mean) * scale
        if self.clip is not None:
            np.clip(out, -self.clip, self.clip, out=out)
        return out.astype(np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays to be stored, e.g. in a safetensors file; `from_arrays` takes them back."""
        clip = np.nan if self.clip is None else self.clip
        return {"mean": self.mean, "std": self.std, "clip": np.array([clip], dtype=np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Normalizer:
        clip = float(np.asarray(arrays["clip"]).reshape(-1)[0])
        return cls(np.asarray(arrays["mean"], dtype=np.float64), np.asarray(arrays["std"], dtype=np.float64),
                   None if np.isnan(clip) else clip)

    @classmethod
    def load(cls, path: Path, width: int | str = "F", advice: str = AGAIN) -> Normalizer:
        """What `to_arrays` gave, from a .npz file.

        Args:
            width: F, where it is known.

        Raises:
            DamagedFile: other arrays, values that are not finite, a negative deviation.
        """
        arrays = read_npz(path, {"mean": (width,), "std": (width,)}, advice)
        with reading(path, advice):
            found = cls.from_arrays(arrays)
            if (found.std < 0).any() or not (found.clip is None or found.clip > 0):
                raise ValueError("a negative deviation or limit")
        return found


@dataclass
class Normalization:
    """One mode of normalization, learned; for utterances of vectors (F,) and of frames (T, F) alike.

    Attributes:
        overall: learned on the training part; None in mode "none".
        speakers: each speaker's own statistics, in mode "speaker".
    """

    mode: str
    overall: Normalizer | None = None
    speakers: dict[str, Normalizer] = field(default_factory=dict)

    @classmethod
    def fit(cls, mode: str, utterances: Sequence[tuple[np.ndarray, str | None, bool]],
            clip: float | None = None) -> Normalization:
        """
        Args:
            utterances: (features, speaker, whether it belongs to the training part). Gone through twice in mode
                "speaker", so features may be memory-mapped. In the other modes only training utterances are looked at.

        Raises:
            UsageError: unknown mode. UserError: mode "speaker" with an utterance whose speaker is unknown.
        """
        check_mode(mode)
        if mode == "none":
            return cls(mode)
        speakers: dict[str, Normalizer] = {}
        if mode == "speaker":
            check_speakers([speaker for _, speaker, _ in utterances])
            moments = speaker_moments((features, speaker) for features, speaker, _ in utterances)
            speakers = {speaker: Normalizer.of_moments(each) for speaker, each in moments.items()}
        training = ((features, speaker) for features, speaker, train in utterances if train)
        overall = Normalizer.fit((speakers[str(speaker)].apply(features) if speakers else features
                                  for features, speaker in training), clip)
        return cls(mode, overall, speakers)

    def apply(self, features: np.ndarray, speaker: str | None = None) -> np.ndarray:
        """(..., F) of one speaker -> float32 of the same shape."""
        if self.overall is None:
            return np.asarray(features, dtype=np.float32)
        if self.mode == "speaker":
            if speaker not in self.speakers:
                raise UserError(f"normalization speaker: nothing was learned of speaker {speaker}")
            features = self.speakers[str(speaker)].apply(features)
        return self.overall.apply(features)


def normalize(mode: str, rows: np.ndarray, speakers: Sequence[str | None], train: np.ndarray,
              clip: float | None = None) -> tuple[np.ndarray, Normalizer | None]:
    """Normalize the vectors of all parts of a fold at once.

    Args:
        rows: (N, F). speakers: of each row (only mode "speaker" looks at them).
        train: bool (N,), the rows of the training part.

    Returns:
        float32 (N, F), and the normalizer learned on the training part (None in mode "none").
    """
    check_mode(mode)
    if mode == "none":
        return np.asarray(rows, dtype=np.float32), None
    if mode == "speaker":
        rows = speaker_normalize(rows, speakers)
    overall = Normalizer.fit(rows[np.asarray(train, dtype=bool)], clip)
    return overall.apply(rows), overall


def speaker_normalize(rows: np.ndarray, speakers: Sequence[str | None]) -> np.ndarray:
    """Z-normalize each speaker's rows on themselves: (N, F) -> float32 (N, F).

    A speaker with one row becomes 0 there: one utterance says nothing about a speaker's spread.

    Raises:
        UserError: a speaker is unknown.
    """
    check_speakers(speakers)
    if len(speakers) != len(rows):
        raise ValueError(f"{len(rows)} rows, {len(speakers)} speakers")
    out = np.empty(np.shape(rows), dtype=np.float32)
    labels = np.array([str(speaker) for speaker in speakers])
    for speaker in np.unique(labels):
        own = labels == speaker
        out[own] = Normalizer.fit(np.asarray(rows[own])).apply(rows[own])
    return out


def speaker_moments(utterances: Iterable[tuple[np.ndarray, str | None]]) -> dict[str, Moments]:
    """Of each speaker's own features, (F,) or (T, F) an utterance."""
    moments: dict[str, Moments] = {}
    for features, speaker in utterances:
        moments.setdefault(str(speaker), Moments()).add(features)
    return moments


def check_mode(mode: str) -> None:
    if mode not in MODES:
        raise UsageError(f"normalization is {mode!r}; accepted: {', '.join(MODES)}")


def check_speakers(speakers: Sequence[str | None]) -> None:
    """Mode "speaker" needs to know every speaker."""
    unknown = sum(speaker is None or speaker == "" for speaker in speakers)
    if unknown:
        raise UserError(f"normalization speaker: {unknown} of {len(speakers)} utterances have no known speaker; "
                        "use --norms global or none")
