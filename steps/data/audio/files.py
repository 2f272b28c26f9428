"""Files before anything is decoded: what may be opened, and what is no recording at all."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from utils.errors import UserError

# Of recordings in a directory; a file that is named itself may have any name: its content decides.
SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc", ".au", ".snd",
            ".sph", ".w64", ".rf64", ".caf", ".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm",
            ".weba", ".mkv", ".mka", ".amr", ".awb", ".wma", ".wmv", ".asf", ".ac3", ".ape", ".wv", ".tta", ".avi",
            ".flv", ".voc")
POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_POINTER = 1024  # bytes; a pointer has about 130
COMPANION = b"\x00\x05\x16\x07"  # AppleDouble


class GitLfsPointer(UserError):
    """A file that git-lfs has not fetched. path: of the file."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        super().__init__(f"{show_path(path)}: a git-lfs pointer, not a recording: run git lfs pull "
                         f"in {show_path(checkout_of(self.path.parent))}")


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; never waits for a FIFO or a device.

    Raises:
        UserError: not there, no permission, or no regular file.
    """
    name = show_path(path)
    try:
        # Without O_NONBLOCK the open of a FIFO waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}; no such recording can be opened") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "directory" if stat.S_ISDIR(mode) else "FIFO" if stat.S_ISFIFO(mode) else "device"
        raise UserError(f"{name}: a {what}, no regular file; write the recording to a file first")
    return os.fdopen(descriptor, "rb")


def open_soundfile(stream: BinaryIO, part: tuple[int, int] | None = None) -> Any:
    """soundfile.SoundFile of an open file, or of a range of its bytes.

    Opened by its path, libsndfile would take ._x beside x for a part of it.
    """
    import soundfile

    if part is not None:
        return soundfile.SoundFile(FilePart(stream, *part))
    os.lseek(stream.fileno(), 0, os.SEEK_SET)  # `stream` itself may hold its begin in a buffer
    return soundfile.SoundFile(stream.fileno(), closefd=False)


class FilePart(io.RawIOBase):
    """The bytes [begin, end) of a file, as a file for decoders.

    A seek to before its begin is answered by -1, as they expect: an exception in their callbacks is printed.
    """

    def __init__(self, stream: BinaryIO, begin: int, end: int):
        self._file, self._begin, self._size, self._place = stream.fileno(), begin, end - begin, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place = offset + (0, self._place, self._size)[whence]
        if place < 0:
            return -1
        self._place = place
        return place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._place))
        found = os.pread(self._file, wanted, self._begin + self._place)
        buffer[:len(found)] = found
        self._place += len(found)
        return len(found)


def is_pointer(path: str | Path) -> bool:
    """Whether git-lfs left a pointer in the place of this file."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST_POINTER:
            return False
        with open(path, "rb") as stream:
            return stream.read(len(POINTER)) == POINTER
    except OSError:
        return False


def pointers_line(paths: Sequence[Path], total: int) -> str:
    """One line for all pointers among `total` recordings."""
    top = checkout_of(Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths])))
    return (f"{len(paths)} of {total} recordings are git-lfs pointers, not recordings "
            f"({show_path(paths[0])}): run git lfs pull in {show_path(top)}")


def checkout_of(directory: Path) -> Path:
    """The top of the git checkout that holds `directory`; `directory` where there is none."""
    directory = Path(os.path.abspath(directory))
    return next((place for place in (directory, *directory.parents) if (place / ".git").exists()),
                directory)


def is_companion(path: Path) -> bool:
    """Whether this is `._x`, which macOS leaves beside every x on a foreign disk."""
    if not path.name.startswith("._"):
        return False
    try:
        with open_regular(path) as stream:
            return stream.read(len(COMPANION)) == COMPANION
    except UserError:
        return False


def show_path(path: object) -> str:
    """A path on one line, whatever characters are in it."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
