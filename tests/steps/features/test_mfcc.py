"""Cepstra against their definition: the liftered cosine transform of log mel energies, and the energy of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from steps.features.extractor import CannotCompute
from steps.features.fbank import FbankConfig, FilterBank
from steps.features.mfcc import FULL_SCALE, MfccConfig
from steps.features.registry import create
from utils.errors import UsageError

RATE = 16000


def voice(seconds: float) -> np.ndarray:
    generator = np.random.default_rng(3)
    time = np.arange(int(seconds * RATE)) / RATE
    harmonics = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 15))
    return (0.1 * harmonics * np.abs(np.sin(5 * time)) + 0.01 * generator.standard_normal(len(time))).astype(np.float32)


def test_coefficients_are_the_liftered_cosine_transform_of_log_mel_energies():
    samples = voice(0.5)
    found = create("speaker_mfcc", ["use_energy=false"]).extract(samples)
    mel = FilterBank(FbankConfig(num_mel_bins=30, high_freq=7600.0))(samples) + 2 * np.log(FULL_SCALE)
    order, bin = np.arange(20)[:, None], np.arange(30)[None]
    cosine = np.sqrt(2 / 30) * np.cos(np.pi / 30 * (bin + 0.5) * order)
    cosine[0] = np.sqrt(1 / 30)
    lifter = 1 + 11 * np.sin(np.pi * np.arange(20) / 22)
    assert found.shape == (50, 20)
    np.testing.assert_allclose(found, mel @ cosine.T * lifter, atol=2e-3)


def test_the_first_column_is_the_log_energy_of_16_bit_samples():
    samples = voice(0.5)
    found = create("speaker_mfcc").extract(samples)[:, 0]
    for frame in (5, 20, 40):
        start = frame * 160 + 80 - 200
        window = samples[start:start + 400].astype(np.float64) * 32768
        assert found[frame] == pytest.approx(np.log(np.square(window - window.mean()).sum()), abs=1e-3)


def test_digital_silence_is_finite_and_a_clip_without_a_frame_is_refused():
    extractor = create("speaker_mfcc")
    assert np.isfinite(extractor.extract(np.zeros(1600, dtype=np.float32))).all()
    with pytest.raises(CannotCompute, match="too short"):
        extractor.extract(np.zeros(70, dtype=np.float32))


def test_frames_are_those_of_the_filter_bank():
    for samples in (voice(0.1), voice(0.333), voice(1.0)):
        assert len(create("speaker_mfcc").extract(samples)) == len(create("fbank").extract(samples))


def test_more_coefficients_than_bins_are_refused():
    with pytest.raises(UsageError, match="num_ceps is 40; accepted: at most num_mel_bins"):
        create("speaker_mfcc", ["num_ceps=40"])


def test_defaults_in_conf_are_those_of_the_options():
    assert create("speaker_mfcc").config == MfccConfig()
