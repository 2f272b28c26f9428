"""Spectral subtraction against closed forms and a loop over frames; gain by count; both behind the filter bank."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from steps.data.dataset import Item
from steps.features import enhancement
from steps.features.enhancement import amplify, quietest, spectral_subtraction, subtract
from steps.features.extract import main, run_task
from steps.features.fbank import FbankConfig
from steps.features.plan import plan_of
from steps.features.registry import create
from steps.features.store import FeatureStore, finished_tasks
from tests.steps.features.test_extract import recording, write_data

RATE = 16000
WINDOWS = ("fbank_lssed", "fbank_25ms", "fbank_40ms", "fbank_65ms", "fbank_100ms")


def noise(seconds: float, seed: int = 0, deviation: float = 0.05) -> np.ndarray:
    return (deviation * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def loop_over_frames(samples, over, floor, share):
    """Boll's method frame by frame and bin by bin: Hann, half overlap, phase kept, frames added up."""
    length, shift = 512, 256
    mirrored = np.concatenate([samples[:shift][::-1], samples, samples[::-1][:2 * shift]]).astype(np.float64)
    hann = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / length) for n in range(length)])
    starts = range(0, (len(samples) // shift + (len(samples) % shift > 0)) * shift + 1, shift)
    spectra = [np.fft.rfft(mirrored[s:s + length] * hann) for s in starts]
    order = sorted(range(len(spectra)), key=lambda i: (np.abs(spectra[i]) ** 2).sum())
    chosen = order[:max(1, round(share * len(order)))]
    mean = sum(np.abs(spectra[i]) for i in chosen) / len(chosen)
    out = np.zeros(len(mirrored))
    for start, spectrum in zip(starts, spectra, strict=True):
        for k in range(len(spectrum)):
            size = abs(spectrum[k])
            kept = size - over * mean[k] if size - over * mean[k] > floor * mean[k] else floor * mean[k]
            spectrum[k] *= min(kept, size) / size
        out[start:start + length] += np.fft.irfft(spectrum, length)
    return out[shift:shift + len(samples)]


@pytest.mark.parametrize("samples", [4000, 4096, 1700])
def test_it_is_bolls_method_frame_by_frame(samples):
    given = noise(1.0)[:samples] * np.linspace(0.2, 2, samples, dtype=np.float32)
    np.testing.assert_allclose(spectral_subtraction(given, 1.7, 0.2, 0.3), loop_over_frames(given, 1.7, 0.2, 0.3),
                               atol=1e-7)


def test_nothing_taken_away_gives_the_samples_back():
    given = noise(0.5)
    np.testing.assert_allclose(spectral_subtraction(given, over=0.0), given, atol=1e-7)


@pytest.mark.parametrize(("over", "floor"), [(1.0, 0.0), (2.0, 0.1), (1.5, 0.3)])
def test_the_power_of_stationary_noise_falls_by_the_closed_form(over, floor):
    """Magnitudes of Gaussian noise are Rayleigh; their mean m is taken away `over` times."""
    deviation = 3.0
    generator = np.random.default_rng(1)
    magnitude = deviation * np.hypot(generator.standard_normal((4000, 50)), generator.standard_normal((4000, 50)))
    kept = subtract(magnitude, quietest(magnitude, 1.0), over, floor)
    r = np.linspace(0, 12 * deviation, 200001)
    density = r / deviation ** 2 * np.exp(-r ** 2 / (2 * deviation ** 2))
    mean = deviation * np.sqrt(np.pi / 2)
    expected = (np.clip(r - over * mean, np.minimum(floor * mean, r), None) ** 2 * density).sum() * (r[1] - r[0])
    assert np.square(kept).mean() == pytest.approx(expected, rel=0.02)


def test_noise_is_reduced_and_a_tone_survives():
    """1 s of noise, then 1 s of noise with a tone 14 dB above it."""
    given = noise(2.0)
    tone = 0.35 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    given[RATE:] += tone.astype(np.float32)
    found = spectral_subtraction(given)
    middle = slice(2000, RATE - 2000)
    reduced = 10 * np.log10(np.square(found[middle]).mean() / np.square(given[middle]).mean())
    assert -30 < reduced < -12
    kept = np.dot(found[RATE:][middle], tone[middle]) / np.dot(tone[middle], tone[middle])
    assert kept == pytest.approx(1.0, abs=0.03)
    left = np.square(found[RATE:][middle] - kept * tone[middle]).mean() / 0.05 ** 2
    assert 10 * np.log10(left) < -10


def test_digital_silence_tells_nothing_of_the_noise():
    given = np.concatenate([np.zeros(RATE, dtype=np.float32), noise(1.0)])
    assert np.square(spectral_subtraction(given)[-8000:]).mean() < 0.1 * np.square(given[-8000:]).mean()


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("given", [np.zeros(RATE), np.full(RATE, 0.5), 0.1 * np.ones(320), np.zeros(320),
                                   np.eye(1, 4000, 2000)[0], np.full(RATE, 1e-30)])
def test_silence_constants_clicks_and_20_ms_stay_finite(name, given):
    extractor = create(name, ["frame_length_ms=20", "frame_shift_ms=10"] if len(given) == 320 else [])
    assert np.isfinite(extractor.extract(given.astype(np.float32))).all()


def test_samples_of_a_length_that_no_frame_divides():
    for length in (0, 1, 255, 256, 257, 513):
        assert spectral_subtraction(noise(1.0)[:length]).shape == (length,)


def test_gain_doubles_and_counts_what_it_clips():
    given = np.array([0.1, -0.2, 0.5, -0.5, 0.6, -0.51, 1.0], dtype=np.float32)
    louder, clipped = amplify(given, 2.0)
    np.testing.assert_array_equal(louder, np.array([0.2, -0.4, 1.0, -1.0, 1.0, -1.0, 1.0], dtype=np.float32))
    assert clipped == 3 and louder.dtype == np.float32  # full scale itself is not clipped


@pytest.mark.parametrize(("name", "length", "shift", "points"), [
    ("fbank_lssed", 1024, 512, 1024), ("fbank_25ms", 400, 200, 512), ("fbank_40ms", 640, 320, 1024),
    ("fbank_65ms", 1040, 520, 2048), ("fbank_100ms", 1600, 800, 2048)])
def test_the_mel_spectrum_follows_an_stft_and_triangles(name, length, shift, points):
    """Periodic Hann, |rfft|^2, triangles on 1127 ln(1 + f / 700) from 0 to 8 kHz, natural logarithm."""
    extractor = create(name, ["spectral_subtraction=false"])
    given = noise(0.5, deviation=0.2) + 0.4 * np.sin(np.arange(8000) / 9).astype(np.float32)
    found = extractor.extract(given)
    heard = np.clip(2 * given, -1, 1).astype(np.float64)
    before = length // 2 - shift // 2
    padded = np.pad(heard, (before, length), mode="symmetric")
    frames = np.stack([padded[t * shift:t * shift + length] for t in range(len(found))])
    power = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)), points)) ** 2
    mel = 1127 * np.log(1 + np.arange(points // 2) * RATE / points / 700)
    edges = np.linspace(0, 1127 * np.log(1 + 8000 / 700), 130)
    triangles = np.stack([np.clip(np.minimum((mel - a) / (b - a), (c - mel) / (c - b)), 0, None)
                          for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)])
    energy = power[:, :-1] @ triangles.T
    filled = triangles.sum(axis=1) > 0
    assert filled.sum() >= 127 and found.shape == (len(frames), 128)
    np.testing.assert_allclose(found[:, filled], np.log(energy[:, filled]), atol=1e-3)


def test_the_steps_are_off_in_plain_filter_banks_and_say_so_by_none():
    plain = create("fbank").options
    assert {key for key, value in plain.items() if value is None} == {
        "spectral_subtraction", "over_subtraction", "spectral_floor", "noise_share", "gain"}
    assert FbankConfig(**plain) == FbankConfig()
    lssed = create("fbank_lssed")
    assert (lssed.options["spectral_subtraction"], lssed.options["gain"]) == (True, 2.0)
    assert FbankConfig(**lssed.options) == lssed.config


def test_features_of_before_the_steps_existed_are_still_those_of_a_plain_bank(tmp_path):
    """A stored plan and description without the new keys: nothing is extracted again, and the store opens."""
    data = write_data(tmp_path / "data", [recording(tmp_path / "a.wav", noise(0.3))])
    words = ["--features", "fbank", str(data)]
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        main([*words, *step])
    for name in ("plan.json", "feature.json"):
        stored = json.loads((data / "fbank" / name).read_text())
        stored["options"] = {key: value for key, value in stored["options"].items() if value is not None}
        (data / "fbank" / name).write_text(json.dumps(stored))
    options = create("fbank").options
    FeatureStore.open(data / "fbank", {"options": options})
    main([*words, "--prepare"])
    assert finished_tasks(data / "fbank") == [1]
    main([*words, "--set", "gain=2", "--prepare"])
    assert finished_tasks(data / "fbank") == []


def test_the_report_of_a_task_counts_clipped_utterances_and_samples(tmp_path, capsys):
    loud, soft = np.full(1600, 0.25, dtype=np.float32), np.full(2400, 0.25, dtype=np.float32)
    loud[100:110] = 0.75
    items = []
    for name, samples in (("loud", loud), ("soft", soft)):
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="FLOAT")
        items.append(Item(id=name, path=str(tmp_path / f"{name}.wav"), duration=len(samples) / RATE))
    louder = create("fbank", ["gain=2"])
    plan = plan_of(louder, {item.id: item for item in items}, 1, tmp_path / "out")
    plan.prepare()
    run_task(louder, items, 1, plan)
    assert "0 failed, 1 constant samples, 1 clipped (0.25 % of all samples)" in capsys.readouterr().out


def test_an_exported_model_hears_as_it_was_trained(tmp_path):
    """steps/inference builds the extractor from the stored options."""
    from steps.inference.nodes.features import Features

    for extractor in (create("fbank_lssed"), create("fbank")):
        about = {"options": extractor.options, "dim": extractor.dim, "kind": extractor.kind, "version": ""}
        node = {"name": extractor.name, "inputs": ["waveform"], "about": about}
        opened = Features.open(node, tmp_path, {}, {}).extractor
        assert opened.config == extractor.config
        np.testing.assert_array_equal(opened.extract(noise(0.3)), extractor.extract(noise(0.3)))


def test_the_window_is_half_overlapped_and_sums_to_one():
    assert enhancement.HANN[:256] + enhancement.HANN[256:] == pytest.approx(1.0, abs=1e-12)
