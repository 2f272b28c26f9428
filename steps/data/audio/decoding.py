"""Blocks of samples by the decoder that the header names; nothing is allocated by what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from steps.data.audio import libav
from steps.data.audio.files import open_regular, open_soundfile, show_path
from steps.data.audio.headers import Header, reason
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy

BLOCK = 2**18  # values that are decoded at a time


def blocks(header: Header, first: int = 0, wanted: int | None = None,
           damaged: list[int] | None = None) -> Iterator[numpy.ndarray]:
    """
    Args:
        first: sample to begin with. wanted: samples; None: to the end. Both a channel.
        damaged: see libav.decode.

    Yields:
        float32 (n, channels), fewer than wanted where the recording ends.

    Raises:
        UserError: it cannot be decoded.
    """
    if header.decoder == "soundfile":
        return _by_soundfile(header, first, wanted)
    return _cut(libav.decode(header.path, damaged), first, wanted)


def _by_soundfile(header: Header, first: int, wanted: int | None) -> Iterator[numpy.ndarray]:
    import soundfile

    size = max(1, BLOCK // header.channels)
    left = (header.samples or 0) - first if wanted is None else wanted
    with open_regular(header.path) as raw:
        try:
            for part in header.parts or (None,):
                with open_soundfile(raw, part) as stream:
                    if part is not None and first >= stream.frames:
                        first -= stream.frames
                        continue
                    _skip(stream, first, size)
                    first = 0
                    while left > 0 and len(block := stream.read(min(left, size), dtype="float32", always_2d=True)):
                        left -= len(block)
                        yield block
        except (soundfile.SoundFileError, RuntimeError, OSError) as error:
            raise UserError(f"{show_path(header.path)}: cannot be decoded ({reason(error)}); truncated or "
                            "damaged?") from error


def _skip(stream: Any, first: int, size: int) -> None:
    """Move to a sample; what cannot be sought in is decoded up to there."""
    if first and stream.seekable():
        stream.seek(first)
        return
    while first > 0 and (passed := len(stream.read(min(first, size), dtype="float32"))):
        first -= passed


def _cut(found: Iterator[numpy.ndarray], first: int, wanted: int | None) -> Iterator[numpy.ndarray]:
    """The samples [first, first + wanted) of blocks that begin with sample 0."""
    reached = 0
    for block in found:
        begin, reached = max(0, first - reached), reached + len(block)
        kept = block[begin:] if wanted is None else block[begin:begin + wanted]
        if len(kept):
            yield kept
        if wanted is not None:
            wanted -= len(kept)
            if wanted <= 0:
                return
