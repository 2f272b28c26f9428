"""Labels that move: a value every `step` seconds, and the frames that belong to each value. numpy
only.

Value k of a track holds from k * step to (k + 1) * step seconds after the item's start. A frame
belongs to the value that holds at the middle of its shift; the frames of a value are averaged. A
label may be longer or shorter than the frames by rounding: frames behind the last value belong to
none, and values behind the last frame have the last frame. Where frames come less often than
values, a value without a frame of its own has the frame that holds at its middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from steps.data.dataset import Item
from steps.data.dataset import Sequence as MovingLabel
from steps.training.random_state import generator
from utils.corpus import Target
from utils.errors import UserError

Track = np.ndarray  # float64 (T,), NaN where there is no label


def pooled(frames: np.ndarray, shift: float, step: float, values: int) -> np.ndarray:
    """(T, F) frames every `shift` seconds -> float32 (values, F): the mean frame of each value.

    Raises:
        ValueError: there is no frame.
    """
    if not len(frames):
        raise ValueError("there is no frame")
    # The first frame of each value; 1e-6 of a value is the rounding of shift / step.
    edges = np.ceil(np.arange(values + 1) * (step / shift) - 0.5 - 1e-6).astype(np.int64)
    first, end = np.minimum(edges[:-1], len(frames)), np.minimum(edges[1:], len(frames))
    zero = np.zeros((1, frames.shape[1]))
    sums = np.concatenate([zero, np.cumsum(frames, axis=0, dtype=np.float64)])
    means = (sums[end] - sums[first]) / np.maximum(end - first, 1)[:, None]
    middle = ((np.arange(values) + 0.5) * (step / shift)).astype(np.int64)
    nearest = frames[np.minimum(middle, len(frames) - 1)]
    return np.where((end > first)[:, None], means, nearest).astype(np.float32)


def length(item: Item, step: float, targets: Sequence[Target]) -> int:
    """How many values an item has: of its labels; of an item without labels as many as its duration
    has room for.

    Raises:
        UserError: its labels have different lengths.
    """
    found = {target.name: len(value.values) for target in targets
             if isinstance(value := item.value(target), MovingLabel)}
    if len(set(found.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in found.items())
        raise UserError(f"{item.id} has tracks of different lengths: {said}; targets that are learned "
                        "together need one value each at every step")
    return next(iter(found.values()), max(1, round(item.duration / step)))


def step_of(items: Sequence[Item], targets: Sequence[Target]) -> float:
    """The seconds between the values of all targets.

    Raises:
        UserError: targets or items differ in it, or no item has a label.
    """
    steps: dict[float, str] = {}
    for target in targets:
        if target.step is not None:
            steps.setdefault(round(target.step, 9), f"the target {target.name}")
        for item in items:
            value = item.value(target)
            if isinstance(value, MovingLabel):
                steps.setdefault(round(value.step, 9), f"{target.name} of {item.id}")
    if len(steps) != 1:
        said = ", ".join(f"{step:g} s ({who})" for step, who in list(steps.items())[:3])
        raise UserError("tracks that are learned together need values at one step; found: "
                        + (said or "no label says it"))
    return next(iter(steps))


def track_of(item: Item, target: Target, count: int) -> Track:
    """(count,) of the label; all NaN where there is none."""
    value = item.value(target)
    return np.array(value.values, dtype=np.float64) if isinstance(value, MovingLabel) else \
        np.full(count, np.nan)


def track_means(items: Sequence[Item], targets: Sequence[Target]) -> np.ndarray:
    """(N,) the mean of all labelled values of each item; NaN where it has none."""
    values = [[value for target in targets if isinstance(label := item.value(target), MovingLabel)
               for value in label.values] for item in items]
    return np.array([np.mean(own) if own else np.nan for own in values], dtype=np.float64)


def padded(tracks: Sequence[Track]) -> np.ndarray:
    """float32 (N, longest), NaN behind the end of each."""
    rows = np.full((len(tracks), max(map(len, tracks), default=0)), np.nan, dtype=np.float32)
    for row, track in zip(rows, tracks, strict=True):
        row[:len(track)] = track
    return rows


def fitted(track: Track, count: int) -> Track:
    """A track cut to `count` values, or repeated until it has so many."""
    return np.resize(track, count)


def exchanged(tracks: Sequence[Track], seed: int, purpose: str) -> list[Track]:
    """Labels for the leak audit: whole tracks exchanged among the labelled items, each cut or
    repeated to the length of the item that it comes to; unlabelled items stay so."""
    labelled = [number for number, track in enumerate(tracks) if not np.isnan(track).all()]
    shuffled = generator(seed, "permute", purpose).permutation(labelled).tolist()
    source = dict(zip(labelled, shuffled, strict=True))
    return [fitted(tracks[source.get(number, number)], len(track))
            for number, track in enumerate(tracks)]


def with_exchanged(items: Sequence[Item], targets: Sequence[Target], seed: int,
                   purpose: str) -> tuple[Item, ...]:
    """The items with the tracks of each target exchanged (`exchanged`)."""
    made = list(items)
    for target in targets:
        own = [track_of(item, target, 1) for item in items]
        for number, track in enumerate(exchanged(own, seed, purpose)):
            value = items[number].value(target)
            if isinstance(value, MovingLabel):
                moved = MovingLabel(value.step, tuple(track.tolist()))
                fields = {**made[number].fields, target.field: moved}
                made[number] = replace(made[number], fields=fields)
    return tuple(made)


def scale_of(tracks: Sequence[Track], say: Callable[[str], None], name: str) -> dict[str, float]:
    """{"mean", "std"} over all labelled values; a constant target has the std 1, and it is said
    aloud."""
    known = np.concatenate([np.zeros(0), *tracks])
    known = known[~np.isnan(known)]
    std = float(known.std()) if len(known) else 0.0
    if std < 1e-9:
        say(f"target {name} has the same value everywhere in the training part")
    return {"mean": float(known.mean()) if len(known) else 0.0, "std": std if std >= 1e-9 else 1.0}
