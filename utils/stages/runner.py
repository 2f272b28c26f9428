"""Run the command of one stage: a process group of its own on a leash, its output on the terminal and in a log."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from utils.errors import UsageError, UserError, describe_os_error
from utils.leash import Leash, group_members, kill_group, signal_group, start_time
from utils.stages.graph import Recipe, Stage
from utils.stages.lock import Lock

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL when a stage is interrupted."""


class Runner:
    """Starts commands of stages; at most one runs at a time."""

    def __init__(self, recipe: Recipe, leash: Leash, lock: Lock):
        self.recipe, self.leash, self.lock = recipe, leash, lock
        self._commit = ""

    def program(self, stage: Stage) -> str:
        """The program of a stage's command; steps/, utils/ and local/ are those of the top level.

        Raises:
            UsageError: there is none.
        """
        name = stage.words[0]
        found: str | None = name
        if name.startswith(("steps/", "utils/", "local/")):
            found = str(self.recipe.root / name)
            if not os.path.isfile(found):
                raise UsageError(f"{stage}: there is no {name} in {self.recipe.root}")
            if not os.access(found, os.X_OK):
                raise UsageError(f"{stage}: {name} is not executable; chmod +x {found}")
        elif "/" not in name:
            found = shutil.which(name)
        elif not os.access(self.recipe.directory / name, os.X_OK):
            found = None
        if found is None:
            raise UsageError(f"{stage}: there is no program {name}")
        return found

    def run(self, stage: Stage, told: Mapping[str, str], log: Path, fresh: bool) -> int:
        """Run a stage's command to its end.

        Args:
            told: variables of its environment.
            log: file for a copy of its output; begun anew if `fresh`, else continued.

        Returns:
            its exit status; 128 + number if a signal ended it.
        """
        environment = {**os.environ, "ROOT": str(self.recipe.root), "EMOTION_RECIPE": str(self.recipe.directory),
                       "EMOTION_STAGE": str(stage.number), "EMOTION_LEASH": str(self.lock.guard), **told}
        if sys.stdout.isatty():
            environment["EMOTION_PROGRESS"] = "1"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "wb" if fresh else "ab", buffering=0) as copy:
            copy.write(self._header(stage).encode(errors="surrogateescape"))
            process = self.leash.popen([self.program(stage), *stage.words[1:]], cwd=self.recipe.directory,
                                       env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            try:
                self.lock.set_group(process.pid)
                self._pass_on(process, copy)
                status = process.wait()
            finally:
                self._end(process)
        return status if status >= 0 else 128 - status

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing of the group behind, whether it ended or was interrupted."""
        pgid = process.pid
        if process.poll() is None:
            signal_group(pgid, signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        if process.returncode is None or group_members(pgid):
            kill_group(pgid, start_time(pgid))
        process.wait()
        with contextlib.suppress(OSError):
            self.leash.remove(pgid)
            self.lock.set_group(None)

    def _pass_on(self, process: subprocess.Popen[bytes], copy: IO[bytes]) -> None:
        """Copy what a process prints to the same stream of ours and to the log, until the process ends."""
        assert process.stdout is not None and process.stderr is not None
        pipes = [_Pipe(process.stdout, sys.stdout, copy), _Pipe(process.stderr, sys.stderr, copy)]
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            for pipe in pipes:
                selector.register(pipe.number, selectors.EVENT_READ, pipe)
            with contextlib.suppress(AttributeError, OSError):
                ended = os.pidfd_open(process.pid)
                stack.callback(os.close, ended)
                selector.register(ended, selectors.EVENT_READ)
            while process.poll() is None:
                for key, _ in selector.select(timeout=0.2):
                    if key.data and key.data.pass_on() == b"":
                        selector.unregister(key.fd)
        signal_group(process.pid, signal.SIGKILL)  # children left behind must not go on writing
        deadline = time.monotonic() + GRACE
        for pipe in pipes:
            while time.monotonic() < deadline and pipe.pass_on():
                pass
            pipe.lines.close()

    def _header(self, stage: Stage) -> str:
        if not self._commit:
            self._commit = _git_state(self.recipe.root)
        return (f"# {stage}\n# command: {shlex.join(stage.words)}\n# called as: {shlex.join(self.recipe.command)}\n"
                f"# commit: {self._commit}\n# python: {shutil.which('python') or sys.executable}, "
                f"engine on {sys.version.split()[0]}\n# host: {socket.gethostname()}\n"
                f"# date: {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n")


class _Pipe:
    """One of a command's two streams, passed on to ours of that name, so that errors are found where one looks."""

    def __init__(self, source: IO[bytes], target: IO[str], copy: IO[bytes]):
        self.number, self.target, self.lines = source.fileno(), target, _PlainLines(copy)
        os.set_blocking(self.number, False)

    def pass_on(self) -> bytes | None:
        """One block; empty at the end of the stream, None when there is nothing at the moment."""
        try:
            block = os.read(self.number, 65536)
        except BlockingIOError:
            return None
        self.target.buffer.write(block)
        self.target.buffer.flush()
        self.lines.write(block)
        return block


class _PlainLines:
    """Writes lines to a log; of a line that a progress bar drew over and over (\\r) only the last state."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._rest = b""

    def write(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        self._rest = self._rest[-65536:]
        try:
            text = b"".join(line.rstrip(b"\r").rpartition(b"\r")[2] + b"\n" for line in lines)
            while text:
                text = text[self._stream.write(text):]
        except OSError as error:
            raise UserError(describe_os_error(OSError(error.errno, error.strerror, self._stream.name))) from error

    def close(self) -> None:
        if self._rest:
            self.write(b"\n")


def _git_state(root: Path) -> str:
    """Commit, and whether tracked files differ from it."""
    try:
        commit = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True,
                                check=True, timeout=10).stdout.strip()
        changes = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "-uno"], capture_output=True,
                                 text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + (" (dirty)" if changes else "")
