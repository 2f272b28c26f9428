"""utils/job.sh: run an array of tasks to the end and say what failed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from utils.errors import UserError, run_main
from utils.files import ROOT, lock_file
from utils.jobs.config import ClusterConfig, load_cluster
from utils.jobs.files import JobFiles, Spec, git_commit
from utils.jobs.options import USAGE, Job, parse
from utils.jobs.progress import Progress
from utils.jobs.report import Outcome, failure_report

if TYPE_CHECKING:
    from utils.jobs.submissions import Array, Queue


class Backend(Protocol):
    """What runs tasks: `LocalBackend`, and `ArrayBackend` for schedulers."""

    threads: int
    scheduler_output: dict[int, Path]
    lock: int

    def adopt(self, files: JobFiles, arrays: list[Array]) -> None:
        """Wait for these live arrays instead of submitting their tasks (never called on the local one)."""

    def run(self, files: JobFiles, spec_path: Path, tasks: list[int], progress: Progress) -> list[Outcome]:
        """Run these tasks once each; one outcome each."""


def make_queue(backend: str) -> Queue:
    """The commands of a scheduler; only that one's module is loaded."""
    if backend == "slurm":
        from utils.jobs.slurm import SlurmQueue

        return SlurmQueue()
    from utils.jobs.sge import GridEngineQueue

    return GridEngineQueue()


def make_backend(job: Job, config: ClusterConfig) -> Backend:
    """The backend that the cluster file names."""
    if config.backend == "local":
        from utils.jobs.local import LocalBackend

        return LocalBackend(job, config)
    from utils.jobs.array import ArrayBackend

    return ArrayBackend(job, config, make_queue(config.backend))


def _left_behind(files: JobFiles, config: ClusterConfig) -> list[Array]:
    """Live arrays of an earlier dispatcher of this job."""
    if not files.path("job.json").exists():
        return []
    from utils.jobs.submissions import take_over

    return take_over(files, config.backend, make_queue)


@contextlib.contextmanager
def dispatcher_lock(path: Path) -> Iterator[int]:
    """One dispatcher a job. Gives the descriptor: a submit command inherits it, so that none outlives the lock unseen.

    Raises:
        UserError: another dispatcher holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + 15
        while not lock_file(descriptor):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                raise UserError(f"{path.parent}: another dispatcher runs this job ({holder}); "
                                "wait for it or end it first")
            time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"host {os.uname().nodename}, pid {os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def dispatch(job: Job, config: ClusterConfig) -> int:
    """Run what is not finished; 0 if then everything is, else 1."""
    backend = make_backend(job, config)
    spec = Spec.of(job, backend.threads, git_commit(ROOT))
    files = JobFiles(spec)
    with dispatcher_lock(files.path("dispatch.lock")) as lock:
        # Before looking at the markers: what is cancelled here may still write one.
        live = _left_behind(files, config)
        todo = [index for index in range(1, job.tasks + 1) if not files.finished(index)]
        if not todo:
            return 0
        progress = Progress(job.tasks, job.tasks - len(todo))
        if len(todo) < job.tasks:
            progress.say(f"{files.name}: {job.tasks - len(todo)} of {job.tasks} tasks were finished before")
        spec_path = files.path(f"{spec.digest}.spec.json")
        spec.write(spec_path)
        backend.lock = lock
        if live:
            backend.adopt(files, live)
        failed: list[Outcome] = []
        for attempt in range(job.retries + 1):
            outcomes = backend.run(files, spec_path, todo, progress)
            failed = sorted((outcome for outcome in outcomes if outcome.cause), key=lambda outcome: outcome.task)
            todo = [outcome.task for outcome in failed]
            if not failed:
                break
            if attempt < job.retries:
                progress.say(f"{files.name}: {len(failed)} tasks failed (task {failed[0].task}: {failed[0].cause}); "
                             f"trying again, {attempt + 1} of {job.retries}")
        progress.close()
        if failed:
            print(failure_report(files, failed, backend.scheduler_output), file=sys.stderr)
            return 1
        spec_path.unlink(missing_ok=True)
    return 0


def main(argv: Sequence[str]) -> int:
    """Entry point."""
    if argv[:1] in (["--help"], ["-h"]):
        print(USAGE, end="")
        return 0
    job = parse(argv, os.environ.get("EMOTION_CLUSTER") or "local")
    # Ctrl-C and a polite kill unwind the stack, so that arrays are cancelled and children killed.
    signal.signal(signal.SIGTERM, _interrupt)
    return dispatch(job, load_cluster(job.cluster))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def entry() -> int:
    """As `run_main`, but `--debug` counts only among our own options: the command's arguments are not ours."""
    arguments = sys.argv[1:]
    own = next((k for k, word in enumerate(arguments) if word.startswith("JOB=")), len(arguments))
    if "--debug" in arguments[:own]:
        os.environ["EMOTION_DEBUG"] = "1"
    arguments = [word for word in arguments[:own] if word != "--debug"] + arguments[own:]
    return run_main(lambda _: main(arguments), [])


if __name__ == "__main__":
    sys.exit(entry())
