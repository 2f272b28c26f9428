"""Files that are either whole or not there: write to a temporary name, fsync, rename.

The environment variable EMOTION_FAULT names a write-to-rename window in which the process kills itself, so that tests
can prove that a kill there loses nothing: `EMOTION_FAULT=<text in the path, or pattern of the whole path>` with
EMOTION_FAULT_ONCE naming a file that is created when the fault fires (it fires only while that file is missing).
EMOTION_FAULT_LOG names a file that gets the path of every window, one a line, so that tests know which there are.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import fnmatch
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from utils.errors import DamagedFile, UserError
from utils.renamed import present_content
from utils.shape import check

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1 << 29  # bytes of a text that is read as a whole
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fault_point(path: Path) -> None:
    """Die here by SIGKILL if a test asked for it (see the module's text)."""
    if log := os.environ.get("EMOTION_FAULT_LOG"):
        with open(log, "a", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(f"{path}\n")
    wanted, once = os.environ.get("EMOTION_FAULT"), os.environ.get("EMOTION_FAULT_ONCE")
    if not wanted or not once or os.path.exists(once):
        return
    if wanted in str(path) or fnmatch.fnmatchcase(str(path), wanted):
        Path(once).write_text(str(path), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


def fsync_directory(path: Path) -> None:
    """Make a rename in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def short_end(name: str, most: int = 200) -> str:
    """The end of a file's name, so short that something fits in front of it: a name has at most 255 bytes."""
    return os.fsdecode(os.fsencode(name)[-most:])


@contextlib.contextmanager
def name_full_disk(path: Path) -> Iterator[None]:
    """A disk that is full says so in write() and close(), which do not tell what was written: name it.

    A library in Rust (safetensors) has errors of its own; their text ends as "(os error 28)".
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            error.filename = str(path)
        raise
    except Exception as error:
        number = re.search(r"\(os error ([0-9]+)\)", str(error))
        if number is None or isinstance(error, UserError):
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it is fsynced and renamed to `path`, on failure removed.

    For libraries that open files themselves. The suffixes of `path` are kept at the end of the temporary name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp.{os.getpid()}.{short_end(path.name)}")
    try:
        with name_full_disk(path):
            yield temporary
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fault_point(path)
        os.replace(temporary, path)
        fsync_directory(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


@contextlib.contextmanager
def atomic_open(path: str | Path, mode: str = "w", **kwargs: Any) -> Iterator[IO[Any]]:
    """Open a temporary file; on success it is flushed, fsynced and renamed to `path`, on failure removed."""
    if "b" not in mode:
        kwargs.setdefault("encoding", "utf-8")
    with atomic_path(path) as temporary, open(temporary, mode, **kwargs) as stream:
        yield stream


@contextlib.contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Give a temporary directory to fill; on success it replaces `path` as a whole, on failure it is removed.

    The previous directory stays until the new one is complete on disk: it is moved to `<path>.previous`, the new one
    takes its place, then the old one is removed. A reader that finds no `path` but `<path>.previous` calls
    `recover_directory`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    recover_directory(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    previous = path.with_name(f"{path.name}.previous")
    temporary.mkdir()
    try:
        with name_full_disk(path):
            yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                descriptor = os.open(file, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        fsync_directory(temporary)
        fault_point(path)
        if path.exists():
            os.rename(path, previous)
            fault_point(previous)
        os.rename(temporary, path)
        fsync_directory(path.parent)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recover_directory(path: Path) -> None:
    """Undo a half-done `atomic_directory`: restore `<path>.previous` if `path` is missing; drop leftovers."""
    previous = path.with_name(f"{path.name}.previous")
    if previous.exists():
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            os.rename(previous, path)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def lock_file(descriptor: int, wait: bool = False) -> bool:
    """Lock an open file against other processes; False if one of them holds it and we do not wait.

    A file system without locks (Lustre mounted without `flock`) refuses nobody: there the lock of the run alone keeps
    two apart (utils/stages/lock.py).
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write `text` atomically."""
    with atomic_open(path) as stream:
        stream.write(text)


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write several files. Each is whole, and none changes before all are on disk under their temporary names."""
    with contextlib.ExitStack() as stack:
        for path, text in texts.items():
            stream = stack.enter_context(atomic_open(path))
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> None:
    """Write `value` as JSON atomically; keys keep their order, floats keep all their digits."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def check_regular(path: str | Path, most: int | None = None) -> None:
    """Before a file of others is opened: a pipe would keep the reader waiting for ever.

    Raises:
        OSError: it is not there. DamagedFile: a pipe, a device, a directory; or of more than `most` bytes.
    """
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):
        raise DamagedFile(f"{path} is no regular file")
    if most is not None and about.st_size > most:
        raise DamagedFile(f"{path} has {about.st_size} bytes; at most {most} are read")


def read_exact_text(path: str | Path, most: int = LARGEST) -> str:
    """A whole file of UTF-8 text as it was written here, of at most so many bytes; users' files: utils/text_files.py.

    Raises:
        OSError: it is not there. DamagedFile: no UTF-8, larger, or no file (a pipe, a device).
    """
    check_regular(path, most)
    try:
        return Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def read_json(path: str | Path, shape: Any = Any, advice: str = "") -> Any:
    """Read a JSON file.

    Args:
        shape: what it must look like (utils/shape.py). advice: what to do where it does not.

    Raises:
        OSError: it is not there. DamagedFile: no JSON, or of another form; names the file, and the line or key.
    """
    then = f"; {advice}" if advice else ""
    try:
        value = json.loads(read_exact_text(path))
    except json.JSONDecodeError as error:
        raise DamagedFile(f"{path}, line {error.lineno}: no valid JSON ({error.msg}){then}") from error
    except RecursionError as error:
        raise DamagedFile(f"{path}: no valid JSON (too many lists within each other){then}") from error
    except DamagedFile:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise DamagedFile(f"{path}: no valid JSON ({error!s:.80}){then}") from error
    value = present_content(value)
    check(value, shape, path, advice)
    return value
