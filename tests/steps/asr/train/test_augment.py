"""Augmentation of log mel features against closed forms."""

import numpy as np
import pytest

from steps.asr.train.augment import add_noise, stationary_noise


def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.0])
def test_noise_is_added_at_the_asked_ratio_of_energies(snr):
    speech, noise = random().normal(0, 2, (50, 8)), random().normal(-7, 1, (31, 8))
    added = np.exp(add_noise(speech, noise, snr)) - np.exp(speech)
    scale = added / np.exp(noise[np.arange(50) % 31])
    np.testing.assert_allclose(scale, scale[0, 0], rtol=1e-3)  # one gain for all bins and frames
    assert 10 * np.log10(np.exp(speech).mean() / (scale[0, 0] * np.exp(noise).mean())) == pytest.approx(snr, abs=0.01)


def test_stationary_noise_has_a_smooth_spectrum_that_does_not_move():
    noise = stationary_noise(4000, 40, random())
    halves = noise[:2000].mean(axis=0), noise[2000:].mean(axis=0)
    np.testing.assert_allclose(*halves, atol=0.15)
    assert noise[:, -1].std() < noise[:, 0].std()  # wide bands fluctuate less
