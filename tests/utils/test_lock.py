"""One run a directory: who holds the lock, who may take it over, and that nothing of the dead run lives on."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE, wait_until
from tests.utils.toy_recipe import Toy
from utils.errors import UserError
from utils.leash import group_members, start_time
from utils.stages.lock import Lock, this_host


@pytest.fixture
def lock(tmp_path):
    return Lock(tmp_path / ".lock", tmp_path / ".stages" / "leash", "./run.sh --x")


def other_process() -> tuple[subprocess.Popen, int]:
    process = subprocess.Popen(["sleep", "1000"])
    return process, start_time(process.pid)


def write(lock: Lock, **changes) -> None:
    lock.path.write_text(json.dumps({**this_host(), "pid": os.getpid(), "start": start_time(os.getpid()),
                                     "since": "then", "command": "./run.sh --old", "group": None, **changes}))


def test_a_free_lock_is_taken_and_released(lock):
    assert lock.acquire() == ""
    content = json.loads(lock.path.read_text())
    assert content["pid"] == os.getpid() and content["command"] == "./run.sh --x" and content["host"]
    assert content["boot"] and content["start"] == start_time(os.getpid())
    lock.release()
    assert not lock.path.exists()


def test_a_living_holder_is_named_and_left_alone(lock):
    process, started = other_process()
    try:
        write(lock, pid=process.pid, start=started)
        text = lock.path.read_text()
        with pytest.raises(UserError, match=rf"\./run.sh --old \(process {process.pid} on .*kill {process.pid}"):
            lock.acquire()
        lock.release()
        assert lock.path.read_text() == text
    finally:
        process.kill()
        process.wait()


def test_a_dead_holder_is_followed(lock):
    process, started = other_process()
    process.kill()
    process.wait()
    write(lock, pid=process.pid, start=started)
    assert str(process.pid) in lock.acquire()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()


def test_a_zombie_is_dead(lock):
    process, started = other_process()
    process.kill()
    wait_until(lambda: start_time(process.pid) is None)
    write(lock, pid=process.pid, start=started)
    assert lock.acquire()
    process.wait()


def test_a_pid_used_again_by_another_process_deceives_nobody(lock):
    process, started = other_process()
    try:
        write(lock, pid=process.pid, start=started - 1)
        assert lock.acquire()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_lock_from_before_the_last_boot_is_followed(lock):
    write(lock, boot="another boot")
    assert lock.acquire()


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"machine": "another"}, {"pids": "pid:[1]"},
                                     {"host": "elsewhere", "boot": "another boot"}])
def test_the_lock_of_another_host_is_never_taken_over_and_the_message_says_which_file_to_remove(lock, changes):
    write(lock, pid=2 ** 22 + 1, start=1, **changes)
    with pytest.raises(UserError, match=f"delete {lock.path}") as caught:
        lock.acquire()
    assert changes.get("host", "") in str(caught.value)
    assert lock.path.exists()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"pid": 1}', b'{"pid": 0}', b'{"pid": -5}',
    b'{"pid": "12"}', b'{"pid": true}', b'{"pid": 1e9}', b'{"pid": 99999999999999}', b'{"pid": NaN}', b'{"pid": 12',
    b'{"pid": 12, "group": 7}', b'{"pid": 12, "group": {"pgid": "x"}}', b'{"pid": 12, "group": {"pgid": 0}}',
    b'{"pid": 12, "command": "' + b"x" * 70_000 + b'"}'])
def test_an_unreadable_lock_is_left_alone_and_named(lock, content):
    lock.path.write_bytes(content)
    with pytest.raises(UserError, match=f"{lock.path} cannot be read; .* delete it"):
        lock.acquire()
    lock.release()
    assert lock.path.read_bytes() == content


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path),
                                  lambda path: path.symlink_to("/dev/zero")])
def test_a_lock_that_is_no_file_is_left_alone_and_named(lock, make):
    make(lock.path)
    with pytest.raises(UserError, match="cannot be read; .* delete it"):
        lock.acquire()


def test_what_a_lock_says_is_printed_without_control_characters(lock):
    write(lock, host="elsewhere", command="./run.sh \x1b[2J\n")
    with pytest.raises(UserError) as caught:
        lock.acquire()
    assert "./run.sh ?[2J? (process" in str(caught.value)


def test_two_hosts_of_one_name_without_machine_ids_are_not_taken_for_one_that_was_booted(lock):
    lock._content["machine"] = ""
    write(lock, machine="", boot="of the other", pid=2 ** 22 + 1, start=1)
    with pytest.raises(UserError, match=f"delete {lock.path}"):
        lock.acquire()
    write(lock, machine="", pid=2 ** 22 + 1, start=1)  # the same boot: the same host
    assert lock.acquire()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_directory_that_cannot_be_written_is_one_line_that_says_what_to_do(lock, monkeypatch, number):
    def refuse(path, *_, **__):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=f"{lock.path.parent} cannot be written .*clone the repository"):
        lock.acquire()


def test_of_many_that_take_over_at_once_one_wins(tmp_path, lock):
    write(lock, pid=2 ** 22 + 1, start=1)
    code = """
import time
from pathlib import Path
from utils.errors import UserError
from utils.stages.lock import Lock
try:
    Lock(Path(".lock"), Path(".stages/leash").absolute(), "x").acquire()
    print("won", flush=True)
    time.sleep(1000)
except UserError:
    print("lost", flush=True)
"""
    (tmp_path / ".stages").mkdir()
    runs = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
            for _ in range(6)]
    try:
        answers = [run.stdout.readline().strip() for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.wait()
    assert sorted(answers) == ["lost"] * 5 + ["won"]


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe")


def test_the_second_run_stops_at_once_and_the_first_goes_on(toy):
    toy.write("before.extract", "touch running; while [ ! -e go ]; do sleep 0.02; done")
    first = toy.start("--nj", "3")
    toy.wait_for("running")
    calls = toy.read("calls")
    second = subprocess.run([str(toy.path / "run.sh")], capture_output=True, text=True, env=toy.env, timeout=PATIENCE)
    assert second.returncode == 1 and second.stderr.count("\n") == 1
    assert f"process {first.pid} on" in second.stderr and "run.sh --nj 3" in second.stderr
    assert toy.read("calls") == calls
    toy.write("go", "")
    assert first.communicate(timeout=PATIENCE) and first.returncode == 0
    assert not (toy.path / ".lock").exists()


def test_a_stage_that_outlived_both_engine_and_leash_is_killed_before_anything_runs(toy):
    toy.write("before.extract", "echo $$ > pid; sleep 1000")
    run = toy.start()
    group = toy.wait_for_number("pid")
    children = subprocess.run(["pgrep", "-P", str(run.pid), "-f", "leash.py"], capture_output=True, text=True)
    os.kill(run.pid, signal.SIGSTOP)
    for pid in children.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    run.kill()
    run.wait()
    assert group_members(group)
    toy.write("before.extract", "")
    result = toy.run()
    assert result.returncode == 0 and f"taking over from process {run.pid}" in result.stdout
    assert not group_members(group)
    assert toy.calls == ["extract", "other", "train"]
