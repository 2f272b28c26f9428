"""Each of the 36 features against its formula, written out as loops over samples and bins of one frame."""

import cmath
import math

import numpy as np
import pytest

from steps.features.extractor import CannotCompute
from steps.features.mfcc import Mfcc, MfccConfig
from steps.features.registry import create

RATE, LENGTH, SHIFT = 16000, 400, 160
FRAMES = (0, 7, 23)


def voice() -> np.ndarray:
    generator = np.random.default_rng(3)
    time = np.arange(RATE // 3) / RATE
    tone = sum(np.sin(2 * np.pi * 170 * k * time) / k for k in range(1, 15))
    return (0.1 * tone * np.abs(np.sin(15 * time)) + 0.01 * generator.standard_normal(len(time))).astype(np.float32)


SAMPLES = voice()


def frame(number: int) -> list[float]:
    inside = []
    for place in range(LENGTH):
        at = number * SHIFT + SHIFT // 2 - LENGTH // 2 + place
        inside.append(float(SAMPLES[-at - 1 if at < 0 else at]))
    return inside


def spectrum(number: int) -> list[float]:
    """Magnitudes of 257 bins by the definition of the transform (a few bins suffice to trust the library's)."""
    window = [0.54 - 0.46 * math.cos(2 * math.pi * n / (LENGTH - 1)) for n in range(LENGTH)]
    x = [value * weight for value, weight in zip(frame(number), window, strict=True)]
    magnitude = np.abs(np.fft.fft(x, 512))[:257]
    for k in (0, 5, 100, 256):
        slow = abs(sum(value * cmath.exp(-2j * math.pi * k * n / 512) for n, value in enumerate(x)))
        assert magnitude[k] == pytest.approx(slow, rel=1e-6, abs=1e-9)
    return magnitude.tolist()


def zero_crossing_rate(number):
    x = frame(number)
    return sum((a < 0) != (b < 0) for a, b in zip(x, x[1:], strict=False)) / (LENGTH - 1)


def energy(number):
    return sum(value * value for value in frame(number)) / LENGTH


def blocks_entropy(values):
    edges = [round(len(values) * k / 10) for k in range(11)]
    total = sum(values)
    parts = [sum(values[a:b]) / total for a, b in zip(edges, edges[1:], strict=False)]
    return -sum(part * math.log2(part) for part in parts)


def energy_entropy(number):
    return blocks_entropy([value * value for value in frame(number)])


def spectral_centroid(number):
    x = spectrum(number)
    return sum(k / 256 * value for k, value in enumerate(x)) / sum(x)


def spectral_spread(number):
    x, center = spectrum(number), spectral_centroid(number)
    return math.sqrt(sum((k / 256 - center) ** 2 * value for k, value in enumerate(x)) / sum(x))


def spectral_entropy(number):
    return blocks_entropy([value * value for value in spectrum(number)])


def spectral_flux(number):
    if number == 0:
        return 0.0
    now, before = spectrum(number), spectrum(number - 1)
    return sum((a / sum(now) - b / sum(before)) ** 2 for a, b in zip(now, before, strict=True))


def spectral_rolloff(number):
    power = [value * value for value in spectrum(number)]
    reached = 0.0
    for k, value in enumerate(power):
        reached += value
        if reached >= 0.9 * sum(power):
            return k / 256
    raise AssertionError


def chroma(number):
    classes = [0.0] * 12
    for k, value in enumerate(spectrum(number)):
        if k:
            classes[round(12 * math.log2(k * RATE / 512 / 27.5)) % 12] += value * value
    return [value / sum(classes) for value in classes]


def chroma_deviation(number):
    values = chroma(number)
    return math.sqrt(sum((value - sum(values) / 12) ** 2 for value in values) / 12)


def correlations(number):
    x = frame(number)
    x = [value - sum(x) / LENGTH for value in x]
    found = {}
    for lag in range(25, 202):
        products = sum(x[n] * x[n - lag] for n in range(lag, LENGTH))
        late, early = sum(value * value for value in x[lag:]), sum(value * value for value in x[:LENGTH - lag])
        found[lag] = products / math.sqrt(late * early)
    return found


def harmonic_ratio(number):
    found = correlations(number)
    return max(found[lag] for lag in range(26, 201))


def pitch(number):
    found, best = correlations(number), harmonic_ratio(number)
    lag = next(lag for lag in range(26, 201) if found[lag] >= 0.9 * best
               and found[lag] >= found[lag - 1] and found[lag] >= found[lag + 1])
    return RATE / lag if best >= 0.5 else 0.0


@pytest.fixture(scope="module")
def table():
    extractor = create("sequence36")
    values = extractor.extract(SAMPLES)
    assert values.shape == (33, 36) and values.dtype == np.float32
    return {name: values[:, column] for column, name in enumerate(extractor.columns)}


@pytest.mark.parametrize("formula", [zero_crossing_rate, energy, energy_entropy, spectral_centroid, spectral_spread,
                                     spectral_entropy, spectral_flux, spectral_rolloff, chroma_deviation,
                                     harmonic_ratio, pitch], ids=lambda formula: formula.__name__)
@pytest.mark.parametrize("number", FRAMES)
def test_feature_by_its_formula(table, formula, number):
    assert table[formula.__name__][number] == pytest.approx(formula(number), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("number", FRAMES)
def test_chroma_by_its_formula(table, number):
    names = ["A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#"]
    found = [table[f"chroma_{name}"][number] for name in names]
    assert found == pytest.approx(chroma(number), rel=1e-4, abs=1e-7)


def test_a_tone_of_1760_hz_is_an_a():
    tone = np.sin(2 * np.pi * 1760 * np.arange(4000) / RATE).astype(np.float32)
    extractor = create("sequence36")
    assert (extractor.extract(tone)[3:-3, extractor.columns.index("chroma_A")] > 0.8).all()


def test_the_first_13_columns_are_kaldis_cepstra(table):
    expected = Mfcc("mfcc", MfccConfig(num_ceps=13, use_energy=False, high_freq=0.0)).extract(SAMPLES)
    np.testing.assert_array_equal(np.column_stack([table[f"mfcc{n}"] for n in range(13)]), expected)


def test_silence_is_finite_and_a_clip_without_a_frame_is_refused():
    extractor = create("sequence36")
    assert np.isfinite(extractor.extract(np.zeros(3200, dtype=np.float32))).all()
    with pytest.raises(CannotCompute, match="too short"):
        extractor.extract(np.zeros(70, dtype=np.float32))
