"""Deltas, sliding means and voice activity against Kaldi's rules written out a frame at a time."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.speaker_features import SpeakerFeaturesConfig, add_deltas, dimension, sliding_mean, speaker_features
from steps.ivector.voice_activity import VoiceActivityConfig, voiced_frames


def frames(count: int, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(count).normal(3.0, 5.0, (count, columns))


def kaldi_deltas(features: np.ndarray, order: int, window: int) -> np.ndarray:
    """DeltaFeatures of Kaldi: filters by repeated composition, every frame on its own, indices clamped."""
    scales = [[1.0]]
    for _ in range(order):
        former, norm = scales[-1], sum(j * j for j in range(-window, window + 1))
        new = [0.0] * (len(former) + 2 * window)
        for j in range(-window, window + 1):
            for k, value in enumerate(former):
                new[j + window + k] += j * value / norm
        scales.append(new)
    out = []
    for t in range(len(features)):
        row = []
        for scale in scales:
            reach = (len(scale) - 1) // 2
            row.append(sum(weight * features[min(max(t + j - reach, 0), len(features) - 1)]
                           for j, weight in enumerate(scale)))
        out.append(np.concatenate(row))
    return np.array(out)


def kaldi_means(features: np.ndarray, window: int) -> np.ndarray:
    """SlidingWindowCmn of Kaldi, centerd."""
    out, count = [], len(features)
    for t in range(count):
        start = t - window // 2
        end = start + window
        if start < 0:
            start, end = 0, end - start
        if end > count:
            start, end = max(start - (end - count), 0), count
        out.append(features[start:end].mean(axis=0))
    return np.array(out)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize(("order", "window"), [(1, 2), (2, 3), (3, 1)])
def test_deltas(count, order, window):
    features = frames(count)
    np.testing.assert_allclose(add_deltas(features, order, window), kaldi_deltas(features, order, window), atol=1e-12)


def test_the_delta_of_a_straight_line_is_its_slope():
    line = 2.5 * np.arange(30)[:, None]
    deltas = add_deltas(line, 2, 3)
    np.testing.assert_allclose(deltas[6:-6, 1], 2.5)
    np.testing.assert_allclose(deltas[6:-6, 2], 0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 29, 30, 31, 100])
@pytest.mark.parametrize("window", [1, 2, 7, 30])
def test_sliding_means(count, window):
    features = frames(count)
    np.testing.assert_allclose(sliding_mean(features, window), kaldi_means(features, window), atol=1e-12)


def test_sliding_means_stay_exact_far_from_zero():
    features = frames(5000, 1) + 1e6
    np.testing.assert_allclose(sliding_mean(features, 300), kaldi_means(features, 300), rtol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_voice_activity(seed):
    generator = np.random.default_rng(seed)
    energy = generator.normal(12, 4, 60)
    config = VoiceActivityConfig(threshold=5.5, mean_scale=0.5, context=int(generator.integers(0, 4)),
                                 proportion=float(generator.uniform(0.4, 0.7)))
    threshold = 5.5 + 0.5 * energy.mean()
    expected = []
    for t in range(60):
        near = energy[max(t - config.context, 0):t + config.context + 1]
        expected.append((near > threshold).sum() >= len(near) * config.proportion)
    assert voiced_frames(energy, config).tolist() == expected
    assert 0 < sum(expected) < 60


def test_silence_has_no_voiced_frame():
    assert not voiced_frames(np.full(50, 2.0), VoiceActivityConfig()).any()
    assert voiced_frames(np.zeros(0), VoiceActivityConfig()).shape == (0,)


def test_speaker_features_have_no_mean_left_and_the_stated_width():
    config = SpeakerFeaturesConfig()
    features, voiced = speaker_features(frames(200, 20), config)
    assert features.shape == (200, 60) == (200, dimension(20, config)) and features.dtype == np.float32
    assert voiced.shape == (200,)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)  # shorter than the window: one mean for all
