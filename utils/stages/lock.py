"""One run a directory: a lock file that names host, boot, process and its start time.

The lock of a dead process of this host is taken over; that of another host never is, since nobody can see from here
whether it lives. A process is known by pid and start time, so a pid that is used again deceives nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import write_text
from utils.leash import group_members, kill_group, start_time, wait_for_leashes


def _read_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def this_host() -> dict[str, str]:
    """What tells this host from others of the same name: machine, boot, and the name space of its pids."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return {"host": socket.gethostname(), "machine": _read_line("/etc/machine-id"),
            "boot": _read_line("/proc/sys/kernel/random/boot_id"), "pids": namespace}


class Lock:
    """Lock of a directory.

    Args:
        path: the lock file.
        guard: file that leashes of this run hold (utils/leash.py).
        command: run.sh as called, for the message to the second run.
    """

    def __init__(self, path: Path, guard: Path, command: str):
        self.path, self.guard = path, guard
        self._content: dict[str, Any] = {**this_host(), "pid": os.getpid(), "start": start_time(os.getpid()),
                                         "since": time.strftime("%Y-%m-%d %H:%M:%S"), "command": command,
                                         "group": None}

    def acquire(self) -> str:
        """Take the lock, or take over that of a dead run.

        Returns:
            a line to print if it was taken over, else "".

        Raises:
            UserError: somebody else holds it; says who, and how to release it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.guard.parent.mkdir(parents=True, exist_ok=True)
        note = ""
        with self._alone():
            holder = self._holder()
            if holder is not None:
                self._refuse_if_alive(holder)
                note = f"taking over from process {holder.get('pid')}, which died"
            if not wait_for_leashes(str(self.guard)):
                raise UserError(f"tasks of an earlier run in {self.path.resolve().parent} do not end; kill them first")
            if holder is not None:
                self._bury(holder)
            self._write()
        return note

    def set_group(self, pgid: int | None) -> None:
        """Note the process group of the running stage, for the one who may have to take over."""
        self._content["group"] = None if pgid is None else {"pgid": pgid, "start": start_time(pgid)}
        self._write()

    def release(self) -> None:
        """Remove the lock if it is ours."""
        with contextlib.suppress(UserError):
            holder = self._holder()
            if holder is not None and all(holder.get(key) == self._content[key] for key in ("pid", "start", "boot")):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path)

    def _write(self) -> None:
        write_text(self.path, json.dumps(self._content, indent=1) + "\n")

    def _holder(self) -> dict[str, Any] | None:
        try:
            holder = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            holder = None
        if not isinstance(holder, dict) or "pid" not in holder:
            raise UserError(f"the lock {self.path.resolve()} cannot be read; if no run is active here, delete it")
        return holder

    def _refuse_if_alive(self, holder: dict[str, Any]) -> None:
        mine = self._content
        who = f"{holder.get('command')} (process {holder['pid']} on {holder.get('host')}, since {holder.get('since')})"
        same_boot = holder.get("boot") == mine["boot"]
        if any(holder.get(key) != mine[key] for key in ("host", "machine")) \
                or (same_boot and holder.get("pids") != mine["pids"]):
            raise UserError(f"this directory is in use by {who}; from here it cannot be seen whether that process "
                            f"lives: if it does not, delete {self.path.resolve()}")
        if same_boot and holder.get("start") is not None and start_time(int(holder["pid"])) == holder["start"]:
            raise UserError(f"this directory is in use by {who}; wait for it, or stop it with: kill {holder['pid']}")

    def _bury(self, holder: dict[str, Any]) -> None:
        """Make sure that nothing of a dead run of this host is alive."""
        group = holder.get("group")
        if not group or holder.get("boot") != self._content["boot"]:
            return
        pgid = int(group["pgid"])
        if any(self._is_ours(pid) for pid in group_members(pgid)) and not kill_group(pgid, start_time(pgid)):
            raise UserError(f"the process group {pgid} of the dead run does not end; kill it, then try again")

    def _is_ours(self, pid: int) -> bool:
        """Whether a process was started by a stage of this directory (its number may be used again)."""
        try:
            return os.fsencode(f"EMOTION_LEASH={self.guard}") in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process of this host looks at the lock at a time (two may want to take over)."""
        descriptor = os.open(self.guard.with_name("lock.guard"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
