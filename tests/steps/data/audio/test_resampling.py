"""Resampling against closed forms: sines keep their level and phase, what cannot be held is gone, lengths are whole."""

import numpy as np
import pytest

from steps.data.audio import resample, resample_blocks


def sine(rate, hertz, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype("float32")


def decibels(values):
    return 10 * np.log10(np.mean(np.square(values, dtype=np.float64)) * 2 + 1e-30)


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("hertz", [50, 1000, 4000, 7200])
def test_a_sine_that_16_khz_holds_is_the_same_sine(rate, hertz):
    inside = slice(1600, -1600)  # the edges of a sine that begins at once are no sine
    found = resample(sine(rate, hertz), rate)
    assert abs(decibels(found[inside])) < 0.1
    assert decibels((found - sine(16000, hertz))[inside]) < -55


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("hertz", [8100, 9000, 12000, 20000])
def test_a_sine_that_16_khz_cannot_hold_is_gone(rate, hertz):
    assert decibels(resample(sine(rate, hertz), rate)[1600:-1600]) < -100


def test_a_lower_rate_gets_no_images():
    found = resample(sine(8000, 1000), 8000)
    assert decibels((found - sine(16000, 1000))[1600:-1600]) < -80


@pytest.mark.parametrize(("rate", "target"), [(44100, 16000), (8000, 16000), (16000, 22050), (90, 100), (110, 100)])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 1000])
def test_the_length_is_that_of_the_whole_in_whole_samples_however_it_is_cut(rate, target, count):
    samples = np.random.default_rng(count).standard_normal(count).astype("float32")
    whole = resample(samples, rate, target)
    assert whole.dtype == np.float32 and len(whole) == int(np.ceil(count * target / rate - 1e-9))
    for size in (1, 3, 400):
        pieces = [samples[start:start + size] for start in range(0, count, size)]
        assert np.array_equal(np.concatenate(list(resample_blocks(pieces, rate, target))), whole)


def test_the_rate_that_is_there_already_changes_nothing():
    samples = sine(16000, 440)
    assert resample(samples, 16000) is samples
