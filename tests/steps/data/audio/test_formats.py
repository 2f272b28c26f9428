"""What phones and browsers record is read, whatever the file is called."""

import numpy as np
import pytest
import soundfile

from steps.data.audio import audio_info, read_audio
from tests.steps.data.audio.sounds import encode, sine
from utils.errors import UserError

pytest.importorskip("av")


@pytest.mark.parametrize(("name", "codec", "error"), [
    ("a.m4a", "alac", 1e-4), ("a.m4a", "aac", 0.05), ("a.webm", "libopus", 0.05), ("a.wma", "wmav2", 0.05),
    ("a.aac", "aac", 0.05), ("a.mkv", "flac", 1e-4), ("a.mp4", "aac", 0.05)])
def test_formats_of_phones_and_browsers(tmp_path, name, codec, error):
    encode(tmp_path / name, codec)
    (tmp_path / name).rename(tmp_path / "called.wav")
    samples, rate, channels = read_audio(tmp_path / "called.wav")
    assert (rate, channels) == (48000, 1) and len(samples) == audio_info(tmp_path / "called.wav").samples
    wanted = sine(48000)
    shifts = range(-2200, 2201) if error > 0.01 else [0]  # a lossy codec may begin with its delay
    heard = samples[6000:16000]
    assert min(np.abs(heard - wanted[6000 + shift:16000 + shift]).max() for shift in shifts) < error


def test_a_segment_of_what_only_pyav_decodes(tmp_path):
    encode(tmp_path / "a.m4a", "alac")
    np.testing.assert_allclose(read_audio(tmp_path / "a.m4a", 0.25, 0.1)[0], sine(48000)[12000:16800], atol=1e-4)
    with pytest.raises(UserError, match="truncated: 9600 samples expected, 4800 decoded"):
        read_audio(tmp_path / "a.m4a", 0.4, 0.2)


def test_a_truncated_recording_of_a_phone_is_named(tmp_path):
    encode(tmp_path / "a.m4a", "aac", seconds=4)
    whole = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[:len(whole) // 2])  # without its index
    with pytest.raises(UserError, match=r"a\.m4a: not audio that can be read"):
        audio_info(tmp_path / "a.m4a")


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile a.wav\n"])
def test_a_playlist_is_no_recording(tmp_path, text):
    (tmp_path / "a.wav").write_text(text)
    with pytest.raises(UserError, match="not audio that can be read"):
        audio_info(tmp_path / "a.wav")


def test_a_coding_that_no_decoder_knows_is_a_line(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:20] + b"\x99\x99" + whole[22:])
    with pytest.raises(UserError, match="not audio that can be read"):
        audio_info(tmp_path / "a.wav")
