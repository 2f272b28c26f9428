"""Errors as one line, and output wherever it goes."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from utils.errors import UserError, describe_os_error, run_main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("error", "says"), [
    (OSError(28, "No space left on device", "/d/x"), "no space left while writing /d/x: free space or choose"),
    (shutil.Error([("/from/a", "/to/a", "[Errno 28] No space left on device: '/from/a' -> '/to/a'"),
                   ("/from/b", "/to/b", "[Errno 28] No space left on device")]), "no space left while writing /to/a: "),
    (shutil.Error([("/from/a", "/to/a", "odd")]), "/to/a: odd"),
    (shutil.SameFileError("a and b are the same file"), "a and b are the same file")])
def test_the_first_of_several_errors_is_told(error, says):
    assert says in describe_os_error(error) and "[(" not in describe_os_error(error)


PROGRAM = r"""
import sys
from utils.errors import UserError, run_main
def main(argv):
    for _ in range(int(argv[0])):
        print("x" * 1000)
    if argv[1] == "exit":
        sys.exit(0)
    if argv[1] == "fail":
        raise UserError("what failed")
    if argv[1] == "text":
        print("\u8bed \u00e9 \udce9")
        print("\u8bed \udce9", file=sys.stderr)
    return 3 if argv[1] == "three" else 0
sys.exit(run_main(main))
"""


def run(shell: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """The program above as $P in a shell command; the status of $P stands in `status`."""
    return subprocess.run(["bash", "-c", shell, "bash", sys.executable, "-c", PROGRAM, *arguments], timeout=60,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT), **env})


@pytest.mark.parametrize("lines", ["1", "1000"])
@pytest.mark.parametrize("how", ["", "exit"])
def test_output_that_nobody_reads_ends_without_a_word(lines: str, how: str) -> None:
    done = run('"$@" | true; echo "${PIPESTATUS[0]}"', lines, how)
    assert (done.stdout, done.stderr) == (b"141\n", b"")


def test_a_reader_of_errors_that_has_gone_changes_no_status() -> None:
    assert run('exec 3>/dev/null; "$@" 2>&1 >&3 3>&- | true; echo "${PIPESTATUS[0]}"', "0", "fail").stdout == b"1\n"


@pytest.mark.parametrize(("how", "status"), [("", 0), ("three", 3), ("exit", 0), ("fail", 1)])
def test_without_standard_output_the_status_is_that_of_the_work(how: str, status: int) -> None:
    done = run('exec "$@" >&-', "1", how)
    assert done.returncode == status and b"Traceback" not in done.stderr and b"Exception" not in done.stderr


@pytest.mark.parametrize("lines", ["1", "1000"])
def test_a_full_disk_behind_standard_output_is_one_line(lines: str) -> None:
    done = run('exec "$@" >/dev/full', lines, "")
    assert done.returncode == 1 and done.stderr.startswith(b"error: no space left") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "xx_XX.ISO-8859-1"])
def test_output_is_utf8_in_every_locale(locale: str, latin_1: dict[str, str]) -> None:
    done = run('exec "$@"', "0", "text", LC_ALL=locale, **latin_1)
    assert (done.returncode, done.stdout) == (0, "语 é ".encode() + b"\xe9\n")
    assert done.stderr == "语 \\udce9\n".encode()


def test_a_package_that_is_missing_is_one_line_and_a_module_of_ours_a_traceback(capsys: pytest.CaptureFixture[str],
                                                                                ) -> None:
    def needs(name: str):
        return lambda _: importlib.import_module(name)

    assert run_main(needs("no_such_package.part"), []) == 1
    assert "has no module no_such_package: `. path.sh`" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run_main(needs("utils.no_such_module"), [])


def test_a_library_that_a_limit_keeps_out_is_no_missing_package(capsys: pytest.CaptureFixture[str]) -> None:
    def load(_):
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    assert run_main(load, []) == 1
    assert capsys.readouterr().err.startswith("error: out of memory")


def test_a_message_that_nobody_would_read_to_its_end_loses_its_middle() -> None:
    message = str(UserError(f"{'a' * 1_000_000}.wav: no such recording"))
    assert len(message) <= 2000 and message.startswith("aaa") and message.endswith("a.wav: no such recording")
