"""utils/emotion.sh stays below 500 MB, however long a recording is and however small its file."""

import os
import struct
import subprocess
import sys
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


# A process counts the memory of the one that it was forked from, so a small one starts the command.
MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def peak(*words) -> tuple[int, int, str]:
    """Exit status, peak of resident memory in MB, and standard error."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, ROOT / "utils/emotion.sh", *map(str, words)],
                          capture_output=True, text=True, check=True)
    status, most = map(int, done.stdout.split())
    return status, most, done.stderr


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
