"""Process trees and their memory, read from /proc."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Orphans among the descendants become children of this process, so that the tree stays whole."""
    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """For a preexec_fn: SIGKILL this process when its parent dies."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _stat(pid: str) -> tuple[int, str] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The name, in parentheses, may itself hold spaces and parentheses.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0].decode()


def descendants(root: int) -> list[int]:
    """Living processes below `root`, without it; zombies are left out."""
    children: dict[int, list[int]] = {}
    dead = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _stat(name)) is not None:
            children.setdefault(found[0], []).append(int(name))
            if found[1] in "ZX":
                dead.add(int(name))
    tree, front = [], [root]
    while front:
        below = children.get(front.pop(), [])
        tree += below
        front += below
    return [pid for pid in tree if pid not in dead]


def listed_below(root: int) -> list[int]:
    """As `descendants`, of the kernel's own lists of children: does not look at every process of the machine.

    Enough to watch by: who comes or goes in that moment may be missing, and zombies are there. Where the kernel keeps
    no such lists (CONFIG_PROC_CHILDREN) it looks at all processes.
    """
    tree, front = [], [root]
    while front:
        pid = front.pop()
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:  # it has ended
            continue
        for thread in threads:
            try:
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as stream:
                    below = [int(word) for word in stream.read().split()]
            except OSError:
                if os.path.exists(f"/proc/{pid}/task/{thread}"):
                    return descendants(root)
                continue
            tree += below
            front += below
    return tree


def kill_tree(root: int, number: int = signal.SIGKILL, patience: float = 10.0) -> bool:
    """Signal everything below `root`; with SIGKILL again until nothing is left. Returns whether it is gone."""
    deadline = time.monotonic() + patience
    while True:
        tree = descendants(root)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if not tree or number != signal.SIGKILL:
            return not tree
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def _fields(path: str, names: tuple[bytes, ...]) -> dict[bytes, int]:
    """Named lines `Name: 123 kB` of a /proc file in bytes; {} if the process is gone or not ours to read."""
    found: dict[bytes, int] = {}
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        for line in stream:
            name, _, value = line.partition(b":")
            if name in names:
                found[name] = int(value.split()[0]) * 1024
    return found


def resident(pids: list[int]) -> tuple[int, int]:
    """(resident bytes, bytes that cannot be dropped) summed over processes.

    The second leaves out pages that are mapped from files (memory-mapped features): the kernel takes those back at
    need. Memory that forked workers share is counted once for each of them; `shared_once` is exact.
    """
    total = pinned = 0
    for pid in pids:
        found = _fields(f"/proc/{pid}/status", (b"VmRSS", b"RssAnon", b"RssShmem"))
        total += found.get(b"VmRSS", 0)
        pinned += found[b"RssAnon"] + found.get(b"RssShmem", 0) if b"RssAnon" in found else found.get(b"VmRSS", 0)
    return total, pinned


def shared_once(pids: list[int]) -> int | None:
    """Bytes that cannot be dropped, with shared pages counted once; None where the kernel does not tell."""
    total = 0
    for pid in pids:
        found = _fields(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon", b"Pss_Shmem"))
        if b"Pss_Anon" in found:
            total += sum(found.values())
        elif _stat(str(pid)) is not None:
            return None
    return total
