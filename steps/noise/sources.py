"""Where the noise of an utterance comes from: sounds of our own making, or MUSAN by its path.

MUSAN (Snyder, Chen & Povey 2015) is read as DIR/noise/**.wav, DIR/music/**.wav and DIR/speech/**.wav; babble is the sum
of 3 to 7 speech files, as in Kaldi's recipes. It has no crying, laughing and coughing apart, so bursts stay our own.
Half of its files, by a hash of their names, are noises for training and half for testing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from steps.data.audio import audio_info, read_audio, resample
from steps.noise import KINDS, POOLS, synthetic
from steps.training.random_state import derive
from utils.errors import UserError
from utils.sound.signal import RATE, active_level
from utils.walk import files_below

FOLDERS = {"noise": "noise", "music": "music", "babble": "speech"}  # of MUSAN, by kind
VOICES = (3, 7)  # of a babble
TRIES = 8  # at a place in a recording where something sounds
QUIET = 10 ** (-30 / 20)  # of a recording's own level: an excerpt below this is a pause


class Source(Protocol):
    """Gives the noise of one utterance."""

    def excerpt(self, kind: str, length: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """(length,) samples at 16 kHz that are not silent, and the name of what they are from."""


class Synthetic:
    """The bank of steps/noise/synthetic.py."""

    def __init__(self, pool: str, seed: int):
        self.pool, self.seed = pool, seed

    def excerpt(self, kind: str, length: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        number = int(rng.integers(synthetic.RECORDINGS))
        samples = synthetic.recording(kind, number, self.pool, self.seed)
        level = float(np.sqrt(np.mean(samples ** 2)))
        found = audible(lambda start: np.resize(np.roll(samples, -start), length), len(samples), level, rng)
        return found, f"{kind}-{number}"


class Musan:
    """The files of MUSAN that belong to one pool; bursts are synthetic."""

    def __init__(self, directory: Path, pool: str, seed: int, kinds: Sequence[str] = KINDS):
        """
        Raises:
            UserError: no file of a kind; names the folder.
        """
        self.own = Synthetic(pool, seed)
        self.directory = directory
        self.files = {kind: in_pool(directory, FOLDERS[kind], pool) for kind in kinds if kind in FOLDERS}

    def excerpt(self, kind: str, length: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        if kind not in self.files:
            return self.own.excerpt(kind, length, rng)
        files = self.files[kind]
        if kind != "babble":
            path = files[int(rng.integers(len(files)))]
            return self._read(path, length, rng), self._name(path)
        count = min(int(rng.integers(VOICES[0], VOICES[1] + 1)), len(files))
        chosen = [files[number] for number in sorted(rng.choice(len(files), count, replace=False).tolist())]
        voices = [self._read(path, length, rng) for path in chosen]
        return sum((voice / active_level(voice) for voice in voices), np.zeros(length)), " ".join(
            map(self._name, chosen))

    def _read(self, path: Path, length: int, rng: np.random.Generator) -> np.ndarray:
        info = audio_info(path)
        seconds = length / RATE

        def at(start: int) -> np.ndarray:
            begin = min(start / info.rate, max(0.0, info.duration - seconds))
            samples, rate, _ = read_audio(path, begin, min(seconds, info.duration - begin))
            return np.resize(resample(samples, rate), length)

        return audible(at, info.samples, None, rng)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()


def audible(cut: object, length: int, level: float | None, rng: np.random.Generator) -> np.ndarray:
    """The first of a few random excerpts that is no pause, else the loudest.

    Args:
        cut: start -> samples. level: of the whole recording; None: an excerpt counts from -60 dB of full scale on.

    Raises:
        UserError: all of them are silent.
    """
    limit = 1e-3 if level is None else QUIET * level
    best, loudest = np.zeros(0), 0.0
    for _ in range(TRIES):
        samples = cut(int(rng.integers(length)))  # type: ignore[operator]
        loud = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        if loud > loudest:
            best, loudest = samples, loud
        if loudest >= limit:
            return best
    if not loudest:
        raise UserError("a recording of noise is silent wherever it was looked at; take it out of its directory")
    return best


def in_pool(directory: Path, folder: str, pool: str) -> list[Path]:
    """The files of one folder of MUSAN that are for training, or those for testing.

    Raises:
        UserError: there are none.
    """
    files = [path for path in files_below(directory / folder, ".wav") if not path.name.startswith(".")]
    mine = [path for path in files if derive(0, path.relative_to(directory).as_posix()) % 2 == POOLS.index(pool)]
    if not mine:
        raise UserError(f"{directory / folder} has {len(files)} wav files, none of them among the {pool} noises; "
                        "--musan takes the directory of MUSAN, with noise/, music/ and speech/ (openslr.org/17)")
    return mine


def open_source(musan: str | None, pool: str, seed: int, kinds: Sequence[str]) -> Source:
    return Synthetic(pool, seed) if musan is None else Musan(Path(musan), pool, seed, kinds)
