"""Files are whole or not there; what a full disk stopped is named; the fault hook kills in one window, once."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from utils.errors import describe_os_error
from utils.files import atomic_directory, atomic_open, atomic_path, lock_file


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("context", [atomic_path, atomic_directory])
def test_a_full_disk_names_what_was_written_and_leaves_what_was_there(tmp_path, context):
    target = tmp_path / "scores.tsv"
    with pytest.raises(OSError) as caught, context(target), open("/dev/full", "w") as stream:
        stream.write("text")
    assert caught.value.errno == errno.ENOSPC
    assert describe_os_error(caught.value).startswith(f"no space left while writing {target}: free space")
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    target = tmp_path / ("é" * 125 + ".json")
    with atomic_open(target) as stream:
        stream.write("text")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_another_error_keeps_its_own_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_open(tmp_path / "a"):
        (tmp_path / "missing").read_text()
    assert caught.value.filename == str(tmp_path / "missing")
    with pytest.raises(OSError) as other, atomic_open(tmp_path / "a"):
        raise OSError(errno.EIO, "of something that is read")
    assert other.value.filename is None


@pytest.mark.parametrize(("wanted", "left"), [
    ("b.json", ["a.json"]), ("*/[ab].json", []), ("elsewhere.json", ["a.json", "b.json"])])
def test_the_fault_hook_kills_between_write_and_rename_once_and_lists_the_windows(tmp_path, wanted, left):
    program = ("import sys; from utils.files import write_json\n"
               "for name in 'ab': write_json(f'{sys.argv[1]}/{name}.json', 1)")
    directory = tmp_path / "out"
    environment = {**os.environ, "EMOTION_FAULT": wanted, "EMOTION_FAULT_ONCE": str(tmp_path / "once"),
                   "EMOTION_FAULT_LOG": str(tmp_path / "windows")}

    def run() -> int:
        return subprocess.run([sys.executable, "-c", program, str(directory)], env=environment).returncode

    assert run() == (0 if wanted == "elsewhere.json" else -signal.SIGKILL)
    assert sorted(path.name for path in directory.glob("[ab].json")) == left
    assert run() == 0 and len(list(directory.glob("[ab].json"))) == 2
    windows = (tmp_path / "windows").read_text().splitlines()
    assert windows[-2:] == [f"{directory}/a.json", f"{directory}/b.json"]


def test_a_full_disk_is_named_by_whatever_library_writes(tmp_path):
    """safetensors is written in Rust: its error is none of the operating system's until it is made one."""
    import resource

    import numpy as np
    from safetensors.numpy import save_file

    from utils.errors import describe_os_error
    from utils.files import FULL, atomic_path

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "model.safetensors"
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError) as raised, atomic_path(path) as temporary:
            save_file({"w": np.zeros(10_000)}, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.errno in FULL and str(path) in describe_os_error(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "says"), [
    ("", "line 1: no valid JSON"), ("{\n1: 2}", "line 2: no valid JSON"), ("[" * 100_000, "within each other"),
    ("9" * 5000, "no valid JSON"), ("\xe4", "not UTF-8"),
    ('{"a": "x"}', "a is 'x'; expected a finite number; mend it")])
def test_json_that_is_none_is_one_line(tmp_path, text, says):
    from utils.errors import DamagedFile
    from utils.files import read_json

    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedFile, match=says) as raised:
        read_json(tmp_path / "a.json", {"a": float}, "mend it")
    assert str(raised.value).startswith(str(tmp_path / "a.json")) and isinstance(raised.value, ValueError)


def test_a_file_is_locked_by_one_process_at_a_time(tmp_path):
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert lock_file(first) and not lock_file(second)
    os.close(first)
    assert lock_file(second, wait=True)
    os.close(second)


@pytest.mark.parametrize(("number", "goes_on"), [(errno.ENOSYS, True), (errno.ENOLCK, True), (errno.EIO, False)])
def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch, number, goes_on):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with open(tmp_path / "lock", "w") as stream, contextlib.nullcontext() if goes_on else pytest.raises(OSError):
        assert lock_file(stream.fileno())
