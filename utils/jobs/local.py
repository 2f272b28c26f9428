"""Tasks on this machine: as many at once as there are cores for; they die with the dispatcher."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from utils.errors import UsageError
from utils.jobs.config import ClusterConfig
from utils.jobs.files import JobFiles, module_environment, read_or_none
from utils.jobs.options import Job
from utils.jobs.progress import Progress
from utils.jobs.report import Outcome, cause_of
from utils.leash import Leash, kill_group, start_time


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the processor quota of its container (cgroup v2)."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores


def available_gpus() -> list[str]:
    """Names of the GPUs as CUDA_VISIBLE_DEVICES wants them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))] if listed.returncode == 0 else []


@dataclasses.dataclass
class Running:
    """A task under way: its wrapper and the GPUs it holds."""

    process: subprocess.Popen[bytes]
    gpus: list[str]
    started: int | None


class LocalBackend:
    """Runs wrappers as children.

    Raises:
        UsageError: GPUs wanted that are not there.
    """

    def __init__(self, job: Job, config: ClusterConfig):
        cores = available_cores() if config.cores == "auto" else int(config.cores)
        self.job, self.threads = job, min(job.threads, cores)
        if job.threads > cores:
            print(f"warning: --num-threads {job.threads}, but there are {cores} cores: running with {cores}",
                  file=sys.stderr)
        self.parallel = max(1, min(job.parallel or cores, cores // self.threads))
        self.gpus: list[str] = []
        if job.gpus:
            self.gpus = available_gpus() if config.gpus == "auto" else [str(i) for i in range(int(config.gpus))]
            if len(self.gpus) < job.gpus:
                raise UsageError(f"--gpu {job.gpus}: this machine has {len(self.gpus) or 'no'} GPU"
                                 f"{'s' if len(self.gpus) > 1 else ''} to use (nvidia-smi, CUDA_VISIBLE_DEVICES)")
            self.parallel = min(self.parallel, len(self.gpus) // job.gpus)
        self.scheduler_output: dict[int, Path] = {}
        self.lock = -1

    def run(self, files: JobFiles, spec_path: Path, tasks: list[int], progress: Progress) -> list[Outcome]:
        """Run the tasks; one outcome each."""
        waiting, free = list(tasks), list(self.gpus)
        running: dict[int, Running] = {}
        outcomes: list[Outcome] = []
        finished_before = progress.done
        with Leash() as leash, self._all_killed(running):
            while waiting or running:
                while waiting and len(running) < self.parallel:
                    index = waiting.pop(0)
                    files.record(index).unlink(missing_ok=True)
                    # First in, first out: tasks go round the GPUs.
                    own, free = free[:self.job.gpus], free[self.job.gpus:]
                    running[index] = self._start(leash, files, spec_path, index, own)
                time.sleep(0.02 if len(outcomes) < 50 else 0.05)
                for index, task in list(running.items()):
                    if task.process.poll() is not None:
                        # A wrapper that was killed leaves its command behind, in its process group.
                        kill_group(task.process.pid, task.started)
                        leash.remove(task.process.pid)
                        free += task.gpus
                        del running[index]
                        outcomes.append(self._outcome(files, index, task.process.returncode))
                done = sum(not outcome.cause for outcome in outcomes)
                progress.update(finished_before + done, len(running))
        return outcomes

    def adopt(self, files: JobFiles, arrays: list[object]) -> None:
        """Nothing of this backend outlives its dispatcher."""

    @staticmethod
    @contextlib.contextmanager
    def _all_killed(running: dict[int, Running]) -> Iterator[None]:
        """However this block ends, no task runs afterwards."""
        try:
            yield
        finally:
            for task in running.values():
                kill_group(task.process.pid, task.started)

    def _start(self, leash: Leash, files: JobFiles, spec_path: Path, index: int, gpus: list[str]) -> Running:
        environment = {**os.environ, **module_environment()}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        process = leash.popen([sys.executable, "-m", "utils.jobs.task", str(spec_path), str(index)],
                              env=environment, stdin=subprocess.DEVNULL)
        return Running(process, gpus, start_time(process.pid))

    @staticmethod
    def _outcome(files: JobFiles, index: int, status: int) -> Outcome:
        if files.finished(index):
            return Outcome(index)
        record = read_or_none(files.record(index))
        if record is not None and record.get("state") == "running" and status > 0:
            return Outcome(index, "how it ended could not be written down (see the message of its wrapper above)")
        if record is None:
            return Outcome(index, "its wrapper ended without a record (killed, or the log directory cannot be written)")
        if record.get("state") == "finished" and record["status"] == 0 and not record["cause"]:
            return Outcome(index, "it succeeded, but a file it used as input or output changed meanwhile")
        return Outcome(index, cause_of(record, files))
