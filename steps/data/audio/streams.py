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
SCANNED = 2**24  # bytes of a mapped file that are kept in memory
TAIL = 2**16  # bytes in which FLAC's last frame is looked for
TAG_SLACK = 1500  # bytes by which an MP3 may differ from its tag: a frame


# Of MP3, by the numbers in a frame's head: kbit/s, and Hz by version and number.
MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
RATES = {(version, number): hertz // part for version, part in ((3, 1), (2, 2), (0, 4))
         for number, hertz in enumerate((44100, 48000, 32000))}


@dataclass(frozen=True)
class Length:
    """
    Attributes:
        stated: samples a channel as the header says; None: it does not say.
        believed: whether the file's own structure bears it out.
        counted: samples by its frames; a decoder that gives just as many is believed too.
        parts: first byte and byte after the last of each of several streams that follow one another.
        after: bytes after the last page.
    """

    stated: int | None
    believed: bool
    parts: tuple[Range, ...] = ()
    after: int = 0
    counted: int | None = None


def forget(data: Data) -> None:
    """Give back the memory of what was looked at of a mapped file."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


def _find(data: Data, what: bytes, start: int) -> int:
    """As data.find, in bounded memory."""
    while start < len(data):
        if (place := data.find(what, start, start + SCANNED + len(what))) >= 0:
            return place
        start += SCANNED
        forget(data)
    return -1


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
    while (again := _find(data, FLAC, begins[-1] + 4)) >= 0:  # another file put after this one
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
        found = _frame(bytes(data[place:place + 16]).ljust(16, b"\0"))  # silence fills fewer
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
    if size == 0 or rate == 15 or head[3] >> 4 > 10 or head[3] & 1:
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
    if len(starts) < 2:
        return Length(None, bool(starts), (), len(data) - end)
    return Length(None, True, tuple(zip(starts, [*starts[1:], end], strict=True)), len(data) - end)


def _pages(data: Data) -> Iterator[Range]:
    """First byte, and byte after the last, of each whole page."""
    place = kept = _find(data, b"OggS", 0)
    while place >= 0 and place + 27 <= len(data):
        table = place + 27 + data[place + 26]
        end = table + sum(data[place + 27:table])
        if end > len(data):
            return
        yield place, end
        place = end if data[end:end + 4] == b"OggS" else _find(data, b"OggS", end)
        if place - kept > SCANNED:
            forget(data)
            kept = place


def mp3_length(data: Data) -> Length:
    """An MP3 states its length in a tag (Xing, Info), with the bytes that it counts; without one its frames tell."""
    begin = id3_end(data)
    end = len(data) - (128 if data[len(data) - 128:len(data) - 125] == b"TAG" else 0)
    head = bytes(data[begin:begin + 64])
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0:
        frames, reached = _mp3_frames(data, begin, end)
        whole = frames > 0 and reached >= end - 4
        return Length(None, False, counted=_mp3_samples(head) * frames if whole else None)
    tag = data[begin + place + 4:begin + place + 16]
    flags, frames, size = struct.unpack(">III", tag) if len(tag) == 12 else (0, 0, 0)
    if not flags & 1:
        return Length(None, False)
    return Length(_mp3_samples(head) * frames, bool(flags & 2) and abs(end - begin - size) <= TAG_SLACK)


def _mp3_samples(head: bytes) -> int:
    """Of a frame of layer III."""
    return 1152 if head[1] >> 3 & 3 == 3 else 576


def _mp3_frames(data: Data, place: int, end: int) -> Range:
    """Frames of layer III that follow one another without a gap, and where the last of them ends."""
    frames, kept = 0, place
    while place + 4 <= end and (length := _mp3_frame(data[place:place + 4])) and place + length <= end:
        frames, place = frames + 1, place + length
        if place - kept > SCANNED:
            forget(data)
            kept = place
    return frames, place


def _mp3_frame(head: bytes) -> int:
    """Bytes of the frame with this head; 0: it is none of layer III."""
    version, rate = head[1] >> 3 & 3, RATES.get((head[1] >> 3 & 3, head[2] >> 2 & 3))
    bits = (MPEG1 if version == 3 else MPEG2)[head[2] >> 4]
    if head[0] != 0xFF or head[1] >> 5 != 7 or head[1] >> 1 & 3 != 1 or rate is None or not bits:
        return 0
    return (144 if version == 3 else 72) * 1000 * bits // rate + (head[2] >> 1 & 1)
