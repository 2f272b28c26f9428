"""One way from disk to float32 mono 16 kHz."""

import os

import numpy as np
import pytest
import soundfile

from steps.data.audio import (
    GitLfsPointer,
    TooLong,
    audio_info,
    load_audio,
    read_audio,
    read_sound,
    resample,
    resample_blocks,
)
from steps.data.audio.headers import inspect
from tests.steps.data.audio.sounds import sine
from utils.errors import UserError


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


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_plain_files_stay_with_soundfile(tmp_path, name):
    soundfile.write(tmp_path / name, sine(16000), 16000, subtype="PCM_16")
    assert inspect(tmp_path / name).decoder == "soundfile" and inspect(tmp_path / name).remarks == ()
    assert np.array_equal(load_audio(tmp_path / name)[0], soundfile.read(tmp_path / name, dtype="float32")[0])


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_resampling_by_blocks_is_resampling_the_whole(rate):
    samples = np.random.default_rng(rate).standard_normal(2 * rate + 17).astype("float32")
    pieces = (samples[start:start + 5000] for start in range(0, len(samples), 5000))
    assert np.array_equal(np.concatenate(list(resample_blocks(pieces, rate))), resample(samples, rate))


def test_no_more_is_decoded_than_is_taken(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000)
    with pytest.raises(TooLong, match=r"a\.wav: 0 s; accepted: up to 0.25 s"):
        read_sound(tmp_path / "a.wav", longest=0.25)
    assert len(read_sound(tmp_path / "a.wav", longest=0.5).samples) == 8000


def test_a_codec_that_cannot_be_sought_in_is_read_up_to_its_segment(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="FLOAT")
    monkeypatch.setattr(soundfile.SoundFile, "seekable", lambda self: False)
    monkeypatch.setattr(soundfile.SoundFile, "seek", lambda *_: pytest.fail("it cannot be sought in"))
    assert np.array_equal(read_audio(tmp_path / "a.wav", 0.1, 0.02)[0], sine(16000)[1600:1920])


def test_a_companion_of_macos_does_not_disturb(tmp_path):
    soundfile.write(tmp_path / "a.mp3", sine(16000), 16000)
    (tmp_path / "._a.mp3").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))
    assert audio_info(tmp_path / "a.mp3").samples == 8000


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for path, what in ((tmp_path / "a.wav", "a FIFO"), ("/dev/zero", "a device"), (tmp_path, "a directory")):
        with pytest.raises(UserError, match=what):
            audio_info(path)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav/a.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    with pytest.raises(GitLfsPointer, match=f"a git-lfs pointer, not a recording: run git lfs pull in {tmp_path}$"):
        load_audio(tmp_path / "wav/a.wav")
