"""Decoding by PyAV, whose wheel carries FFmpeg: from the first sample to the last, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from steps.data.audio.files import FilePart, open_regular, show_path
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy

# Containers of sound and of video with sound. Playlists are left out: they name other files and addresses.
CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "mp3", "aac", "loas", "amr", "amrnb", "amrwb", "asf",
              "xwma", "wav", "w64", "flac", "aiff", "au", "caf", "ac3", "eac3", "dts", "mlp", "truehd", "avi", "flv",
              "mpeg", "mpegts", "rm", "ape", "wv", "tta", "tak", "mpc", "mpc8", "gsm", "ilbc", "voc", "qcp",
              "nistsphere", "oma", "dsf", "iff", "sox", "ircam")
STATES_NO_LENGTH = ("mp3", "aac", "amr", "amrnb", "amrwb", "ogg", "flac", "wav")  # or an estimate
GATHERED = 2**18  # values of a block; a frame has some thousands at most
FEW = 2  # damaged packets that are no news: remains of tags between frames
MOST = 0.1  # of all packets may be damaged


def look(path: str, why: str = "") -> tuple[int, int, int | None]:
    """
    Args:
        why: what another decoder said of this file.

    Returns:
        Sampling rate, channels, and the samples that the container states (None: none).

    Raises:
        UserError: not audio, or no sound in it.
    """
    stated: list[int] = []
    frames = _frames(path, stated, why)
    for rate, block in frames:
        frames.close()
        return rate, block.shape[1], stated[0] if stated else None
    raise UserError(f"{show_path(path)}: the recording has no samples")


def decode(path: str, damaged: list[int] | None = None) -> Iterator[numpy.ndarray]:
    """
    Args:
        damaged: gets the number of packets that were passed over.

    Yields:
        float32 (n, channels); the channels may change.

    Raises:
        UserError: it cannot be decoded, or its rate changes.
    """
    import numpy

    first, waiting, count = 0, list[numpy.ndarray](), 0
    for rate, block in _frames(path, [], "", damaged):
        first = first or rate
        if rate != first:
            raise UserError(f"{show_path(path)}: its sampling rate changes from {first} to {rate} Hz; convert it: "
                            "ffmpeg -i IN -ar 16000 OUT.wav")
        if waiting and (count >= GATHERED or block.shape[1] != waiting[0].shape[1]):
            yield numpy.concatenate(waiting)
            waiting, count = [], 0
        waiting.append(block)
        count += block.size
    if waiting:
        yield numpy.concatenate(waiting)


def _frames(path: str, stated: list[int], why: str,
            damaged: list[int] | None = None) -> Iterator[tuple[int, numpy.ndarray]]:
    """(rate, block) of every frame; `stated` gets the container's own length, once the rate is known."""
    av = _av()
    with open_regular(path) as raw:
        try:
            whole = FilePart(raw, 0, os.fstat(raw.fileno()).st_size)
            container = av.open(whole, metadata_errors="ignore", options={"format_whitelist": ",".join(CONTAINERS)})
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise UserError(f"{show_path(path)}: not audio that can be read ({why or error_text(error)})") from error
        with container:
            if not container.streams.audio:
                raise UserError(f"{show_path(path)}: there is no sound in it, only "
                                f"{', '.join(sorted({s.type for s in container.streams})) or 'nothing'}")
            # A stream that no decoder is known for would end the process when it is decoded.
            stream = next((one for one in container.streams.audio if one.codec_context is not None), None)
            if stream is None:
                raise UserError(f"{show_path(path)}: not audio that can be read (no decoder knows its coding)")
            packets = passed = count = 0
            told = False
            try:
                for packet in container.demux(stream):
                    packets += 1
                    try:
                        decoded = packet.decode()
                    except av.error.FFmpegError:
                        passed += 1
                        continue
                    for frame in decoded:
                        if not told and stream.duration and container.format.name not in STATES_NO_LENGTH:
                            stated.append(round(float(stream.duration * stream.time_base) * frame.sample_rate))
                        told, count = True, count + frame.samples
                        yield frame.sample_rate, samples_of(frame)
            except av.error.FFmpegError as error:
                raise UserError(f"{show_path(path)}: cannot be decoded ({error_text(error)}); truncated or "
                                "damaged?") from error
    if passed > max(FEW, MOST * packets) or (passed and not count):
        raise UserError(f"{show_path(path)}: {passed} of {packets} pieces cannot be decoded; damaged?")
    if damaged is not None and passed > FEW:
        damaged.append(passed)


def samples_of(frame: Any) -> numpy.ndarray:
    """float32 (n, channels) of a frame, in [-1, 1] where it holds integers."""
    import numpy

    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(frame.samples, -1)
    if values.dtype == numpy.uint8:
        return (values.astype("float32") - 128) / 128
    if values.dtype.kind == "i":
        return (values / 2.0 ** (8 * values.dtype.itemsize - 1)).astype("float32")
    return values.astype("float32")


def error_text(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def _av() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise UserError(f"a recording needs PyAV to be decoded, and it does not import ({error}); run "
                        "utils/setup.sh") from error
    return av
