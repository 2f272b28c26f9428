"""From espeak-ng's samples to an emotional voice at 16 kHz: colour, tremor, pauses, level, bursts. numpy only."""

from __future__ import annotations

import numpy as np

RATE = 16000
OVERSAMPLING = 4
TARGET_LEVEL = -27.0  # dB relative to full scale, of the frames in which somebody speaks
VIBRATO = 0.035  # relative change of frequency at tremor depth 1


def reshape(samples: np.ndarray, rate: int, *, warp: float = 1.0, tilt: float = 0.0, tremor: float = 0.0,
            tremor_rate: float = 5.0, phase: float = 0.0) -> np.ndarray:
    """Colour, resample and shake in one pass.

    Filters in the frequency domain, oversamples by 4, and reads the result at the (trembling) times of 16 kHz samples.

    Args:
        samples: (T,) at `rate` Hz. warp: factor on all frequencies; the duration changes by its inverse.
        tilt: dB an octave about 1 kHz. tremor: depth 0 to 1 of a modulation of loudness and pitch at `tremor_rate` Hz.

    Returns: float64 (T',) at 16 kHz.
    """
    length = -(-(len(samples) + rate // 20) // 2048) * 2048  # padded, so that the filter does not wrap around
    spectrum = np.fft.rfft(samples, length)
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    octaves = np.log2(np.clip(frequencies, 125, 8000) / 1000)
    spectrum *= 10 ** (tilt * octaves / 20) * (frequencies < 0.487 * RATE / warp)
    fine = np.fft.irfft(spectrum, OVERSAMPLING * length) * OVERSAMPLING
    time = np.arange(int(len(samples) / rate / warp * RATE)) / RATE
    angle = 2 * np.pi * tremor_rate * time + phase
    shaken = warp * (time - VIBRATO * tremor / (2 * np.pi * tremor_rate) * np.cos(angle))
    voice = np.interp(shaken * rate * OVERSAMPLING, np.arange(len(fine)), fine)
    return voice * (1 + 0.7 * tremor * np.sin(angle)) / (1 + 0.7 * tremor)


def trim(voice: np.ndarray, margin: float = 0.08) -> np.ndarray:
    """Cut silence at both ends down to `margin` seconds."""
    loud = np.flatnonzero(np.abs(voice) > 0.01 * np.abs(voice).max())
    keep = int(margin * RATE)
    return voice[max(0, loud[0] - keep):loud[-1] + keep]


def active_level(voice: np.ndarray) -> float:
    """Root mean square of the 20 ms frames within 30 dB of the loudest one."""
    frames = voice[:len(voice) // 320 * 320].reshape(-1, 320)
    power = (frames ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean()))


def set_level(voice: np.ndarray, loudness: float) -> np.ndarray:
    """Scale to TARGET_LEVEL + `loudness` dB."""
    return voice * (10 ** ((TARGET_LEVEL + loudness) / 20) / active_level(voice))


def insert_pauses(voice: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Insert up to `count` silences of 0.15 to 0.45 s at the quietest places between 15 % and 85 % of the utterance."""
    width = RATE // 50
    power = (voice[:len(voice) // width * width].reshape(-1, width) ** 2).mean(axis=1)
    low, high = int(0.15 * len(power)), int(0.85 * len(power))
    places: list[int] = []
    for frame in low + np.argsort(power[low:high], kind="stable"):
        if len(places) == count:
            break
        if all(abs(frame - other) > 15 for other in places):
            places.append(int(frame))
    pieces, start = [], 0
    for frame in sorted(places):
        cut = frame * width + width // 2
        pieces += [_fade(voice[start:cut]), np.zeros(int(rng.uniform(0.15, 0.45) * RATE))]
        start = cut
    return np.concatenate([*pieces, voice[start:]])


def _fade(piece: np.ndarray, length: int = 80) -> np.ndarray:
    """5 ms fade-out, so that a cut does not click."""
    faded = piece.copy()
    faded[-length:] *= np.linspace(1, 0, min(length, len(piece)))
    return faded


def laughter(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Three to six voiced, breathy syllables whose pitch and loudness fall. pitch: Hz."""
    syllables = []
    count = int(rng.integers(3, 7))
    for k in range(count):
        decline = 1 - 0.5 * k / count
        syllable = _vowel(pitch * (1.25 * decline ** 0.6), 0.7, float(rng.uniform(0.08, 0.12)), (750, 1250, 2700), rng)
        breath = band_noise(int(rng.uniform(0.05, 0.09) * RATE), 800, 4500, rng) * 0.12
        syllables += [syllable * decline, breath * decline]
    return np.concatenate(syllables)


def sob(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """One or two times a sharp breath in, then a shaking, falling moan. pitch: Hz."""
    pieces = []
    for _ in range(int(rng.integers(1, 3))):
        length = int(rng.uniform(0.12, 0.2) * RATE)
        breath = band_noise(length, 1200, 5000, rng) * np.linspace(0, 0.5, length) ** 2
        moan = _vowel(pitch * 1.3, 0.6, float(rng.uniform(0.2, 0.35)), (450, 1000, 2500), rng)
        shake = 1 + 0.6 * np.sin(2 * np.pi * rng.uniform(8, 11) * np.arange(len(moan)) / RATE)
        pieces += [breath, np.zeros(RATE // 25), moan * shake * 0.6, np.zeros(RATE // 12)]
    return np.concatenate(pieces)


def _vowel(pitch: float, fall: float, duration: float, formants: tuple[float, ...],
           rng: np.random.Generator) -> np.ndarray:
    """A vowel as a sum of harmonics under formant bumps; its pitch falls to `fall` times `pitch`."""
    time = np.arange(int(duration * RATE)) / RATE
    frequency = pitch * np.linspace(1, fall, len(time)) * rng.uniform(0.95, 1.05)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = np.zeros(len(time))
    for harmonic in range(1, int(5000 / pitch)):
        height = sum(np.exp(-0.5 * ((harmonic * pitch - formant) / 160) ** 2) / (1 + k)
                     for k, formant in enumerate(formants))
        voice += (height + 0.05 / harmonic) * np.sin(harmonic * phase)
    voice += 0.3 * band_noise(len(time), 500, 5000, rng)
    return voice * np.sin(np.pi * np.linspace(0, 1, len(time))) ** 0.7


def band_noise(length: int, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """White noise between two frequencies (Hz), root mean square 1."""
    padded = -(-length // 1024) * 1024  # a length with small factors is transformed faster
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequencies = np.fft.rfftfreq(padded, 1 / RATE)
    noise = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies <= high)), padded)[:length]
    return noise / max(1e-9, float(np.sqrt((noise ** 2).mean())))


def add_burst(voice: np.ndarray, kind: str, pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Put a laugh or a sob before or after the words, as loud as they are or a little softer."""
    burst = laughter(pitch, rng) if kind == "laugh" else sob(pitch, rng)
    burst *= active_level(voice) / active_level(burst) * 10 ** (-rng.uniform(0, 6) / 20)
    gap = np.zeros(int(rng.uniform(0.05, 0.25) * RATE))
    return np.concatenate([burst, gap, voice] if rng.random() < 0.5 else [voice, gap, burst])
