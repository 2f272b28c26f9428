"""The filter bank against Kaldi's formulas written out in numpy, and against lhotse's own."""

from __future__ import annotations

import numpy as np
import pytest

from steps.features.extractor import CannotCompute
from steps.features.registry import create

RATE = 16000


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Harmonics with a moving pitch in noise, float32 in [-1, 1]."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(3 * time)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.1 * voice + 0.01 * generator.standard_normal(len(time))).astype(np.float32)


def kaldi_fbank(samples, bins, length, shift, window, preemphasis, remove_dc, low, high):
    """feature-window.cc and mel-computations.cc of Kaldi with snip_edges=false, in loops and float64."""
    samples = samples.astype(np.float64)
    frames = (len(samples) + shift // 2) // shift
    padded = 1 << (length - 1).bit_length()
    n = np.arange(length)
    shapes = {"hann": 0.5 - 0.5 * np.cos(2 * np.pi * n / length),  # periodic, as in an STFT
              "povey": (0.5 - 0.5 * np.cos(2 * np.pi * n / (length - 1))) ** 0.85}
    high = high if high > 0 else RATE / 2 + high

    def mel(frequency):
        return 1127.0 * np.log(1 + frequency / 700.0)

    step = (mel(high) - mel(low)) / (bins + 1)
    weights = np.zeros((bins, padded // 2))
    for b in range(bins):
        left, center, right = mel(low) + step * b, mel(low) + step * (b + 1), mel(low) + step * (b + 2)
        for k in range(padded // 2):
            at = mel(RATE / padded * k)
            if left < at < right:
                weights[b, k] = (at - left) / (center - left) if at <= center else (right - at) / (right - center)
    out = np.empty((frames, bins))
    for t in range(frames):
        start = t * shift + shift // 2 - length // 2
        frame = np.empty(length)
        for k in range(length):
            at = start + k
            while at < 0 or at >= len(samples):  # reflect
                at = -at - 1 if at < 0 else 2 * len(samples) - 1 - at
            frame[k] = samples[at]
        if remove_dc:
            frame -= frame.mean()
        frame[1:] -= preemphasis * frame[:-1].copy()
        frame[0] -= preemphasis * frame[0]
        power = np.abs(np.fft.rfft(frame * shapes[window], padded)) ** 2
        out[t] = np.log(np.maximum(weights @ power[:padded // 2], np.finfo(np.float32).eps))
    return out


def test_fbank_follows_kaldis_formulas():
    samples = speech_like(0.5)
    expected = kaldi_fbank(samples, 80, 400, 160, "povey", 0.97, True, 20.0, -400.0)
    found = create("fbank").extract(samples)
    assert found.shape == expected.shape == (50, 80) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-2)
    assert np.abs(found - expected).mean() < 1e-4


def test_the_wide_window_follows_its_own_options():
    samples = speech_like(0.5)
    expected = kaldi_fbank(samples, 128, 1024, 512, "hann", 0.0, False, 0.0, 0.0)
    found = create("fbank_lssed", ["spectral_subtraction=false", "gain=1"]).extract(samples)
    assert found.shape == expected.shape == (16, 128)
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_fbank_agrees_with_lhotse():
    lhotse = pytest.importorskip("lhotse")
    samples = speech_like(1.0)
    theirs = lhotse.Fbank().extract(samples[None], RATE)
    ours = create("fbank").extract(samples)
    assert theirs.shape == ours.shape
    # lhotse reflects a sample further out and takes its mel scale in other steps; inside they agree.
    assert np.abs(ours[3:-3] - theirs[3:-3]).max() < 0.05


@pytest.mark.parametrize(("samples", "frames"), [(320, 2), (160, 1), (81, 1), (80, 1), (16000, 100)])
def test_frames_are_samples_over_shift_rounded(samples, frames):
    assert create("fbank").extract(speech_like(samples / RATE)).shape == (frames, 80)


def test_a_clip_under_half_a_shift_cannot_be_computed():
    with pytest.raises(CannotCompute, match="too short"):
        create("fbank").extract(np.ones(79, dtype=np.float32))


def test_silence_stays_finite():
    assert np.isfinite(create("fbank").extract(np.zeros(1600, dtype=np.float32))).all()


def test_dither_is_off_and_repeatable_when_on():
    samples = speech_like(0.2)
    plain = create("fbank").extract(samples)
    np.testing.assert_array_equal(plain, create("fbank").extract(samples))
    dithered = create("fbank", ["dither=0.001"])
    first = dithered.extract(samples)
    assert np.abs(first - plain).max() > 0.01
    np.testing.assert_array_equal(first, dithered.extract(samples))


def test_as_a_lhotse_extractor(tmp_path):
    pytest.importorskip("lhotse")
    import torch
    from lhotse import CutSet, FeatureExtractor, Recording
    from lhotse.features.io import NumpyFilesWriter

    soundfile = pytest.importorskip("soundfile")
    from steps.features.fbank import FbankConfig
    from steps.features.lhotse_extractor import KaldiNativeFbank

    extractor = KaldiNativeFbank(FbankConfig(num_mel_bins=40))
    assert (extractor.frame_shift, extractor.feature_dim(RATE)) == (0.01, 40)
    extractor.to_yaml(tmp_path / "extractor.yaml")
    assert FeatureExtractor.from_yaml(tmp_path / "extractor.yaml").config == extractor.config

    samples = speech_like(0.73)
    assert torch.is_tensor(extractor.extract(torch.from_numpy(samples), RATE))
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    cuts = CutSet.from_cuts([Recording.from_file(tmp_path / "a.wav").to_cut()])
    stored = cuts.compute_and_store_features(extractor, tmp_path / "store", storage_type=NumpyFilesWriter)
    direct = create("fbank", ["num_mel_bins=40"]).extract(samples)
    np.testing.assert_array_equal(next(iter(stored)).load_features(), direct)
    with pytest.raises(ValueError, match="16000"):
        extractor.extract(samples, 8000)
    cleaned = KaldiNativeFbank(FbankConfig(num_mel_bins=40, spectral_subtraction=True, gain=2.0))
    wanted = create("fbank", ["num_mel_bins=40", "spectral_subtraction=true", "gain=2"]).extract(samples)
    np.testing.assert_array_equal(cleaned.extract(samples, RATE), wanted)
