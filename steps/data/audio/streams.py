"""Files made of frames or pages (FLAC, Ogg, MP3): whether the length that they state is theirs.

Nothing is decoded. What cannot be vouched for here is counted by decoding (reading.py).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Data = bytes | mmap.mmap
Range = tuple[int, int]

FLAC = b"fLaC\x00\x00\x00\x22"  # with the head of STREAMINFO
TAIL = 2**16  # bytes in which FLAC's last frame is looked for
TAG_SLACK = 1500  # bytes by which an MP3 may differ from its tag: a frame


@dataclass(frozen=True)
class Length:
    """
    Attributes:
        stated: samples a channel as the header says; None: it does not say.
        believed: whether the file's own structure bears it out.
        parts: first byte and byte after the last of each of several streams that follow one another.
        after: bytes after the last page.
    """

    stated: int | None
    believed: bool
    parts: tuple[Range, ...] = ()
    after: int = 0


def id3_end(data: Data) -> int:
    """Where the tag before the sound ends."""
    if bytes(data[:3]) != b"ID3" or len(data) < 10:
        return 0
    a, b, c, d = data[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if data[5] & 0x10 else 0)


def flac_length(data: Data) -> Length:
    """
    Args:
        data: the file, with fLaC at its begin or after an ID3 tag.
    """
    begins = [id3_end(data)]
    while (again := data.find(FLAC, begins[-1] + 4)) >= 0:  # another file put after this one
        begins.append(again)
    parts = tuple(zip(begins, [*begins[1:], len(data)], strict=True))
    found = [_flac_part(data, begin, end) for begin, end in parts]
    believed = all(one.believed for one in found)
    if len(found) == 1 or not believed:
        return Length(found[0].stated, believed)
    return Length(sum(one.stated or 0 for one in found), True, parts)


def _flac_part(data: Data, begin: int, end: int) -> Length:
    about = data[begin + 8:begin + 42]  # STREAMINFO
    if len(about) < 34:
        return Length(None, False)
    largest, frame_bytes = struct.unpack(">H", about[2:4])[0], int.from_bytes(about[7:10], "big")
    total = int.from_bytes(about[13:18], "big") & (2**36 - 1)
    place, last = begin + 4, False
    while not last and place + 4 <= end:
        last = bool(data[place] & 0x80)
        place += 4 + int.from_bytes(data[place + 1:place + 4], "big")
    reached = _last_frame_end(data, place, end, largest, max(TAIL, 2 * frame_bytes))
    return Length(total or None, total != 0 and reached in (None, total))


def _last_frame_end(data: Data, first: int, end: int, block: int, tail: int) -> int | None:
    """Number of the sample after the last frame; None where no frame is found."""
    sync = bytes(data[first:first + 2])
    if sync not in (b"\xff\xf8", b"\xff\xf9"):
        return None
    place = end
    while (place := data.rfind(sync, max(first, end - tail), min(end, place + 1))) >= 0:
        found = _frame(bytes(data[place:place + 16]))
        # Rate and width are those of the first frame.
        if found is not None and not ((data[place + 2] ^ data[first + 2]) & 0x0F
                                      or (data[place + 3] ^ data[first + 3]) & 0x0E):
            number, length = found
            return (number if sync[1] & 1 else number * block) + length
        place -= 1
    return None


def _frame(head: bytes) -> tuple[int, int] | None:
    """(number of the frame or of its first sample, its samples), or None: no frame begins here."""
    size, rate = head[2] >> 4, head[2] & 0x0F
    if len(head) < 16 or size == 0 or rate == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    extra = 0
    while extra < 7 and head[4] << extra & 0x80:
        extra += 1
    if extra in (1, 7) and head[4] != 0xFE:
        return None
    number = head[4] & (0x7F >> extra)
    width = max(extra, 1)
    for byte in head[5:4 + width]:
        number = number << 6 | byte & 0x3F
    place = 4 + width
    if size in (6, 7):
        length = int.from_bytes(head[place:place + size - 5], "big") + 1
        place += size - 5
    else:
        length = 192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8
    place += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    return (number, length) if place < 16 and _crc8(head[:place]) == head[place] else None


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc


def ogg_length(data: Data) -> Length:
    """Which streams follow one another in an Ogg file, and the bytes after its last page."""
    starts, begun, end = list[int](), False, 0
    for place, after in _pages(data):
        begins = bool(data[place + 5] & 2)
        if begins and not begun:  # streams side by side begin together, before any other page
            starts.append(place)
        begun, end = begins, after
    parts = tuple(zip(starts, [*starts[1:], end], strict=True))
    return Length(None, bool(starts), parts if len(parts) > 1 else (), len(data) - end)


def _pages(data: Data) -> Iterator[tuple[int, int]]:
    """(first byte, byte after the last) of each whole page."""
    place = data.find(b"OggS")
    while place >= 0 and place + 27 <= len(data):
        table = place + 27 + data[place + 26]
        end = table + sum(data[place + 27:table])
        if end > len(data):
            return
        yield place, end
        place = end if data[end:end + 4] == b"OggS" else data.find(b"OggS", end)


def mp3_length(data: Data) -> Length:
    """An MP3 states its length in a tag (Xing, Info) with the bytes that it counts; many have none."""
    begin = id3_end(data)
    head = bytes(data[begin:begin + 64])
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0:
        return Length(None, False)
    flags, frames, size = struct.unpack(">III", data[begin + place + 4:begin + place + 16])
    if not flags & 1:
        return Length(None, False)
    stated = frames * (1152 if head[1] >> 3 & 3 == 3 else 576)
    there = len(data) - begin - (128 if data[len(data) - 128:len(data) - 125] == b"TAG" else 0)
    return Length(stated, bool(flags & 2) and abs(there - size) <= TAG_SLACK)
