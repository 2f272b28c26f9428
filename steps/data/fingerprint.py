"""A coarse fingerprint of sound: finds utterances that are the same but for gain, shift, cut ends or encoding.

A frame's code has 32 bits (Haitsma and Kalker, 2002): whether the difference of the energies of two neighboring bands
(33 mel bands, 200 to 3400 Hz, over 0.3 s) rose since the frame before (16 ms). Two utterances are alike where, at some
shift, at most a fifth of the bits differ over 0.64 s of sound or more, and over half of the shorter one.

False alarms, among all pairs of a corpus: none beside the one equal pair of RAVDESS (1440 files: the same two sentences
twice by the same actors), EMO-DB (339), JAVED (288) and speechocean762 (5245): 14.9 million pairs.
Recall, of 60 changed copies of RAVDESS and EMO-DB each, percent:

    gain -20 dB, +-0.3 s, Vorbis, MP3, AAC 32 kbit/s, 8 kHz, 44.1 kHz, mu-law    100, 100
    cut by a fifth at both ends            100, 93     the rest had too little sound
    -20 dB, 0.3 s later, cut, MP3           98, 100
    white noise at 20 dB                   100, 93
    gain -40 dB in 16 bits                  83, 100
    the first half of the file              80, 78     the rest had too little sound
    MP3 at 8 kbit/s; speed + 3 %             0, 0

and 141 of 144 of JAVED's audio files in its videos (another encoding, up to 0.3 s apart). Not found either: another
pitch, the same sentence spoken again, less than about a second of sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.files import atomic_open

if TYPE_CHECKING:
    import numpy

HOP, WINDOW, SMOOTHED = 0.016, 0.064, 15  # seconds; frames that are added up
BITS, LOW, HIGH = 32, 200.0, 3400.0  # Hz: what telephones and low rates of sampling keep
DYNAMICS = 30.0  # dB below the loudest frame: what is softer is not compared
STEADY = 0.01  # mean change of the bands from frame to frame (nepers): what changes less (a tone) is not compared
SHORTEST = 40  # frames that two utterances must have in common
DIFFERENT = 0.2  # share of the bits; half are expected of different sounds, a quarter was the least that was seen
PARTS = 0xFFFFFF00, 0x00FFFFFF  # of a code, by which utterances with something in common are found
COMMON = 30  # of the utterances that share a code each is held against so many others
NEAR = 32  # frames around a common code that are looked at first
FILE = "fingerprints.npz"


@dataclass(frozen=True)
class Fingerprint:
    """codes: uint32 (T,), one a frame; heard: bool (T,), whether there is sound to compare."""

    codes: numpy.ndarray
    heard: numpy.ndarray

    @property
    def comparable(self) -> bool:
        """Whether it is long enough to be found."""
        return int(self.heard.sum()) >= SHORTEST


def fingerprint(samples: numpy.ndarray, rate: int) -> Fingerprint:
    """float (T,) at `rate` Hz -> its fingerprint, empty where there are too few samples."""
    import numpy as np

    energies = _band_energies(samples, rate)  # (frames, BITS + 1)
    if len(energies) < SMOOTHED + 2:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))
    sums = np.cumsum(np.vstack([np.zeros((1, energies.shape[1])), energies]), axis=0)
    smooth = np.maximum(sums[SMOOTHED:] - sums[:-SMOOTHED], 0)
    level = 10 * np.log10(smooth.sum(axis=1)[1:] + 1e-20)
    slopes = np.diff(np.log(smooth + 1e-12 * max(float(smooth.max()), 1e-12)), axis=1)
    rises = np.diff(slopes, axis=0)  # (frames - SMOOTHED, BITS)
    heard = (level > level.max() - DYNAMICS) & (np.abs(rises).mean(axis=1) > STEADY)
    codes = ((rises > 0) << np.arange(BITS, dtype=np.uint64)).sum(axis=1, dtype=np.uint64).astype(np.uint32)
    return Fingerprint(codes, heard)


def _band_energies(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """float32 (frames, BITS + 1): energies in mel bands, whatever the rate."""
    import numpy as np

    size = round(WINDOW * rate)
    mel = np.linspace(np.log1p(LOW / 700), np.log1p(HIGH / 700), BITS + 2)
    bins = np.round(700 * np.expm1(mel) * size / rate).astype(int)
    bins = np.maximum(bins, bins[0] + np.arange(BITS + 2))  # each band has a bin of its own
    if len(samples) < size or bins[-1] > size // 2:
        return np.zeros((0, BITS + 1), np.float32)
    starts = (np.arange(int((len(samples) - size) / (HOP * rate)) + 1) * HOP * rate).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float32), size)
    window, blocks = np.hanning(size).astype(np.float32), []
    for place in range(0, len(starts), 512):
        power = np.abs(np.fft.rfft(frames[starts[place:place + 512]] * window, axis=1)) ** 2
        blocks.append(np.add.reduceat(power[:, :bins[-1]], bins[:-1], axis=1).astype(np.float32))
    return np.concatenate(blocks)


def alike(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of positions in `prints` with the same sound (see the module's text)."""
    found: set[tuple[int, int]] = set()
    for one, other, shift in _candidates(prints).tolist():
        if (one, other) not in found and any(_same(prints[one], prints[other], shift + near)
                                             for near in (0, -1, 1, -2, 2)):
            found.add((one, other))
    return sorted(found)


