"""What the samples look like is remarked; what is no number never reaches a model."""

import numpy as np
import pytest
import soundfile

from steps.data.audio import load_audio, read_sound
from tests.steps.data.audio.sounds import sine
from utils.errors import UserError


def seen(path, samples):
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    sound = read_sound(path)
    assert np.isfinite(sound.samples).all()
    return sound.samples, [remark.kind for remark in sound.remarks]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


@pytest.mark.parametrize(("samples", "kind"), [
    (np.zeros(8000), "digital silence"), (np.full(8000, 1e-6), "digital silence"), (np.full(8000, 0.3), "constant"),
    (0.3 + 1e-5 * sine(16000), "constant"), (30000 * sine(16000), "far beyond 1")])
def test_what_no_voice_looks_like_is_remarked(path, samples, kind):
    _, kinds = seen(path, samples.astype("float32"))
    assert len(kinds) == 1 and kind in kinds[0]


def test_of_a_voice_there_is_nothing_to_say(path):
    for samples in (sine(16000), 1e-3 * sine(16000), 2.5 * sine(16000), 0.2 + sine(16000)):
        assert seen(path, samples)[1] == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_0_and_remarked(path, wrong):
    samples = sine(16000)
    samples[100] = wrong
    heard, kinds = seen(path, samples)
    assert heard[100] == 0 and kinds == ["samples that are no number"]
    assert np.array_equal(np.delete(heard, 100), np.delete(sine(16000), 100))


def test_many_values_that_are_no_numbers_are_no_recording(path):
    soundfile.write(path, np.full(8000, np.nan, "float32"), 16000, subtype="FLOAT")
    with pytest.raises(UserError, match="8000 of 8000 samples are NaN or infinite"):
        load_audio(path)


def test_where_channels_cancel_the_loudest_is_heard(path):
    voice = sine(16000)
    samples, kinds = seen(path, np.stack([0.9 * voice, -voice], 1))
    assert kinds == ["channels that cancel"] and np.array_equal(samples, -voice)
    assert load_audio(path)[1] == ("stereo", "channels that cancel")


def test_channels_that_do_not_cancel_are_mixed(path):
    noise = np.random.default_rng(1).standard_normal((8000, 8)).astype("float32") / 8
    for channels in (noise, np.stack([sine(16000), np.zeros(8000)], 1), np.stack([sine(16000)] * 2, 1),
                     noise[:, :2] + [0.2, -0.2]):
        samples, kinds = seen(path, channels.astype("float32"))
        assert kinds == []
        np.testing.assert_allclose(samples, channels.astype("float32").mean(axis=1), atol=1e-7)
