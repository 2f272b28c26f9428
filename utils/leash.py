"""A leash: a small process that kills registered process groups when its owner dies, also by `kill -9`.

Nobody can clean up after his own SIGKILL. The leash is a process of its own session that reads from a pipe; only its
owner holds the writing end. When the owner dies, for whatever reason, the kernel closes that end, the leash reads the
end of the file and sends SIGKILL to every group that is still registered.

    leash = Leash()
    process = leash.popen(["steps/x.sh", "a b"])     # in a group of its own, registered before the command starts
    process.wait()
    leash.remove(process.pid)
    leash.close()

Nor does a group of its own hear a Ctrl-Z: while there is a leash, what stops its owner (SIGTSTP) stops what is
registered, and all goes on together.

While a leash lives, it holds a shared lock on its guard file (EMOTION_LEASH, set by the stage engine). Who takes over
a dead run waits with `wait_for_leashes` until the last leash has done its work; so no task runs twice at once.

This file also runs as a program, without site-packages: only the standard library, nothing of this repository.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

PATIENCE = 10.0
"""Seconds that a killed group may take to vanish (a process in an uninterruptible read of a network disk)."""


def process_state(pid: int) -> tuple[str, int, int] | None:
    """(state letter, process group, start time in clock ticks since boot) of a process; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[2]), int(fields[19])


def start_time(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; None if it is gone or a zombie.

    A pid and its start time name a process for good; a pid alone is used again.
    """
    state = process_state(pid)
    return None if state is None or state[0] in "ZX" else state[2]


def group_members(pgid: int) -> list[int]:
    """The living processes of a group; zombies do not count (in a container nobody may reap them)."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            state = process_state(int(name))
            if state is not None and state[1] == pgid and state[0] not in "ZX":
                members.append(int(name))
    return members


def signal_group(pgid: int, number: int) -> None:
    """Send a signal to a group that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def kill_group(pgid: int, started: int | None = None, patience: float = PATIENCE) -> bool:
    """Kill a group by SIGKILL and wait until it is gone.

    Args:
        started: start time of the group's leader. If a process of that number lives with another start time, then the
            number is used again by a stranger, and nothing is killed.

    Returns:
        whether the group is gone.
    """
    leader = start_time(pgid)
    if leader is not None and leader != started:
        return True
    signal_group(pgid, signal.SIGKILL)
    deadline = time.monotonic() + patience
    while group_members(pgid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_for_leashes(guard: str, patience: float = PATIENCE) -> bool:
    """Wait until no leash holds `guard`; False if one still does after `patience` seconds."""
    deadline = time.monotonic() + patience
    try:
        descriptor = os.open(guard, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:  # its directory is gone
        return True
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)
            except OSError:  # a file system without locks: the kill itself still works
                return True
    finally:
        os.close(descriptor)


class Leash:
    """Kills what is registered when this process dies. Make it early, before threads and large memory.

    A child that is forked without exec inherits the pipe and keeps the leash waiting; start children by exec.

    Args:
        guard: lock file held while the leash lives; default: environment variable EMOTION_LEASH; "" = none.
    """

    def __init__(self, guard: str | None = None):
        guard = os.environ.get("EMOTION_LEASH", "") if guard is None else guard
        self._process = subprocess.Popen([sys.executable, "-I", "-S", os.path.abspath(__file__), guard],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                         start_new_session=True, cwd="/")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pipe = self._process.stdin.fileno()
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the watching process (utils/leash.py) did not start")
        self._process.stdout.close()
        self._groups: set[int] = set()
        self._hears_stops = threading.current_thread() is threading.main_thread() \
            and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        if self._hears_stops:
            signal.signal(signal.SIGTSTP, self._stop)

    def _stop(self, *_: object) -> None:
        """Ctrl-Z: stop what is registered, then this process; from there both go on when somebody says so (fg, bg)."""
        for pgid in self._groups:
            signal_group(pgid, signal.SIGTSTP)
        try:
            os.kill(os.getpid(), signal.SIGSTOP)
        finally:
            for pgid in self._groups:
                signal_group(pgid, signal.SIGCONT)

    def _hear_no_more(self) -> None:
        if self._hears_stops:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            self._hears_stops = False

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """`subprocess.Popen` in a process group of its own (its number is the pid), registered before it can act.

        The child registers itself between fork and exec, so that not even a kill in that moment leaves it alone.
        """
        pipe = self._pipe

        def register() -> None:
            os.setpgid(0, 0)
            os.write(pipe, b"+%d\n" % os.getpid())

        process = subprocess.Popen(argv, preexec_fn=register, **options)
        self._groups.add(process.pid)
        return process

    def add(self, pgid: int) -> None:
        """Register a process group that runs already."""
        os.write(self._pipe, b"+%d\n" % pgid)
        self._groups.add(pgid)

    def remove(self, pgid: int) -> None:
        """Forget a process group (call it once the group is gone, or shall live on)."""
        self._groups.discard(pgid)
        os.write(self._pipe, b"-%d\n" % pgid)

    def close(self) -> None:
        """Forget everything and end the leash. Nothing is killed."""
        self._hear_no_more()
        if self._process.returncode is None:
            with contextlib.suppress(OSError):
                os.write(self._pipe, b"0\n")
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()

    def kill(self) -> None:
        """Kill what is still registered, wait until it is gone, and end the leash."""
        self._hear_no_more()
        if self._process.returncode is None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()

    def __enter__(self) -> Leash:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watch(guard: str) -> None:
    """The leash process itself: follow the pipe on standard input to its end, then kill what is registered."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if guard:
        descriptor = os.open(guard, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.write(1, b"ready\n")
    os.close(1)
    groups: dict[int, int | None] = {}
    for line in os.fdopen(0, "rb", buffering=0):
        text = line.decode()
        if text.startswith("+"):
            groups[int(text[1:])] = start_time(int(text[1:]))
        elif text.startswith("-"):
            groups.pop(int(text[1:]), None)
        else:
            groups.clear()
    for pgid, started in groups.items():
        leader = start_time(pgid)
        if leader is None or leader == started:
            signal_group(pgid, signal.SIGKILL)
    for pgid, started in groups.items():
        kill_group(pgid, started)


if __name__ == "__main__":
    if sys.argv[1:] == ["--help"]:
        sys.exit(print(__doc__))
    watch(sys.argv[1])
