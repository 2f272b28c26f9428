"""The same audio under two ids: exactly, or but for the rounding or dither of a conversion.

RAVDESS holds such a pair; after a resampling its two files differ by two quantization steps, so that a hash of the
samples alone does not see it. Utterances of one length whose envelopes agree are therefore compared sample by sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

    from steps.data.fingerprint import Fingerprint

SEGMENTS = 32
ENVELOPE_TOLERANCE = 0.02  # relative distance of two envelopes that are worth a look
NOISE = 1e-3  # energy of the difference over that of the signal (-30 dB); two takes of a sentence lie above 0.1


@dataclass(frozen=True)
class Print:
    """What is kept of an utterance's samples (or given features).

    Attributes:
        envelope: of audio, see `envelope`; None is compared by its hash alone.
        silent: every sample is 0; never compared.
        sound: of audio, what finds the same sound under a change (steps/data/fingerprint.py).
    """

    hash: str
    samples: int
    envelope: numpy.ndarray | None = None
    silent: bool = False
    sound: Fingerprint | None = None


def envelope(values: numpy.ndarray) -> numpy.ndarray | None:
    """float (T,) -> (SEGMENTS,); None where there is no signal or too little of it."""
    import numpy

    if values.ndim != 1 or len(values) < SEGMENTS or not values.any():
        return None
    starts = numpy.linspace(0, len(values), SEGMENTS, endpoint=False).astype(int)
    return numpy.add.reduceat(numpy.abs(values), starts) / numpy.diff([*starts, len(values)])


def find_identical(prints: Mapping[str, Print], read: Callable[[str], numpy.ndarray]) -> list[list[str]]:
    """Groups of ids (two or more, sorted) that hold the same audio; silence is left out.

    Args:
        read: id -> samples (T,), asked only for pairs whose envelopes agree.
    """
    import numpy

    by_hash: dict[str, list[str]] = defaultdict(list)
    by_length: dict[int, list[str]] = defaultdict(list)
    for key, seen in sorted(prints.items()):
        if not seen.silent:
            by_hash[seen.hash].append(key)
            if len(by_hash[seen.hash]) == 1 and seen.envelope is not None:
                by_length[seen.samples].append(key)
    for keys in by_length.values():
        shapes = numpy.stack([prints[key].envelope for key in keys])  # (N, SEGMENTS)
        sizes = numpy.linalg.norm(shapes, axis=1)
        order = numpy.argsort(sizes, kind="stable")
        shapes, sizes, keys = shapes[order], sizes[order], [keys[i] for i in order]
        for i, key in enumerate(keys):
            end = int(numpy.searchsorted(sizes, sizes[i] * (1 + ENVELOPE_TOLERANCE), side="right"))
            near = numpy.linalg.norm(shapes[i + 1:end] - shapes[i], axis=1) <= ENVELOPE_TOLERANCE * sizes[i]
            for j in numpy.flatnonzero(near) + i + 1:
                if _same(read(key), read(keys[j])):
                    _merge(by_hash, prints[key].hash, prints[keys[j]].hash)
    groups = {id(group): sorted(group) for group in by_hash.values() if len(group) > 1}
    return sorted(groups.values())


def _same(a: numpy.ndarray, b: numpy.ndarray) -> bool:
    return float(((a - b) ** 2).sum()) <= NOISE * float((a**2).sum())


def _merge(groups: dict[str, list[str]], first: str, second: str) -> None:
    """Let both hashes name one list."""
    if groups[first] is groups[second]:
        return
    moved = groups[second]
    groups[first].extend(moved)
    for name, members in list(groups.items()):
        if members is moved:
            groups[name] = groups[first]
