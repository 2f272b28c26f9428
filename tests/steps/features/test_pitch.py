"""Harmonic ratio and pitch against loops and tones whose pitch is known; frames against kaldi-native-fbank's count."""

import numpy as np
import pytest

from steps.features.fbank import FbankConfig, FilterBank
from steps.features.framing import frames_of
from steps.features.pitch import correlation, harmonics, log_contour
from steps.features.registry import create

RATE = 16000


def tone(pitch, seconds=0.5, harmonics=12):
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.1 * sum(np.sin(2 * np.pi * pitch * k * time + k) / k for k in range(1, harmonics))


@pytest.mark.parametrize("samples", [79, 80, 200, 399, 1000, 5333])
def test_frames_are_centerd_and_mirrored(samples):
    signal = np.random.default_rng(0).normal(size=samples)
    found = frames_of(signal, 400, 160)
    assert len(found) == len(FilterBank(FbankConfig())(signal.astype(np.float32)))
    for number, frame in enumerate(found):
        for place in range(0, 400, 13):
            at = number * 160 + 80 - 200 + place
            while not 0 <= at < samples:  # Kaldi: the sample before the first is the first again
                at = -at - 1 if at < 0 else 2 * samples - 1 - at
            assert frame[place] == signal[at]


def test_correlation_is_the_normalized_sum_of_products():
    frames = np.random.default_rng(1).normal(2, 1, (3, 50))
    found = correlation(frames, 5, 48)
    for row, frame in zip(found, frames - frames.mean(axis=1, keepdims=True), strict=True):
        for lag, value in zip(range(5, 49), row, strict=True):
            late, early = frame[lag:], frame[:len(frame) - lag]
            assert value == pytest.approx((late * early).sum() / np.sqrt((late**2).sum() * (early**2).sum()), abs=1e-9)


@pytest.mark.parametrize("pitch", [85.0, 120.0, 220.0, 400.0])
def test_pitch_of_a_tone(pitch):
    ratio, found = harmonics(frames_of(tone(pitch), 640, 160), RATE, 60, 600, 0.5)
    np.testing.assert_allclose(found[3:-3], pitch, rtol=0.03)
    assert (ratio[3:-3] > 0.95).all()


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(2).normal(size=8000)
    assert (harmonics(frames_of(noise, 640, 160), RATE, 60, 600, 0.5)[1] == 0).all()
    ratio, pitch = harmonics(np.zeros((4, 640)), RATE, 60, 600, 0.5)
    assert (ratio == 0).all() and (pitch == 0).all()


def test_the_contour_runs_straight_across_frames_without_pitch():
    found = log_contour(np.array([0, 100.0, 0, 0, 200.0, 0]))
    low, high = np.log([100, 200])
    np.testing.assert_allclose(found, [low, low, low + (high - low) / 3, low + 2 * (high - low) / 3, high, high])
    assert (log_contour(np.zeros(3)) == 0).all()


def test_the_filter_bank_with_pitch_is_the_filter_bank_and_three_columns():
    samples = (tone(150) + 0.001 * np.random.default_rng(3).normal(size=8000)).astype(np.float32)
    extractor = create("fbank_pitch")
    found = extractor.extract(samples)
    assert found.shape == (50, 83) and extractor.dim == 83 and found.dtype == np.float32
    assert [extractor.columns[n] for n in (0, 1, 81, 82)] == ["log_energy", "mel0", "harmonic_ratio", "log_pitch"]
    np.testing.assert_array_equal(found[:, 1:81], create("fbank").extract(samples))
    np.testing.assert_allclose(np.exp(found[5:-5, 82]), 150, rtol=0.03)
    frame = frames_of(samples, 400, 160)[20].astype(np.float64)
    assert found[20, 0] == pytest.approx(np.log(np.square(frame - frame.mean()).sum()), abs=1e-3)


def test_faster_speech_has_a_higher_pitch_and_as_many_rows_as_its_filter_bank():
    samples = tone(150, 0.6).astype(np.float32)
    found = create("fbank_pitch", ["speed=1.2"]).extract(samples)
    assert len(found) == len(create("fbank", ["speed=1.2"]).extract(samples)) == 50
    np.testing.assert_allclose(np.exp(found[5:-5, 82]), 180, rtol=0.03)
