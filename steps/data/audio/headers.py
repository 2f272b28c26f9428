"""What a recording's header says, and whether to believe it. The content decides what a file is, not its name.

soundfile decodes what it knows and what states its length rightly; PyAV decodes the rest: the
formats of phones and browsers, and files whose length only decoding tells.
"""

from __future__ import annotations

import functools
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from steps.data.audio import libav
from steps.data.audio.chunks import find_samples
from steps.data.audio.files import POINTER, GitLfsPointer, open_regular, open_soundfile, show_path
from steps.data.audio.remarks import Remark
from steps.data.audio.streams import Length, Range, flac_length, id3_end, mp3_length, ogg_length
from utils.errors import UserError

RATES = (1000, 384000)  # Hz; a filter for other rates would take gigabytes
DENSEST = 8192  # samples a byte; FLAC's silence has 6553, everything else far fewer
WORDS = (b"NIST_1A", b"Creative Voice File", b"ALawSoundFile")  # recordings that begin as text does
TEXT = frozenset((*b"\t\n\r", *range(32, 127)))  # libmpg123 would look for frames in it, and print what it finds
UNSTATED, AFTER, SEVERAL = "no stated length", "bytes after the end", "several streams in one file"


@dataclass(frozen=True)
class Header:
    """
    Attributes:
        decoder: "soundfile" or "av".
        samples: per channel, at `rate` Hz; None: only decoding tells.
        stated: samples that the header promises where it is not believed; None: it promises none.
        slack: by so many samples may decoding fall short of them.
        parts: byte ranges that soundfile decodes one after the other; empty: the whole file.
    """

    path: str
    decoder: str
    rate: int
    channels: int
    samples: int | None
    stated: int | None = None
    slack: int = 0
    remarks: tuple[Remark, ...] = ()
    parts: tuple[Range, ...] = ()


def inspect(path: str | Path) -> Header:
    """Read a header and hold it against the file; decodes nothing but the first frame.

    Raises:
        UserError: one line naming the file: missing, no regular file, empty, not audio, truncated,
            without samples, or with a length that it cannot hold.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"{show_path(path)}: {error.strerror}; no such recording can be opened") from error
    return _inspect(str(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)  # segments share their recording
def _inspect(path: str, size: int, _changed: int) -> Header:
    with open_regular(path) as stream:
        if size == 0:
            raise UserError(f"{show_path(path)}: the file is empty (0 bytes)")
        head = stream.read(64)
        if head.startswith(POINTER):
            raise GitLfsPointer(path)
        found = _by_content(path, stream, head, size)
    if not RATES[0] <= found.rate <= RATES[1]:
        raise UserError(f"{show_path(path)}: its header gives a sampling rate of {found.rate} Hz; "
                        f"accepted: {RATES[0]} to {RATES[1]}")
    for samples in (found.samples, found.stated):
        if samples is not None and samples > DENSEST * size:
            raise UserError(f"{show_path(path)}: its header promises {samples} samples "
                            f"({samples / found.rate / 3600:.0f} h), which {size} bytes cannot hold; "
                            "the header is damaged: convert the file again")
    return found


def _by_content(path: str, stream: BinaryIO, head: bytes, size: int) -> Header:
    chunks = find_samples(stream, head, size)
    if chunks is not None:
        remarks = _after(chunks.after)
        if chunks.stated is None:
            if size <= chunks.begin:
                raise UserError(f"{show_path(path)}: the recording has no samples")
            remarks = (Remark(UNSTATED, f"its header was never finished (it states {chunks.written} "
                              "bytes); read to the end of the file"),)
        elif chunks.begin + chunks.stated > size:
            raise UserError(f"{show_path(path)}: truncated: its header promises "
                            f"{chunks.begin + chunks.stated} bytes, the file has {size}")
        if chunks.written == 0:
            return _by_av(path, remarks)
        return _by_soundfile(path, stream, remarks)
    length = _length(stream, head, size)
    if length is None:
        if not head.startswith(WORDS) and all(byte in TEXT for byte in head):
            raise UserError(f"{show_path(path)}: not audio that can be read (it is a text file)")
        return _by_soundfile(path, stream)
    remarks = _after(length.after)
    if length.parts:
        remarks += (Remark(SEVERAL, f"{len(length.parts)}, one after the other; all are read"),)
    if length.believed or length.counted is not None:
        found = _by_soundfile(path, stream, remarks, length.parts)
        if length.believed or found.samples == length.counted:
            return found
    if length.stated is None and is_flac(head):
        remarks += (Remark(UNSTATED, "its header gives 0 samples; decoded to the end of the file"),)
    return _by_av(path, remarks, length)


def is_flac(head: bytes) -> bool:
    return head[:4] == b"fLaC"


def _length(stream: BinaryIO, head: bytes, size: int) -> Length | None:
    """What the frames or pages tell; None for other files."""
    kind = None
    if is_flac(head):
        kind = flac_length
    elif head[:4] == b"OggS":
        kind = ogg_length
    elif head[:3] == b"ID3" or (head[0] == 0xFF and head[1:2] >= b"\xe0"):
        kind = mp3_length
    if kind is None:
        return None
    with mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) as data:
        if kind is not mp3_length:
            return kind(data)
        begin = id3_end(data)
        sound = bytes(data[begin:begin + 4])
        if is_flac(sound):
            return flac_length(data)
        # Without a layer this is AAC (ADTS), which states no length at all.
        return Length(None, False) if len(sound) == 4 and not sound[1] & 6 else mp3_length(data)


def _after(count: int) -> tuple[Remark, ...]:
    if count < 64:
        return ()
    shown = f"{count / 1000:.0f} kB" if count >= 1000 else f"{count} bytes"
    return (Remark(AFTER, f"{shown} after the end of the sound were not read"),)


def _by_soundfile(path: str, stream: BinaryIO, remarks: tuple[Remark, ...] = (),
                  parts: tuple[Range, ...] = ()) -> Header:
    """What soundfile says; PyAV is asked about what it does not know."""
    import soundfile

    found = []
    try:
        for part in parts or (None,):
            with open_soundfile(stream, part) as opened:
                found.append((int(opened.samplerate), int(opened.channels), int(opened.frames)))
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        return _by_av(path, remarks, why=reason(error))
    rate, channels, _ = found[0]
    if other := next((one for one in found if one[:2] != (rate, channels)), None):
        raise UserError(f"{show_path(path)}: its streams have {rate} and {other[0]} Hz, {channels} and {other[1]} "
                        "channels; convert them apart")
    samples = sum(frames for _, _, frames in found)
    if samples <= 0:
        raise UserError(f"{show_path(path)}: the recording has no samples")
    return Header(path, "soundfile", rate, channels, samples, None, 0, remarks, parts)


def _by_av(path: str, remarks: tuple[Remark, ...] = (), length: Length | None = None,
           why: str = "") -> Header:
    rate, channels, stated = libav.look(path, why)
    if length is not None:
        return Header(path, "av", rate, channels, None, length.stated, 0, remarks)
    slack = max(rate // 2, (stated or 0) // 50)  # a container's own time is not exact
    return Header(path, "av", rate, channels, None, stated, slack, remarks)


def reason(error: BaseException) -> str:
    """A library's complaint as part of a line."""
    text = str(getattr(error, "error_string", None) or error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
