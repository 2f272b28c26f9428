"""What the tests of the dispatcher share: a working directory, and job.sh run in it as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
JOB = ROOT / "utils" / "job.sh"

# Bytes that have broken other dispatchers; the last one is not UTF-8.
HARD_ARGUMENTS = [b"two words", b"it's", b'say "hi"', b"$(echo no)", b"`echo no`", b"a\nb", b"back\\slash", b"*",
                  b"{JOB}", b"x{JOB}y{JOB}", b"${JOB}", b"{job}", b"JOB=1:9", b"--debug", b"%a %A $TASK_ID", b"", b"!",
                  "h\u00e4ppy \u60c5\u611f".encode(), b"\xff\xfe\x80", b"; touch hacked", b"# no", b"-"]

# Writes its arguments, each ended by a NUL, to the file named by its first one.
WRITE_ARGUMENTS = ("import os, sys; open(os.fsencode(sys.argv[1]), 'wb')"
                   ".write(b''.join(os.fsencode(a) + b'\\0' for a in sys.argv[2:]))")

# Appends "start <pid>" and "end <pid>" to a file, and between them waits so many seconds, or until a file is there:
# shows overlapping and repeated runs.
DIARY = """\
import os, sys, time
def note(word):
    with open(sys.argv[1], "a") as stream:
        stream.write(f"{word} {os.getpid()} {time.time()}\\n")
note("start")
if sys.argv[2][0].isdigit():
    time.sleep(float(sys.argv[2]))
else:
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.02)
note("end")
"""


class Desk:
    """A directory to run job.sh in."""

    def __init__(self, directory: Path, cluster: str = "local", environment: Mapping[str, str] | None = None):
        self.directory = directory
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("EMOTION_", "OMP_", "SLURM_", "SGE_"))}
        self.environment |= {"EMOTION_CLUSTER": cluster, "PYTHONPATH": "",
                             "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **(environment or {})}

    def start(self, *arguments: str | bytes, **environment: str) -> subprocess.Popen[str]:
        """Start job.sh; standard output and error are pipes."""
        return subprocess.Popen([str(JOB), *arguments], cwd=self.directory, env=self.environment | environment,
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def run(self, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run job.sh to its end."""
        process = self.start(*arguments, **environment)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def read(self, name: str) -> str:
        """Content of a file, "" if there is none."""
        path = self.directory / name
        return path.read_text() if path.exists() else ""

    def diary(self, name: str) -> list[str]:
        """The words that `DIARY` wrote: start, end, ..."""
        return [line.split()[0] for line in self.read(name).splitlines()]


def expected_arguments(index: int) -> bytes:
    """What `WRITE_ARGUMENTS` writes for HARD_ARGUMENTS in task `index`."""
    return b"".join(argument.replace(b"{JOB}", str(index).encode()) + b"\0" for argument in HARD_ARGUMENTS)


def one_error_line(text: str) -> str:
    """The error line, after checking that nothing else was printed."""
    lines = text.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), text
    return lines[0]
