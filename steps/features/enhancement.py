"""Samples before the features: spectral subtraction and gain, as LSSED was prepared (Fan et al., ICASSP 2021).

Spectral subtraction: Boll, "Suppression of acoustic noise in speech using spectral subtraction", IEEE Trans. ASSP
27(2), 1979: from every magnitude the mean magnitude of the noise is taken away, the phase stays. Berouti, Schwartz &
Makhoul, ICASSP 1979, take away more than the mean and leave a floor, which masks the musical tones of what is left.
LSSED's paper says neither which refinement nor which constants it used; those here are Berouti's (a power of 4 times
the noise's, a floor 20 dB below it).
"""

from __future__ import annotations

import numpy as np

LENGTH, SHIFT = 512, 256  # samples: 32 ms at 16 kHz, overlapping by half, as Boll's
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(LENGTH) / LENGTH)  # periodic: two overlapping halves sum to 1


def spectral_subtraction(samples: np.ndarray, over: float = 2.0, floor: float = 0.1,
                         noise_share: float = 0.1) -> np.ndarray:
    """float32 (T,) -> float32 (T,), with the noise's magnitude taken out of every frame's spectrum.

    The noise is the mean magnitude of the utterance's quietest frames; frames of digital silence say nothing of it. So
    what is stationary counts as noise, a constant as well.

    Args:
        over: how many times the noise is taken away. floor: share of the noise that stays at least (of a magnitude
            below that, the magnitude). noise_share: share of the frames that are the quietest, one at least.
    """
    if not len(samples):
        return samples
    padded = np.pad(samples, (SHIFT, SHIFT + -len(samples) % SHIFT), mode="symmetric")  # every sample lies in two
    frames = np.lib.stride_tricks.sliding_window_view(padded, LENGTH)[::SHIFT] * HANN
    spectrum = np.fft.rfft(frames)  # (frames, LENGTH / 2 + 1)
    magnitude = np.abs(spectrum)
    kept = subtract(magnitude, quietest(magnitude, noise_share), over, floor)
    spectrum *= np.divide(kept, magnitude, out=np.zeros_like(magnitude), where=magnitude > 0)
    return overlap_add(np.fft.irfft(spectrum, LENGTH))[SHIFT:SHIFT + len(samples)].astype(np.float32)


def subtract(magnitude: np.ndarray, noise: np.ndarray, over: float, floor: float) -> np.ndarray:
    """(frames, bins) and (bins,) -> (frames, bins): max(|Y| - over |N|, floor |N|), never more than |Y|."""
    return np.minimum(np.maximum(magnitude - over * noise, floor * noise), magnitude)


def quietest(magnitude: np.ndarray, share: float) -> np.ndarray:
    """(frames, bins) -> (bins,): the mean over the quietest frames by energy; zero where all is digital silence."""
    energy = np.square(magnitude).sum(axis=1)
    sounding = np.flatnonzero(energy)
    if not len(sounding):
        return np.zeros(magnitude.shape[1])
    count = max(1, round(share * len(sounding)))
    return magnitude[sounding[np.argsort(energy[sounding], kind="stable")[:count]]].mean(axis=0)


def overlap_add(frames: np.ndarray) -> np.ndarray:
    """(frames, LENGTH) -> ((frames + 1) SHIFT,): frame i is added from sample i SHIFT on."""
    out = np.zeros((len(frames) + 1, SHIFT))
    out[:-1] += frames[:, :SHIFT]
    out[1:] += frames[:, SHIFT:]
    return out.ravel()


def amplify(samples: np.ndarray, gain: float) -> tuple[np.ndarray, int]:
    """(T,) times `gain`, held in [-1, 1], and how many samples had to be."""
    louder = samples * np.float32(gain)
    return np.clip(louder, -1.0, 1.0), int((np.abs(louder) > 1.0).sum())
