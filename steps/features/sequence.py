"""The 36 features a frame of Tao & Liu (ICASSP 2018, arXiv 1710.10197).

13 MFCC, zero-crossing rate, energy, entropy of energy, spectral centroid, spread, entropy, flux and roll-off, 12
chroma, deviation of the chroma, harmonic ratio, pitch; 25 ms every 10 ms. The paper gives names; the formulas are those
of Giannakopoulos & Pikrakis, Introduction to Audio Analysis (2014), chapter 4. The MFCC are Kaldi's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steps.features.extractor import RATE, Extractor
from steps.features.framing import frames_of
from steps.features.mfcc import Mfcc, MfccConfig
from steps.features.pitch import harmonics
from utils.config import option

CHROMA = ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")
COLUMNS = [*(f"mfcc{i}" for i in range(13)), "zero_crossing_rate", "energy", "energy_entropy", "spectral_centroid",
           "spectral_spread", "spectral_entropy", "spectral_flux", "spectral_rolloff",
           *(f"chroma_{name}" for name in CHROMA), "chroma_deviation", "harmonic_ratio", "pitch"]
CONCERT_A = 27.5  # Hz, the lowest A of a piano
TINY = 1e-12  # under the energy of one 16-bit step in a frame


@dataclass
class SequenceConfig:
    """Options; times in milliseconds, frequencies in Hz."""

    extractor: str = option("sequence36", choices=["sequence36"])
    frame_length_ms: float = option(25.0, min=5.0, max=1000.0)
    frame_shift_ms: float = option(10.0, min=1.0, max=1000.0)
    blocks: int = option(10, min=2, max=100, help="sub-frames and sub-bands of the two entropies")
    rolloff: float = option(0.9, min=0.01, max=1.0, help="share of the energy below the roll-off")
    lowest_pitch: float = option(80.0, min=50.0, max=1000.0)
    highest_pitch: float = option(600.0, min=100.0, max=4000.0)
    voiced: float = option(0.5, min=0.0, max=1.0, help="smallest harmonic ratio of a frame with pitch")


class Sequence36(Extractor):
    """samples -> (frames, 36)."""

    Config = SequenceConfig
    packages = ("kaldi-native-fbank",)
    config: SequenceConfig

    def __init__(self, name: str, config: SequenceConfig):
        super().__init__(name, config)
        self.length, self.shift = (round(RATE * ms / 1000) for ms in (config.frame_length_ms, config.frame_shift_ms))
        self.mfcc = Mfcc(name, MfccConfig(num_ceps=13, use_energy=False, frame_length_ms=config.frame_length_ms,
                                          frame_shift_ms=config.frame_shift_ms, high_freq=0.0))
        self.columns, self.dim = list(COLUMNS), len(COLUMNS)
        self.frame_shift = config.frame_shift_ms / 1000

    def extract(self, samples: np.ndarray) -> np.ndarray:
        cepstra = self.mfcc.extract(samples)
        frames = frames_of(samples, self.length, self.shift).astype(np.float64)
        magnitude = np.abs(np.fft.rfft(frames * np.hamming(self.length), fft_size(self.length)))
        config = self.config
        chroma = chroma_of(magnitude)
        ratio, pitch = harmonics(frames, RATE, config.lowest_pitch, config.highest_pitch, config.voiced)
        centroid, spread = centroid_and_spread(magnitude)
        return np.column_stack([
            cepstra, zero_crossing_rate(frames), np.square(frames).mean(axis=1),
            entropy(np.square(frames), config.blocks), centroid, spread, entropy(np.square(magnitude), config.blocks),
            flux(magnitude), rolloff(magnitude, config.rolloff), chroma, chroma.std(axis=1), ratio, pitch,
        ]).astype(np.float32)


def fft_size(length: int) -> int:
    """The next power of 2."""
    return 1 << (length - 1).bit_length()


def zero_crossing_rate(frames: np.ndarray) -> np.ndarray:
    """(T, L) -> (T,): the share of neighbors of different sign."""
    return (np.diff(np.signbit(frames).astype(np.int8), axis=1) != 0).mean(axis=1)


def entropy(energies: np.ndarray, blocks: int) -> np.ndarray:
    """(T, N) -> (T,) in bits: how evenly the energy lies over so many consecutive blocks; 0 in silence."""
    edges = np.linspace(0, energies.shape[1], blocks + 1).round().astype(int)
    share = shares(np.add.reduceat(energies, edges[:-1], axis=1))
    return -(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=1)


def centroid_and_spread(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, K) -> (T,) and (T,): mean and deviation of frequency under the spectrum, in units of half the rate."""
    frequency, share = np.linspace(0, 1, magnitude.shape[1]), shares(magnitude)
    centroid = share @ frequency
    away = np.square(frequency[None] - centroid[:, None])
    return centroid, np.sqrt((share * away).sum(axis=1))


def flux(magnitude: np.ndarray) -> np.ndarray:
    """(T, K) -> (T,): squared difference from the spectrum before, both of sum 1; 0 at the first frame."""
    share = shares(magnitude)
    return np.square(np.diff(share, axis=0, prepend=share[:1])).sum(axis=1)


def rolloff(magnitude: np.ndarray, share: float) -> np.ndarray:
    """(T, K) -> (T,): the frequency that has this share of the energy at or below it, in units of half the rate."""
    below = np.cumsum(np.square(magnitude), axis=1)
    return (below < share * below[:, -1:]).sum(axis=1) / (magnitude.shape[1] - 1)


def chroma_of(magnitude: np.ndarray) -> np.ndarray:
    """(T, K) -> (T, 12): shares of the energy by pitch class, from A; the bin of frequency 0 belongs to none."""
    bins = magnitude.shape[1]
    frequency = np.linspace(0, RATE / 2, bins)[1:]
    number = np.round(12 * np.log2(frequency / CONCERT_A)).astype(int) % 12
    return shares(np.square(magnitude[:, 1:]) @ np.eye(12)[number])


def shares(values: np.ndarray) -> np.ndarray:
    """(T, N), not negative, each row divided by its sum; rows of silence become 0."""
    total = values.sum(axis=1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > TINY)