def _candidates(prints: Sequence[Fingerprint]) -> numpy.ndarray:
    """int64 (N, 3): two positions and the shift in frames at which they have part of a code in common, and are near."""
    import numpy as np

    lengths = np.array([len(one.codes) for one in prints], dtype=np.int64)
    if not len(prints) or not lengths.sum():
        return np.zeros((0, 3), np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    codes, heard = (np.concatenate([getattr(one, name) for one in prints]) for name in ("codes", "heard"))
    places = np.flatnonzero(heard)
    owner = np.repeat(np.arange(len(prints), dtype=np.int64), lengths)
    pairs = []
    for part in PARTS:
        # Sorted by this part of the code, then utterance; of a code that an utterance has several times the first.
        keys = ((codes[places] & np.uint32(part)).astype(np.uint64) << np.uint64(32)) | owner[places].astype(np.uint64)
        keys, first = np.unique(keys, return_index=True)
        order, keys = places[first], keys >> np.uint64(32)
        for lag in range(1, COMMON):
            equal = np.flatnonzero(keys[lag:] == keys[:-lag])
            if not len(equal):
                break
            a, b = order[equal], order[equal + lag]
            near = _differing_around(codes, owner, a, b) <= 1.75 * DIFFERENT
            pairs.append(np.stack([owner[a], owner[b], (a - starts[owner[a]]) - (b - starts[owner[b]])], axis=1)[near])
    return np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 3), np.int64)


def _differing_around(codes: numpy.ndarray, owner: numpy.ndarray, a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """(N,) share of bits that differ in every fourth frame around the places `a` and `b` (N,), as far as both reach."""
    import numpy as np

    differing, frames = np.zeros(len(a)), np.zeros(len(a))
    for step in range(-NEAR, NEAR + 1, 4):
        left, right = a + step, b + step
        inside = (np.minimum(left, right) >= 0) & (np.maximum(left, right) < len(codes))
        left, right = np.where(inside, left, a), np.where(inside, right, b)
        inside &= (owner[left] == owner[a]) & (owner[right] == owner[b])
        differing += np.where(inside, _ones(codes[left] ^ codes[right]), 0)
        frames += inside
    return differing / (BITS * frames)


def _same(one: Fingerprint, other: Fingerprint, shift: int) -> bool:
    """Whether they are the same sound where `other` begins `shift` frames after `one`."""
    begin, end = max(0, shift), min(len(one.codes), shift + len(other.codes))
    if end - begin < SHORTEST:
        return False
    both = one.heard[begin:end] & other.heard[begin - shift:end - shift]
    if both.sum() < max(SHORTEST, min(one.heard.sum(), other.heard.sum()) / 2):
        return False
    differing = _ones(one.codes[begin:end][both] ^ other.codes[begin - shift:end - shift][both])
    return bool(differing.mean() <= DIFFERENT * BITS)


def _ones(values: numpy.ndarray) -> numpy.ndarray:
    """uint32 (N,) -> how many of the bits are 1 (N,)."""
    import numpy as np

    values = values - ((values >> np.uint32(1)) & np.uint32(0x55555555))
    values = (values & np.uint32(0x33333333)) + ((values >> np.uint32(2)) & np.uint32(0x33333333))
    values = (values + (values >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return ((values * np.uint32(0x01010101)) >> np.uint32(24)).astype(np.int64)


def save(path: Path, prints: Mapping[str, Fingerprint]) -> None:
    """Write fingerprints.npz: every id, also of those that are too short."""
    import numpy as np

    codes = [one.codes for one in prints.values()] or [np.zeros(0, np.uint32)]
    heard = [one.heard for one in prints.values()] or [np.zeros(0, bool)]
    with atomic_open(path, "wb") as stream:
        np.savez(stream, ids=np.array(list(prints), dtype=np.str_), codes=np.concatenate(codes),
                 lengths=np.array([len(one.codes) for one in prints.values()], dtype=np.int64),
                 heard=np.packbits(np.concatenate(heard)))


def load(path: Path) -> dict[str, Fingerprint]:
    """
    Raises:
        UserError: the file is missing, or is no such file.
    """
    import zipfile

    import numpy as np

    again = "run steps/validate_data.sh again"
    try:
        with np.load(path, allow_pickle=False) as stored:
            ids, codes, lengths, heard = (stored[name] for name in ("ids", "codes", "lengths", "heard"))
        ends = np.cumsum(lengths)
        fits = (codes.dtype == np.uint32 and len(ids) == len(lengths) and not (lengths < 0).any()
                and len(codes) == (ends[-1] if len(ends) else 0) and 8 * len(heard) >= len(codes))
        if not fits:
            raise ValueError("its arrays do not fit each other")
        flags = np.unpackbits(heard, count=len(codes)).astype(bool)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {again}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}): {again}") from error
    return {str(key): Fingerprint(codes[end - length:end], flags[end - length:end])
            for key, length, end in zip(ids, lengths, ends, strict=True)}
