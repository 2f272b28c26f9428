"""The wrapper of one task, the same on every backend: `python -m utils.jobs.task SPEC NUMBER | SPEC --row TABLE K`.

It holds the task's lock while the command runs, writes the log with its header, watches memory and time, records how
it ended, and marks the task finished. Needs the standard library only. Its own exit status is 0 or 1 (SGE gives 99
and 100 meanings of their own); the command's is in the record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO

from utils.errors import run_main
from utils.files import lock_file, name_full_disk
from utils.jobs import processes
from utils.jobs.files import JobFiles, Spec, fill, native, task_numbers, write_ascii_json

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
                    "VECLIB_MAXIMUM_THREADS", "EMOTION_NUM_THREADS")
PACKAGES = ("torch", "lhotse", "numpy")
SAMPLE_SECONDS = 0.2


@dataclasses.dataclass
class Ending:
    """How an attempt ended. `cause`: "", "memory", "time limit", "terminated", "not started"."""

    status: int
    cause: str = ""
    peak: int = 0
    seconds: float = 0.0


def scheduler_job() -> str:
    """The scheduler's own name of this task, for people."""
    array, row = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if array:
        return f"slurm {array}_{row}"
    return f"sge {os.environ['JOB_ID']}.{os.environ.get('SGE_TASK_ID')}" if "SGE_TASK_ID" in os.environ else "local"


def header(spec: Spec, argv: Sequence[str]) -> str:
    """The first lines of a log."""
    versions = [f"python {sys.version.split()[0]}"]
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    device = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "".join(f"# {line}\n" for line in (
        f"command: {shlex.join(argv)}".replace("\n", "\n#   "), f"directory: {spec.cwd}", f"commit: {spec.commit}",
        f"host: {socket.gethostname()} ({scheduler_job()})", f"device: {'GPU ' + device if device else 'default'}",
        f"threads: {spec.threads}", f"versions: {', '.join(versions)}",
        f"started: {datetime.now().astimezone().isoformat(timespec='seconds')}"))


@contextlib.contextmanager
def task_lock(path: Path):
    """Hold the lock of a task; wait, saying so, while an earlier attempt (or what is left of it) still runs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock_file(descriptor):
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            print(f"waiting: an earlier attempt of this task still runs ({holder})", file=sys.stderr, flush=True)
            lock_file(descriptor, wait=True)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"host {socket.gethostname()} pid {os.getpid()} {scheduler_job()}\n".encode(), 0)
        yield descriptor
    finally:
        # Only closed, never unlocked: what the command left running in the background keeps the lock.
        os.close(descriptor)


class Watch:
    """Runs a command, sampling the memory of its process tree, until it ends or breaks a limit."""

    def __init__(self, spec: Spec):
        self.spec, self.peak, self.cause = spec, 0, ""

    def run(self, argv: Sequence[bytes], environment: dict[bytes, bytes], log: IO[bytes], lock: int) -> Ending:
        """Run to the end; afterwards nothing below this process is alive."""
        started = time.monotonic()
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                       pass_fds=[lock], preexec_fn=processes.die_with_parent)
        except OSError as error:
            log.write(f"{os.fsdecode(argv[0])}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
            return Ending(127 if isinstance(error, FileNotFoundError) else 126, "not started")
        signal.signal(signal.SIGTERM, self._terminate)
        pause = elapsed = 0.0
        before = started
        while True:
            try:
                status = process.wait(timeout=max(SAMPLE_SECONDS, pause))
                break
            except subprocess.TimeoutExpired:
                # Time in which all stood still (Ctrl-Z, a laptop that slept) does not count.
                now = time.monotonic()
                elapsed += min(now - before, max(SAMPLE_SECONDS, pause) + 1.0)
                self._sample(elapsed)
                # Of thousands of processes below this one a look is dear: at most 5 % of the time.
                pause = 20 * (time.monotonic() - now)
                before = now
        processes.kill_tree(os.getpid())
        # The largest single process, also of a task that was too short to be sampled; ru_maxrss is in KiB.
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        return Ending(status, self.cause, max(self.peak, largest), time.monotonic() - started)

    def _sample(self, elapsed: float) -> None:
        tree = processes.listed_below(os.getpid())
        total, pinned = processes.resident(tree)
        self.peak = max(self.peak, total)
        limit = self.spec.memory
        if limit is not None and pinned > limit and len(tree) > 1:
            exact = processes.shared_once(tree)
            pinned = pinned if exact is None else exact
        if limit is not None and pinned > limit:
            self._stop("memory")
        elif self.spec.seconds is not None and elapsed > self.spec.seconds:
            self._stop("time limit")

    def _stop(self, cause: str) -> None:
        self.cause = self.cause or cause
        processes.kill_tree(os.getpid())

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM: the scheduler or a person wants the task to end."""
        self._stop("terminated")


