"""One run a directory: a lock file that names host, boot, process and its start time.

The lock of a dead process of this host is taken over; that of another host never is, since nobody can see from here
whether it lives. A process is known by pid and start time, so a pid that is used again deceives nobody. Two hosts of
one name are told apart by their machine ids; without those, a lock of another boot may be another host's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import lock_file, write_text
from utils.leash import group_members, kill_group, start_time, wait_for_leashes

LARGEST = 65536
"""Bytes that a lock file may have."""


def _read_line(*paths: str) -> str:
    """The first of these files that can be read and holds something; "" if none."""
    for path in paths:
        with contextlib.suppress(OSError):
            if text := Path(path).read_bytes().decode(errors="replace").strip():
                return text
    return ""


def this_host() -> dict[str, str]:
    """What tells this host from others of the same name: machine, boot, and the name space of its pids."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return {"host": socket.gethostname(), "machine": _read_line("/etc/machine-id", "/var/lib/dbus/machine-id"),
            "boot": _read_line("/proc/sys/kernel/random/boot_id"), "pids": namespace}


def _is_lock(holder: object) -> bool:
    """Whether this was written by `Lock._write`: a process, and the group of its stage if it had one."""
    if not isinstance(holder, dict) or not _is_number(holder.get("pid")):
        return False
    group = holder.get("group")
    return group is None or (isinstance(group, dict) and _is_number(group.get("pgid")))


def _is_number(value: object) -> bool:
    """A process or group that may be asked after and killed; 1 and less mean others than one process."""
    return type(value) is int and 1 < value < 2 ** 31


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
            UserError: somebody else holds it; says who, and how to release it. Or the directory cannot be written.
        """
        try:
            self.guard.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.guard, os.O_RDWR | os.O_CREAT, 0o666))
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            raise UserError(f"{self.path.parent} cannot be written ({error.strerror}), and a recipe keeps its work "
                            "there: clone the repository to where you may write") from error
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
        """Note the process group of the running stage, for the one who may have to take over.

        Raises:
            UserError: the directory is gone; it is not made again for a lock.
        """
        if not self.guard.exists():
            raise UserError(f"{self.path.parent} was removed while this run worked in it; run it again")
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
        """What the lock file says; None without one.

        Raises:
            UserError: it is no lock of ours, whatever it is: text, bytes, a directory, a device, too large.
        """
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                raise ValueError
            with open(self.path, "rb") as stream:
                holder = json.loads(stream.read(LARGEST + 1)[:LARGEST].decode())
            if not _is_lock(holder):
                raise ValueError
            return holder
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            raise UserError(f"the lock {self.path.resolve()} cannot be read; if no run is active here, delete it") \
                from None

    def _refuse_if_alive(self, holder: dict[str, Any]) -> None:
        mine = self._content
        who = f"{holder.get('command')} (process {holder['pid']} on {holder.get('host')}, since {holder.get('since')})"
        who = "".join(letter if letter.isprintable() else "?" for letter in who)
        same_boot = holder.get("boot") == mine["boot"]
        if any(holder.get(key) != mine[key] for key in ("host", "machine")) \
                or (same_boot and holder.get("pids") != mine["pids"]) or not (same_boot or mine["machine"]):
            raise UserError(f"this directory is in use by {who}; from here it cannot be seen whether that process "
                            f"lives: if it does not, delete {self.path.resolve()}")
        if same_boot and holder.get("start") is not None and start_time(holder["pid"]) == holder["start"]:
            raise UserError(f"this directory is in use by {who}; wait for it, or stop it with: kill {holder['pid']}")

    def _bury(self, holder: dict[str, Any]) -> None:
        """Make sure that nothing of a dead run of this host is alive."""
        group = holder.get("group")
        if not group or holder.get("boot") != self._content["boot"]:
            return
        pgid = group["pgid"]
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
            lock_file(descriptor, wait=True)
            yield
        finally:
            os.close(descriptor)
