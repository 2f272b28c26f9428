"""The stated length is not believed: everything is decoded to its end, or refused in one line."""

import contextlib
import io
import random
import struct

import numpy as np
import pytest
import soundfile

from steps.data.audio import audio_info, read_audio, read_sound
from steps.data.audio.headers import inspect
from tests.steps.data.audio.sounds import encode, sine, with_flac_total
from utils.errors import UserError


def content(path, **how) -> bytes:
    soundfile.write(path, sine(16000), 16000, **how)
    return path.read_bytes()


def kinds(path) -> list[str]:
    return [remark.kind for remark in audio_info(path).remarks]


def test_a_flac_of_unknown_length_is_decoded_to_its_end(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(with_flac_total(content(path), 0))
    assert audio_info(path).samples == 8000 and kinds(path) == ["no stated length"]
    np.testing.assert_allclose(read_audio(path, 0.1, 0.2)[0], sine(16000)[1600:4800], atol=1e-4)


def test_a_flac_that_tells_a_part_only_is_decoded_to_its_end(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(with_flac_total(content(path), 3000))
    assert audio_info(path).samples == 8000 == len(read_sound(path).samples)
    assert read_sound(path).remarks[0].detail == "its header says 0.19 s, 0.50 s were decoded"


@pytest.mark.parametrize(("total", "message"), [
    (2**36 - 1, r"promises 68719476735 samples \(1193 h\), which \d+ bytes cannot hold"),
    (9000, "truncated: 9000 samples expected, 8000 decoded")])
def test_a_flac_that_promises_what_is_not_there_is_refused(tmp_path, total, message):
    path = tmp_path / "a.flac"
    path.write_bytes(with_flac_total(content(path), total))
    for look in (audio_info, read_sound):
        with pytest.raises(UserError, match=message):
            look(path)


def test_two_flac_files_put_together_are_seen(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(content(path) * 2)
    assert audio_info(path).samples == 16000 and kinds(path) == ["several streams in one file"]
    np.testing.assert_allclose(read_audio(path, 0.4, 0.2)[0], np.tile(sine(16000), 2)[6400:9600], atol=1e-4)


@pytest.mark.parametrize("stated", [0, 2 * 10**9, 2**32 - 1])
def test_a_wav_whose_header_was_never_finished_is_read_to_the_end(tmp_path, stated):
    path = tmp_path / "a.wav"
    whole = content(path)
    path.write_bytes(whole[:40] + struct.pack("<I", stated) + whole[44:])
    assert audio_info(path).samples == 8000 and kinds(path) == ["no stated length"]
    np.testing.assert_allclose(read_sound(path).samples, sine(16000), atol=1e-4)
    path.write_bytes(whole[:40] + struct.pack("<I", 0))
    with pytest.raises(UserError, match="no samples"):
        audio_info(path)


def test_bytes_after_the_end_are_told_and_chunks_and_tags_are_not(tmp_path):
    path = tmp_path / "a.wav"
    whole = content(path)
    for after, told in ((b"LIST" + struct.pack("<I", 70) + bytes(70), []), (b"TAG" + b"x" * 125, []),
                        (bytes(500), []), (whole[44:12044], ["bytes after the end"])):
        path.write_bytes(whole + after)
        assert kinds(path) == told and audio_info(path).samples == 8000
    assert audio_info(path).remarks[0].detail.startswith("12 kB after the end")


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "CAF", "RF64"])
def test_every_container_of_chunks_is_held_against_its_size(tmp_path, kind):
    path = tmp_path / "a"
    whole = content(path, format=kind, subtype="PCM_16")
    assert audio_info(path).samples == 8000 and kinds(path) == []
    path.write_bytes(whole[:-5000])
    with pytest.raises(UserError, match="truncated"):
        audio_info(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_streams_one_after_the_other_are_all_read(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    whole = content(path, format="OGG", subtype=subtype)
    assert audio_info(path).samples == 8000 and kinds(path) == []
    path.write_bytes(whole * 2)
    assert audio_info(path).samples == 16000 and kinds(path) == ["several streams in one file"]
    once = soundfile.read(io.BytesIO(whole), dtype="float32")[0]
    assert np.array_equal(read_sound(path).samples, np.tile(once, 2))


def test_an_mp3_is_decoded_to_its_end_whatever_its_tag_says(tmp_path):
    path = tmp_path / "a.mp3"
    whole = content(path)
    tag = max(whole.find(b"Xing"), whole.find(b"Info"))
    assert tag > 0
    for changed, seconds in ((whole, 0.5), (whole.replace(whole[tag:tag + 4], b"None"), 0.5), (whole * 2, 1.0)):
        path.write_bytes(changed)
        assert audio_info(path).duration == pytest.approx(seconds, abs=0.15)
    assert kinds(path) == ["wrong stated length"]


def test_an_impossible_rate_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    whole = content(path)
    for rate in (1, 2**31 - 1):
        path.write_bytes(whole[:24] + struct.pack("<I", rate) + whole[28:])
        with pytest.raises(UserError, match="sampling rate"):
            read_sound(path)


def test_an_mp3_without_a_tag_stays_with_soundfile_where_its_frames_bear_it_out(tmp_path):
    path = tmp_path / "a.mp3"
    whole = content(path, bitrate_mode="CONSTANT", compression_level=0.5)
    tag = max(whole.find(b"Xing"), whole.find(b"Info"))
    frame = whole.index(whole[:2], 4)  # the first holds the tag
    path.write_bytes(whole[frame:])
    assert tag > 0 and inspect(path).decoder == "soundfile"
    path.write_bytes(whole[frame:] + bytes(1000) + whole[frame:])
    assert inspect(path).decoder == "av" and audio_info(path).duration == pytest.approx(1.0, abs=0.2)


def test_silence_of_hours_in_kilobytes_is_believed(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(16000 * 300, "int16"), 16000)
    assert path.stat().st_size < 20000 and inspect(path).decoder == "soundfile"
    assert audio_info(path).samples == 16000 * 300


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "CAF", "W64", "FLAC", "OGG", "MP3", "a.m4a", "a.webm"])
def test_damaged_files_are_a_line_each(tmp_path, kind):
    path, rng = tmp_path / "a", random.Random(0)
    if "." in kind:
        encode(tmp_path / kind, "aac" if kind == "a.m4a" else "libopus", seconds=0.1)
        whole = (tmp_path / kind).read_bytes()
    else:
        soundfile.write(path, sine(16000, 0.1), 16000, format=kind)
        whole = path.read_bytes()
    for number in range(12):
        damaged = bytearray(whole[:rng.randrange(len(whole))] if number % 3 else whole)
        for _ in range(number):
            damaged[rng.randrange(min(len(damaged), 100))] = rng.choice((0, 127, 255)) if damaged else 0
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            info, sound = audio_info(path), read_sound(path)
            assert len(sound.samples) == info.samples and np.isfinite(sound.samples).all()