def run_task(spec: Spec, index: int) -> int:
    """Run task `index` unless it is finished; 0 or 1."""
    files = JobFiles(spec)
    files.directory.mkdir(parents=True, exist_ok=True)
    with task_lock(files.lock(index)) as lock:
        if files.finished(index):
            print(f"task {index} was finished by an earlier attempt", file=sys.stderr)
            return 0
        log_path = files.log(index)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(log_path, log_path.with_name(log_path.name + ".1"))
        argv = [fill(word, index) for word in spec.argv]
        record = {"task": index, "state": "running", "host": socket.gethostname(), "pid": os.getpid(),
                  "scheduler": scheduler_job(), "started": time.time()}
        write_ascii_json(files.record(index), record)
        before = files.own_files(index)
        environment = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
        environment |= {name.encode(): value.encode("utf-8", "surrogateescape")
                        for name, value in spec.environment.items()}
        environment |= {name.encode(): str(spec.threads).encode() for name in THREAD_VARIABLES}
        environment[b"EMOTION_JOB"] = str(index).encode()
        if spec.memory is not None:  # what a task may keep in memory is its own business, but it must know
            environment[b"EMOTION_MEMORY"] = str(spec.memory).encode()
        if scheduler_job() != "local":
            # A cluster's task outlives a dead run on purpose; the one who takes that run over must not wait for it.
            environment.pop(b"EMOTION_LEASH", None)
        with name_full_disk(log_path), open(log_path, "ab", buffering=0) as log:
            log.write(header(spec, argv).encode("utf-8", "surrogateescape"))
            words = [word.encode("utf-8", "surrogateescape") for word in argv]
            ending = Watch(spec).run(words, environment, log, lock)
            log.write(f"# ended: {describe(ending)}\n".encode())
        result = {"status": ending.status, "cause": ending.cause, "peak_memory": ending.peak,
                  "seconds": round(ending.seconds, 3)}
        if ending.status == 0 and not ending.cause:
            files.write_marker(index, before, {**record, "state": "finished", **result})
        write_ascii_json(files.record(index), {**record, "state": "finished", **result})
    return 0 if ending.status == 0 and not ending.cause else 1


def describe(ending: Ending) -> str:
    """The last line of a log."""
    how = f"signal {-ending.status}" if ending.status < 0 else f"exit status {ending.status}"
    return f"{ending.cause + ', ' if ending.cause else ''}{how}, {ending.seconds:.1f} s, " \
           f"peak memory {ending.peak / 2**20:.0f} MB"


def main(argv: Sequence[str] | None = None) -> int:
    """SPEC NUMBER, or SPEC --row TABLE K: the number in row K (from 1) of an array's table."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--help"]:
        print(__doc__)
        return 0
    spec = Spec.read(Path(arguments[0]))
    os.chdir(native(spec.cwd))
    index = task_numbers(Path(arguments[2]))[int(arguments[3]) - 1] if arguments[1] == "--row" else int(arguments[1])
    processes.become_subreaper()
    return run_task(spec, index)


if __name__ == "__main__":
    sys.exit(run_main(main))
