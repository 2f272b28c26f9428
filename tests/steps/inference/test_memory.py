"""utils/emotion.sh stays below 500 MB, however long a recording is and however small its file."""

import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 500  # MB

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def silence(path: Path, rate: int, channels: int, minutes: int) -> Path:
    """FLAC; or WAV as a file with a hole."""
    if path.suffix == ".flac":
        with soundfile.SoundFile(path, "w", rate, channels, "PCM_16") as stream:
            for _ in range(minutes):
                stream.write(np.zeros((60 * rate, channels), "int16"))
        return path
    width, size = 2 * channels, 2 * channels * 60 * rate * minutes
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, channels, rate, rate * width, width, 16) + b"data" + struct.pack("<I", size))
    os.truncate(path, 44 + size)
    return path


def peak(*words) -> tuple[int, int, str]:
    """Exit status, peak of resident memory in MB, and standard error."""
    process = subprocess.Popen([ROOT / "utils/emotion.sh", *map(str, words)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    error = process.stderr.read()  # type: ignore[union-attr]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss // 1024, error


@pytest.mark.parametrize(("name", "rate", "channels", "minutes"), [
    ("ten_hours.flac", 16000, 1, 600), ("meeting.wav", 48000, 8, 15), ("meeting.flac", 48000, 8, 15)])
def test_memory_is_bounded_whatever_the_file(exported, tmp_path, name, rate, channels, minutes):
    path = silence(tmp_path / name, rate, channels, minutes)
    model = exported("svm_is10")
    status, most, error = peak(model, path)
    assert status == 1 and f"{60 * minutes} s are no utterance" in error and "--timeline" in error
    assert most < LIMIT
    status, most, error = peak("--timeline", tmp_path / "pictures", "--shift", "300", model, path)
    assert status == 0, error
    assert most < LIMIT and (tmp_path / "pictures" / f"{path.stem}.svg").is_file()
