"""One way from disk to float32 mono 16 kHz."""

import numpy as np
import pytest
import soundfile

from steps.data.audio import audio_info, load_audio, read_audio
from utils.errors import UserError


def sine(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype("float32")


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_a_sine_stays_the_same_sine_at_16_khz(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", sine(rate), rate, subtype="FLOAT")
    samples, notes = load_audio(tmp_path / "a.wav")
    assert notes == (f"resampled {rate}",) and samples.dtype == np.float32 and abs(len(samples) - 8000) <= 1
    inside = slice(400, 7600)  # the filter's edges apart
    assert np.abs(samples[inside] - sine(16000)[inside]).max() < 2e-3


def test_what_16_khz_cannot_hold_is_filtered_out(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(48000, hertz=12000), 48000, subtype="FLOAT")
    samples, _ = load_audio(tmp_path / "a.wav")
    assert np.abs(samples[400:-400]).max() < 5e-3  # 40 dB down: no alias at 4 kHz


def test_mixdown_is_the_mean_and_16_khz_mono_is_untouched(tmp_path):
    left, right = sine(16000), sine(16000, hertz=1000)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], 1), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", left, 16000, subtype="FLOAT")
    samples, notes = load_audio(tmp_path / "two.wav")
    assert notes == ("stereo",) and np.allclose(samples, (left + right) / 2, atol=1e-7)
    samples, notes = load_audio(tmp_path / "one.wav")
    assert notes == () and np.array_equal(samples, left)


def test_a_segment_is_those_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="FLOAT")
    samples, rate, channels = read_audio(tmp_path / "a.wav", 0.1, 0.02)
    assert (rate, channels) == (16000, 1) and np.array_equal(samples, sine(16000)[1600:1920])
    with pytest.raises(UserError, match="truncated: 1600 samples expected, 800 decoded"):
        read_audio(tmp_path / "a.wav", 0.45, 0.1)


def test_a_wav_that_was_written_to_a_pipe_has_no_length_to_hold_it_to(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(content)
    assert audio_info(tmp_path / "a.wav").samples == 8000


def test_truncation_is_seen_without_decoding(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="PCM_16")
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-1])
    for look in (audio_info, load_audio):
        with pytest.raises(UserError, match=r"a\.wav: truncated: its header promises 16044 bytes, the file has 16043"):
            look(tmp_path / "a.wav")
