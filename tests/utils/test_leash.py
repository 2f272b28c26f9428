"""The leash kills what its owner started when the owner dies, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE, wait_until
from utils.leash import Leash, group_members, kill_group, process_state, start_time, wait_for_leashes

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import os, sys, time
sys.path.insert(0, {root!r})
from tests.patience import PATIENCE, wait_until
from utils.leash import Leash
leash = Leash({guard!r})
child = leash.popen(["bash", "-c", "sleep 1000 & sleep 1000 & wait"])
if {removed}: leash.remove(child.pid)
print(child.pid, flush=True)
{then}
"""


def owner(guard: str = "", removed: bool = False, then: str = "time.sleep(1000)") -> tuple[subprocess.Popen, int]:
    code = OWNER.format(root=str(ROOT), guard=guard, removed=removed, then=then)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def gone(pgid: int) -> bool:
    return wait_until(lambda: not group_members(pgid))


def test_kill_minus_9_of_the_owner_kills_the_whole_group():
    process, pgid = owner()
    assert start_time(pgid) is not None
    process.kill()
    process.wait()
    assert gone(pgid)


def test_an_owner_that_ends_without_closing_leaves_nothing_behind():
    process, pgid = owner(then="os._exit(3)")
    process.wait()
    assert gone(pgid)


def test_a_removed_group_lives_on_and_close_kills_nothing():
    for then in ("os._exit(0)", "leash.close()"):
        process, pgid = owner(removed=then.startswith("os"), then=then)
        process.wait()
        time.sleep(0.3)
        assert group_members(pgid)
        assert kill_group(pgid, start_time(pgid))


def test_kill_ends_what_is_still_registered():
    process, pgid = owner(then="leash.kill(); leash.close()")
    assert process.wait() == 0 and not group_members(pgid)


def test_the_leash_ignores_an_interrupt_of_the_terminal():
    process, pgid = owner()
    child = int(subprocess.run(["pgrep", "-f", "leash.py", "-P", str(process.pid)],
                               capture_output=True, text=True).stdout.split()[0])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, number)
    time.sleep(0.1)
    assert start_time(child) is not None
    process.kill()
    process.wait()
    assert gone(pgid)


def test_who_waits_for_the_guard_comes_after_the_kill(tmp_path):
    guard = str(tmp_path / "guard")
    process, pgid = owner(guard=guard)
    assert not wait_for_leashes(guard, 0.1)
    process.kill()
    process.wait()
    assert wait_for_leashes(guard, PATIENCE)
    assert not group_members(pgid)
    assert wait_for_leashes(guard, 0)


def test_a_number_used_again_by_a_stranger_is_not_killed():
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        assert kill_group(stranger.pid, started=1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_command_that_cannot_start_raises_and_the_leash_still_works():
    with Leash("") as leash:
        with pytest.raises(FileNotFoundError):
            leash.popen(["/no/such/command"])
        child = leash.popen(["true"])
        assert child.wait() == 0
        leash.remove(child.pid)


def states(pgid: int) -> set[str]:
    return {process_state(pid)[0] for pid in group_members(pgid)}


def test_what_stops_the_owner_stops_the_group_and_all_goes_on_together():
    process, pgid = owner(then="while True: time.sleep(1000)")
    try:
        for _ in range(2):
            process.send_signal(signal.SIGTSTP)
            wait_until(lambda: process_state(process.pid)[0] == "T" and states(pgid) == {"T"})
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: process_state(process.pid)[0] == "S" and states(pgid) == {"S"})
        process.send_signal(signal.SIGTSTP)
        wait_until(lambda: process_state(process.pid)[0] == "T")
    finally:
        process.kill()
        process.wait()
    assert gone(pgid)  # a stopped group dies with its owner, too


def test_a_leash_that_is_closed_hears_no_stops():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport signal\nfrom utils.leash import Leash\n" \
           "leash = Leash(); leash.close(); print(signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
