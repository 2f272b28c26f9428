"""Samples of an utterance: one way, used by everything that reads sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.audio.decoding import blocks
from steps.data.audio.files import show_path
from steps.data.audio.headers import Header, inspect
from steps.data.audio.levels import Levels
from steps.data.audio.remarks import Remark
from steps.data.audio.resampling import RATE, resample_blocks
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy

WRONG, DAMAGED = "wrong stated length", "damaged pieces"


class TooLong(UserError):
    """More sound than the caller takes. seconds: of the recording; None where nobody knows."""

    def __init__(self, path: str | Path, seconds: float | None, longest: float):
        self.seconds = seconds
        super().__init__(f"{show_path(path)}: {'more than ' if seconds is None else ''}"
                         f"{longest if seconds is None else seconds:.0f} s; accepted: up to {longest:g} s")


@dataclass(frozen=True)
class AudioInfo:
    """What a recording holds. samples: per channel, at `rate` Hz. remarks: on its header."""

    rate: int
    channels: int
    samples: int
    remarks: tuple[Remark, ...] = ()

    @property
    def duration(self) -> float:
        return self.samples / self.rate

    @property
    def notes(self) -> tuple[str, ...]:
        """The conversions that load_audio will make."""
        layout = {1: (), 2: ("stereo",)}.get(self.channels, (f"{self.channels} channels",))
        return (() if self.rate == RATE else (f"resampled {self.rate}",)) + layout


@dataclass(frozen=True)
class Survey:
    """What one pass over a recording showed. channel: to be heard alone, where the channels cancel."""

    info: AudioInfo
    channel: int | None
    levels: tuple[Remark, ...]

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return self.info.remarks + self.levels

    def length(self, rate: int = RATE) -> int:
        """Samples after resampling."""
        return -(-self.info.samples * rate // self.info.rate)


@dataclass(frozen=True)
class Sound:
    """
    Attributes:
        samples: float32 mono (T,), finite. rate: theirs. source: the recording as it lies on disk, of which `samples`
            counts what was read.
        levels: remarks on the samples; those on the file stand in `source`.
    """

    samples: numpy.ndarray
    rate: int
    source: AudioInfo
    levels: tuple[Remark, ...]

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """All that is to be said of it."""
        return self.source.remarks + self.levels


class Recording:
    """A file that is read from front to end in bounded memory.

    Attributes:
        header: as steps/data/audio/headers.py read it. levels: of what the last `mono` gave.
    """

    def __init__(self, path: str | Path):
        """
        Raises:
            UserError: one line naming the file; see `inspect`.
        """
        self.header: Header = inspect(path)
        self.levels = Levels()
        self._damaged: list[int] = []

    @property
    def name(self) -> str:
        return show_path(self.header.path)

    def mono(self, first: int = 0, wanted: int | None = None, channel: int | None = None) -> Iterator[numpy.ndarray]:
        """Blocks float32 (n,) of [first, first + wanted) samples at the file's own rate.

        Args:
            channel: that is taken; None: the mean of all.
        """
        self.levels, self._damaged = Levels(), []
        for block in blocks(self.header, first, wanted, self._damaged):
            mixed = self.levels.add(block)
            if channel is None:
                yield mixed
            else:
                import numpy

                alone = block[:, min(channel, block.shape[1] - 1)]
                yield numpy.where(numpy.isfinite(alone), alone, numpy.float32(0))

    def survey(self) -> Survey:
        """Decode it once and keep nothing.

        Raises:
            UserError: it cannot be decoded, ends before its header says, or holds no numbers.
        """
        decoded = sum(len(block) for block in self.mono())
        self.levels.check(self.name)
        info = AudioInfo(self.header.rate, self.header.channels, decoded, self.file_remarks(decoded))
        return Survey(info, self.levels.loudest, self.levels.remarks())

    def resampled(self, channel: int | None = None, rate: int = RATE) -> Iterator[numpy.ndarray]:
        """`mono` of the whole, at another rate."""
        return resample_blocks(self.mono(channel=channel), self.header.rate, rate)

    def file_remarks(self, decoded: int | None = None) -> tuple[Remark, ...]:
        """On the header, and on what the last `mono` passed over.

        Args:
            decoded: samples from the first to the last, to be held against what the header states; None: not all.

        Raises:
            UserError: there is less.
        """
        header = self.header
        found = header.remarks
        if self._damaged:
            found += (Remark(DAMAGED, f"{self._damaged[0]} were passed over"),)
        if decoded is None:
            return found
        if decoded == 0:
            raise UserError(f"{self.name}: the recording has no samples")
        stated = header.stated if header.samples is None else header.samples
        if stated is not None and decoded < stated - header.slack:
            raise UserError(f"{self.name}: truncated: {stated} samples expected, {decoded} decoded")
        if stated is None or decoded <= stated + max(header.slack, header.rate // 10):
            return found
        return (*found, Remark(WRONG, f"its header says {stated / header.rate:.2f} s, {decoded / header.rate:.2f} s "
                               "were decoded"))


def audio_info(path: str | Path) -> AudioInfo:
    """Rate, channels and length; decodes only what does not state its length rightly.

    Raises:
        UserError: one line naming the file: missing, empty, not audio, truncated, without samples, impossible.
    """
    recording = Recording(path)
    header = recording.header
    if header.samples is not None:
        return AudioInfo(header.rate, header.channels, header.samples, header.remarks)
    decoded = sum(len(block) for block in recording.mono())
    return AudioInfo(header.rate, header.channels, decoded, recording.file_remarks(decoded))


def read_sound(path: str | Path, start: float = 0.0, duration: float | None = None, channel: int | None = None,
               rate: int | None = None, longest: float | None = None) -> Sound:
    """Decode [start, start + duration) seconds, mixed down.

    Args:
        channel: that is taken alone; None: the mean, or the loudest where the channels cancel.
        rate: to be resampled to; None: as it lies on disk.
        longest: seconds that are taken; no more is decoded.

    Raises:
        TooLong: more than `longest`. UserError: one line naming the file: unreadable, shorter than the segment or than
            its header says, or no numbers.
    """
    import numpy

    recording = Recording(path)
    header = recording.header
    first = round(start * header.rate)
    there = None if header.samples is None else header.samples - first
    if first < 0 or (there is not None and there < 0):
        raise UserError(f"{recording.name}: the segment starts at {start} s, the recording ends at "
                        f"{(header.samples or 0) / header.rate} s")
    wanted = round(duration * header.rate) if duration is not None else there
    most = None if longest is None else round(longest * header.rate)
    if most is not None and wanted is not None and wanted > most:
        raise TooLong(path, wanted / header.rate, longest or 0.0)
    limit = wanted if wanted is not None or most is None else most + 1
    read = _gather(recording, first, limit, channel, rate)
    if channel is None and (loudest := recording.levels.loudest) is not None:
        read = _gather(recording, first, limit, loudest, rate)
    decoded = recording.levels.frames
    if most is not None and decoded > most:
        raise TooLong(path, None, longest or 0.0)
    rounded = 1 if start and duration is not None else 0  # both ends of a segment are
    if wanted is not None and decoded < wanted - rounded:
        raise UserError(f"{recording.name}: truncated: {wanted} samples expected, {decoded} decoded")
    recording.levels.check(recording.name)
    told = recording.file_remarks(first + decoded if duration is None else None)
    samples = numpy.concatenate(read) if len(read) > 1 else read[0] if read else numpy.zeros(0, dtype="float32")
    return Sound(samples, rate or header.rate, AudioInfo(header.rate, header.channels, decoded, told),
                 recording.levels.remarks())


def _gather(recording: Recording, first: int, wanted: int | None, channel: int | None,
            rate: int | None) -> list[numpy.ndarray]:
    found = recording.mono(first, wanted, channel)
    return list(found if rate is None else resample_blocks(found, recording.header.rate, rate))


def read_audio(path: str | Path, start: float = 0.0, duration: float | None = None) -> tuple[numpy.ndarray, int, int]:
    """
    Returns:
        float32 mono (T,) of `read_sound`, its sampling rate, and the channels that there were.
    """
    sound = read_sound(path, start, duration)
    return sound.samples, sound.rate, sound.source.channels


def load_audio(source: Any) -> tuple[numpy.ndarray, tuple[str, ...]]:
    """The samples of an utterance.

    Args:
        source: an Item, a lhotse MonoCut or Recording, or a path (the whole file).

    Returns:
        float32 mono 16 kHz (T,), and notes such as ("resampled 48000", "stereo", "digital silence").

    Raises:
        UserError: one line naming the file.
    """
    sound = read_sound(*_locate(source), rate=RATE)
    return sound.samples, sound.source.notes + tuple(remark.kind for remark in sound.remarks)


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
