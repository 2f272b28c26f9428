"""Files made of chunks (WAV, RF64, AIFF, AU, CAF, W64): where their samples lie, and what follows.

A writer that could not go back to the header leaves 0 or a very large length there: the end of
the file is the end then. A length that is plausible and reaches beyond the file is a truncation.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

HUGE = 2**31 - 4096  # a length from here on says that nobody knew it
LARGE = 10**9  # so does one from here on of which not a tenth is there
SMALL = 64  # bytes after the end that are not worth a word
TAGS = (b"TAG", b"ID3", b"APETAGEX")  # that players put after a file's end


@dataclass(frozen=True)
class Samples:
    """The chunk of samples.

    Attributes:
        begin: its first byte. stated: its bytes as the header says; None: the header does not know.
        written: the number in the header, whatever it means. after: bytes after the last chunk.
    """

    begin: int
    stated: int | None
    written: int
    after: int = 0


@dataclass(frozen=True)
class Layout:
    """How a container writes its chunks.

    Attributes:
        first: where the first chunk begins. name: length of a chunk's name; data: that of samples.
        size: of the length, as struct writes it. whole: whether it counts the chunk's own head.
        align: to this many bytes.
    """

    first: int
    data: bytes
    size: str
    name: int = 4
    whole: bool = False
    align: int = 2


W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def layout_of(head: bytes) -> Layout | None:
    """
    Args:
        head: the first 16 bytes of a file or more.
    """
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Layout(12, b"data", "<I")
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return Layout(12, b"data", ">I")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Layout(12, b"SSND", ">I")
    if head[:4] == b"caff":
        return Layout(8, b"data", ">Q", align=1)
    if head[:16] == W64:
        return Layout(40, W64_DATA, "<Q", name=16, whole=True, align=8)
    return None


def find_samples(stream: BinaryIO, head: bytes, size: int) -> Samples | None:
    """
    Args:
        stream: the file, to be moved in. head: its first bytes. size: of the file, in bytes.

    Returns:
        None: no container of chunks, or none with samples in it.
    """
    if head[:4] in (b".snd", b"dns."):
        begin, written = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:12])
        return _judged(begin, written, 32, size)
    layout = layout_of(head)
    if layout is None:
        return None
    long_size, found = None, None
    place = layout.first
    while place < size and (chunk := _chunk(stream, place, layout)) is not None:
        name, length, begin = chunk
        if name == b"ds64" and len(sizes := stream.read(16)) == 16:
            long_size = struct.unpack("<8xQ", sizes)[0]
        if name == layout.data:
            bits = 8 * struct.calcsize(layout.size)
            if long_size is not None and length == 2**32 - 1:
                length, bits = long_size, 64
            found = _judged(begin, length, bits, size)
            if found.stated is None:
                return found
        elif found is not None and (begin + length > size or not name.isascii()
                                    or not name[:4].decode("ascii").isprintable()):
            break
        place = begin + length + -length % layout.align
    if found is None:
        return None
    return Samples(found.begin, found.stated, found.written, _after(stream, place, size))


def _chunk(stream: BinaryIO, place: int, layout: Layout) -> tuple[bytes, int, int] | None:
    """(name, length, first byte) of the chunk at `place`."""
    width = struct.calcsize(layout.size)
    stream.seek(place)
    head = stream.read(layout.name + width)
    if len(head) < layout.name + width:
        return None
    length = struct.unpack(layout.size, head[layout.name:])[0]
    begin = place + len(head)
    return head[:layout.name], max(0, length - len(head)) if layout.whole else length, begin


def _judged(begin: int, written: int, bits: int, size: int) -> Samples:
    there = size - begin
    unknown = (written == 0 or written >= (HUGE if bits == 32 else 2**62)
               or (written >= LARGE and written > 10 * there))
    return Samples(begin, None if unknown else written, written)


def _after(stream: BinaryIO, place: int, size: int) -> int:
    """Bytes from `place` on that are neither padding nor a tag."""
    if size - place < SMALL:
        return 0
    stream.seek(place)
    start = stream.read(4096)
    if start.startswith(TAGS) or not start.strip(b"\0"):
        return 0
    stream.seek(0, os.SEEK_END)
    return size - place
