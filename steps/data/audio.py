"""Samples of an utterance: one way, used by every extractor, from disk to float32 mono at 16 kHz.

Channels are mixed down by their mean; another rate is resampled by scipy's polyphase filter (Kaiser window), which
depends on nothing but the samples. What was done is returned as notes ("resampled 48000", "stereo"), to be counted.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    import numpy

RATE = 16000


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says. samples: per channel, at `rate` Hz."""

    rate: int
    channels: int
    samples: int

    @property
    def duration(self) -> float:
        return self.samples / self.rate

    @property
    def notes(self) -> tuple[str, ...]:
        """The conversions that load_audio will make."""
        layout = {1: (), 2: ("stereo",)}.get(self.channels, (f"{self.channels} channels",))
        return (() if self.rate == RATE else (f"resampled {self.rate}",)) + layout


def audio_info(path: str | Path) -> AudioInfo:
    """Read a header and hold it against the file's size; decodes nothing.

    Raises:
        UserError: one line naming the file: missing, empty, not audio, truncated, without samples.
    """
    import soundfile

    name = show_path(path)
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}; no such recording can be opened") from error
    if size == 0:
        raise UserError(f"{name}: the file is empty (0 bytes)")
    promised = _promised_wav_bytes(path)
    try:
        info = soundfile.info(os.fsencode(path))
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise UserError(f"{name}: not audio that can be read ({_reason(error)})") from error
    if promised is not None and promised > size:
        raise UserError(f"{name}: truncated: its header promises {promised} bytes, the file has {size}")
    if info.frames <= 0:
        raise UserError(f"{name}: the recording has no samples")
    return AudioInfo(int(info.samplerate), int(info.channels), int(info.frames))


def read_audio(path: str | Path, start: float = 0.0, duration: float | None = None) -> tuple[numpy.ndarray, int, int]:
    """Decode [start, start + duration) seconds as it lies on disk, mixed down.

    Returns:
        float32 mono (T,), its sampling rate, and the channels that there were.

    Raises:
        UserError: one line naming the file: unreadable, or shorter than its header or the segment says.
    """
    import soundfile

    name = show_path(path)
    if duration is None:
        audio_info(path)  # nobody has held the header against the file yet
    try:
        with soundfile.SoundFile(os.fsencode(path)) as stream:
            rate, channels = stream.samplerate, stream.channels
            first = round(start * rate)
            wanted = stream.frames - first if duration is None else round(duration * rate)
            if first < 0 or first > stream.frames:
                raise UserError(f"{name}: the segment starts at {start} s, the recording ends at "
                                f"{stream.frames / rate} s")
            stream.seek(first)
            samples = stream.read(wanted, dtype="float32", always_2d=True)  # (T, channels)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise UserError(f"{name}: cannot be decoded ({_reason(error)}); truncated or damaged?") from error
    if len(samples) < wanted:
        raise UserError(f"{name}: truncated: {wanted} samples expected, {len(samples)} decoded")
    mono = samples[:, 0] if channels == 1 else samples.mean(axis=1, dtype="float64").astype("float32")
    return mono, rate, channels


def resample(samples: numpy.ndarray, rate: int, target: int = RATE) -> numpy.ndarray:
    """float32 (T,) at `rate` Hz -> float32 (ceil(T * target / rate),) at `target` Hz."""
    if rate == target:
        return samples
    from scipy.signal import resample_poly  # about a second to import: only where it is needed

    common = math.gcd(rate, target)
    return resample_poly(samples.astype("float64"), target // common, rate // common).astype("float32")


def load_audio(source: Any) -> tuple[numpy.ndarray, tuple[str, ...]]:
    """The samples of an utterance.

    Args:
        source: an Item, a lhotse MonoCut or Recording, or a path (the whole file).

    Returns:
        float32 mono 16 kHz (T,), and notes such as ("resampled 48000", "stereo").

    Raises:
        UserError: one line naming the file.
    """
    path, start, duration = _locate(source)
    samples, rate, channels = read_audio(path, start, duration)
    return resample(samples, rate), AudioInfo(rate, channels, len(samples)).notes


def _locate(source: Any) -> tuple[str | Path, float, float | None]:
    if isinstance(source, (str, Path)):
        return source, 0.0, None
    if hasattr(source, "path"):  # Item
        if source.path is None:
            raise UserError(f"{source.id} has no recording, only given features")
        return source.path, source.start, source.duration
    if hasattr(source, "sources"):  # lhotse Recording
        return source.sources[0].source, 0.0, None
    if not getattr(source, "has_recording", False):
        raise UserError(f"{source.id} has no recording, only given features")
    return source.recording.sources[0].source, source.start, source.duration


def _promised_wav_bytes(path: str | Path) -> int | None:
    """Bytes that a RIFF file's data chunk should reach; None for other files and for headers written to a pipe."""
    with open(path, "rb") as stream:
        head = stream.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(chunk := stream.read(8)) == 8:
            length = struct.unpack("<I", chunk[4:])[0]
            if chunk[:4] == b"data":
                # A writer that could not seek leaves 0 or the largest numbers: the file's end is the end.
                return None if length == 0 or length >= 0x7FFFFFFF - 4096 else stream.tell() + length
            stream.seek(length + length % 2, os.SEEK_CUR)
    return None


def show_path(path: str | Path) -> str:
    """A path on one line, whatever characters are in it."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "error_string", None) or error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
