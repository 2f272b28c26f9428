"""openSMILE without its Python class gives the values of its Python class, in any order of files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from steps.features.extractor import CannotCompute
from steps.features.registry import create
from steps.features.smile import to_int16

RATE = 16000


def voice(seconds: float, seed: int) -> np.ndarray:
    """A gliding harmonic tone with pauses and noise; 16-bit values as float32."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(100 + 20 * seed + 50 * np.sin(5 * time)) / RATE
    signal = sum(np.sin(k * phase) / k for k in range(1, 12)) * (np.sin(4 * time) > -0.5) * 0.15
    signal = signal + 0.003 * generator.standard_normal(len(time))
    return (np.round(signal * 32767) / 32768).astype(np.float32)


@pytest.mark.parametrize(("name", "dim", "public"), [
    ("is09", 384, ("IS09", "Functionals")), ("is10", 1582, ("IS10", "Functionals")),
    ("compare", 6373, ("ComParE_2016", "Functionals")), ("is10_lld", 38, ("IS10", "LowLevelDescriptors")),
    ("compare_lld", 65, ("ComParE_2016", "LowLevelDescriptors"))])
def test_values_and_names_are_those_of_opensmiles_own_class(name, dim, public):
    opensmile = pytest.importorskip("opensmile")
    theirs = opensmile.Smile(getattr(opensmile.FeatureSet, public[0]), getattr(opensmile.FeatureLevel, public[1]))
    ours = create(name)
    assert ours.dim == dim and ours.columns == list(theirs.column_names)
    # One engine serves all files: the second must not remember the first.
    for samples in (voice(1.1, 1), voice(0.6, 2), voice(1.1, 1)):
        expected = theirs(samples, RATE)[0].T  # (frames, features)
        found = ours.extract(samples)
        if ours.kind == "utterance":
            assert found.shape == (dim,) and len(expected) == 1
            np.testing.assert_array_equal(found, expected[0])
        else:
            np.testing.assert_array_equal(found, expected)
            assert abs(len(found) * ours.frame_shift - len(samples) / RATE) < 0.08


def test_a_clip_of_20_ms_cannot_be_computed_and_does_not_disturb_the_next():
    is10, samples = create("is10"), voice(0.8, 3)
    before = is10.extract(samples)
    with pytest.raises(CannotCompute, match="20 ms are too short"):
        is10.extract(voice(0.02, 1))
    np.testing.assert_array_equal(is10.extract(samples), before)


def test_opensmile_itself_gives_only_nan_up_to_50_ms():
    """The reason for the list of failures; if a later version can do it, this says so."""
    opensmile = pytest.importorskip("opensmile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals)
        assert np.isnan(theirs(voice(0.05, 1), RATE)).all()
    with pytest.raises(CannotCompute):
        create("is10").extract(voice(0.05, 1))


def test_a_full_scale_sample_is_limited_and_not_wrapped():
    values = np.array([1.0, -1.0, 1.5, -1.5, 0.5, -0.5 / 32768, 1.9 / 32768], dtype=np.float32)
    assert to_int16(values).tolist() == [32767, -32768, 32767, -32768, 16384, 0, 1]
