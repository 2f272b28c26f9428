"""A clone of this checkout in a temporary directory, in which the tiny mini recipe is run, killed and run again.

Everything that a run starts carries the clone's token in its environment, so that the whole tree is found whatever its
parents and groups, and nothing else on the machine is touched. `python` is a small script in front of the real one
that holds a lock for each task: the kernel releases it when the last process of the task is dead, so a lock that is
held when the same task begins proves that it runs twice at once. The code under test knows nothing of this lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
END = 1000  # in the place of a stage: when all are done
PATIENCE = 1200.0
"""Seconds after which a run counts as hanging."""

# Descriptor 200: no other program uses it; it is inherited by what the task itself starts.
PYTHON = """\
#!/bin/bash
if [ -n "${EMOTION_STAGE:-}" ] && [[ " $* " =~ " -m "(steps|local)\\. ]]; then
  if [ -n "${EMOTION_JOB:-}" ]; then task="task-$EMOTION_JOB"; else task="command-$(cksum <<<"$*" | tr ' ' -)"; fi
  task="stage-$EMOTION_STAGE-$task"
  exec 200>>"$EMOTION_AUDIT/$task.lock"
  flock -n 200 || echo "$task $$" >>"$EMOTION_AUDIT/twice"
  echo "$EMOTION_STAGE $task $$ $(date +%s.%N)" >>"$EMOTION_AUDIT/begun"
fi
exec "$EMOTION_REAL_PYTHON" "$@"
"""


@dataclasses.dataclass(frozen=True)
class Begun:
    """One start of a task or of another Python command of a stage."""

    stage: int
    task: str
    pid: int
    time: float


class Workshop:
    """The clone, its audit, and snapshots of the recipe's state before each stage.

    Args:
        directory: an empty directory.
        recipe: directory of the recipe in the tree.
        options: what run.sh is called with in every run.
    """

    def __init__(self, directory: Path, recipe: str = "egs/mini/ensemble",
                 options: tuple[str, ...] = ("--size", "tiny", "--asr", "none")):
        self.directory, self.options = directory.resolve(), list(options)
        self.root, self.audit = self.directory / "clone", self.directory / "audit"
        self.recipe = self.root / recipe
        self.work = self.recipe / "tiny"
        self.token = f"EMOTION_SOAK_TOKEN={secrets.token_hex(12)}"
        self.seconds: dict[str, float] = {}
        self.scores: dict[str, bytes] = {}
        self.windows: list[str] = []
        self._runs = 0

    def clone(self) -> None:
        """The commit that is checked out, with what is changed since in tracked files."""
        self.directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(self.root)], check=True)
        changes = subprocess.run(["git", "-C", str(ROOT), "diff", "--binary", "HEAD"], capture_output=True, check=True)
        if changes.stdout:
            subprocess.run(["git", "-C", str(self.root), "apply"], input=changes.stdout, check=True)
        self.make_python()

    def make_python(self) -> None:
        """The `python` that keeps the audit."""
        programs = self.directory / "environment" / "bin"
        programs.mkdir(parents=True)
        for program in (programs / "python", programs / "python3"):
            program.write_text(PYTHON)
            program.chmod(0o755)
        self.audit.mkdir()

    def environment(self, **more: str) -> dict[str, str]:
        """What a run sees: one thread, our `python` in front, the token, the audit."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("EMOTION_", "SLURM_")) and name not in ("ROOT", "PYTHONPATH")}
        name, _, value = self.token.partition("=")
        programs = self.directory / "environment"
        threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return {**kept, **threads, "PATH": f"{programs / 'bin'}:{kept['PATH']}", "EMOTION_NO_INSTALL": "1",
                "EMOTION_ENVIRONMENT": f"{self.root}={programs}", "EMOTION_REAL_PYTHON": sys.executable,
                "EMOTION_AUDIT": str(self.audit), name: value, **more}

    def start(self, *options: str, **environment: str) -> Run:
        """Begin `run.sh`; its output goes to a file."""
        self._runs += 1
        output = self.directory / f"output.{self._runs}.txt"
        with open(output, "wb") as stream:
            process = subprocess.Popen([str(self.recipe / "run.sh"), *self.options, *options], stdout=stream,
                                       stderr=stream, stdin=subprocess.DEVNULL, env=self.environment(**environment))
        return Run(self, process, output)

    def run(self, *options: str, **environment: str) -> Run:
        """Run `run.sh` to its end."""
        run = self.start(*options, **environment)
        run.wait()
        return run

    # State of the recipe

    @functools.cached_property
    def stages(self) -> list[int]:
        """The numbers of the recipe's stages."""
        done = subprocess.run([str(self.recipe / "run.sh"), *self.options, "--dry-run"], capture_output=True, text=True,
                              env=self.environment(), check=True)
        return [int(line.split()[0]) for line in done.stdout.splitlines() if line.split()[:1][0].isdecimal()]

    def make_reference(self, say: Callable[[str], None] = lambda line: None) -> None:
        """An undisturbed run, stage by stage, with a snapshot before each and the paths of all writing windows."""
        log = self.directory / "windows.txt"
        for stage in self.stages:
            self.save(stage)
            run = self.run("--stop-stage", str(stage), EMOTION_FAULT_LOG=str(log))
            if run.status:
                raise RuntimeError(f"the undisturbed run failed in stage {stage}: {run.text()[-2000:]}")
        self.save(END)
        self.read_reference()
        say(f"reference: {len(self.scores)} score files, {len(kinds(self.windows))} kinds of files written, "
            f"{sum(self.seconds.values()):.0f} s in {len(self.stages)} stages")

    def read_reference(self) -> bool:
        """Take up the reference that an earlier workshop made in this directory; False if there is none."""
        done = self.directory / "before" / str(END)
        if not (done / "exp").exists():
            return False
        self.scores = {str(path.relative_to(done)): path.read_bytes()
                       for path in done.glob("exp/**/scores/**/[!.]*.tsv")}
        self.windows = (self.directory / "windows.txt").read_text().splitlines()
        for marker in (done / ".stages").glob("*.json"):
            record = json.loads(marker.read_text())
            self.seconds[record["stage"]] = record["seconds"]
        return True

    def save(self, stage: int) -> None:
        """Keep the state before a stage."""
        target = self.directory / "before" / str(stage)
        if self.work.exists():
            partial = target.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(self.work, partial, symlinks=True)
            partial.rename(target)
        else:
            target.mkdir(parents=True)

    def restore(self, stage: int) -> None:
        """The state before a stage again, in the same place with the same times; the audit begins anew."""
        for directory in (self.work, self.audit):
            shutil.rmtree(directory, ignore_errors=True)
        self.audit.mkdir()
        shutil.copytree(self.directory / "before" / str(stage), self.work, symlinks=True)

    def read_scores(self) -> dict[str, bytes]:
        """Every score file by its path."""
        return {str(path.relative_to(self.work)): path.read_bytes()
                for path in self.work.glob("exp/**/scores/**/[!.]*.tsv")}

    def different(self) -> list[str]:
        """Score files that differ from the reference, are missing, or should not be there."""
        found = self.read_scores()
        return sorted(name for name in found.keys() | self.scores.keys() if found.get(name) != self.scores.get(name))

    # What runs

    def processes(self) -> dict[int, str]:
        """Living processes of this workshop: pid -> command line."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if self.token.encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found[int(name)] = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(
                        errors="replace")
        return found

    def kill_all(self, scheduled: bool) -> int:
        """SIGKILL to everything that carries the token until nothing does; the number of processes.

        Args:
            scheduled: also to the tasks that a scheduler started.
        """
        killed: set[int] = set()
        while True:
            found = set(self.processes())
            for pid in list(found):
                with contextlib.suppress(OSError):
                    if not scheduled and b"\0SLURM_JOB_ID=" in Path(f"/proc/{pid}/environ").read_bytes():
                        found.discard(pid)
            if not found:
                return len(killed)
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)

    def begun(self) -> list[Begun]:
        """Starts of tasks and commands so far."""
        with contextlib.suppress(FileNotFoundError):
            rows = [line.split() for line in (self.audit / "begun").read_text().splitlines()]
            return [Begun(int(row[0]), row[1], int(row[2]), float(row[3])) for row in rows if len(row) == 4]
        return []

    def wait_for_begun(self, count: int, patience: float = 200.0) -> None:
        """Wait for so many starts. Raises TimeoutError."""
        deadline = time.monotonic() + patience
        while len(self.begun()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.begun())} of {count} tasks began")
            time.sleep(0.01)

    def twice(self) -> list[str]:
        """Tasks that began while an earlier attempt of theirs lived."""
        with contextlib.suppress(FileNotFoundError):
            return (self.audit / "twice").read_text().splitlines()
        return []

    def wait_until(self, condition: Callable[[], bool], run: Run) -> bool:
        """Wait for something while a run lives; False if it ended before."""
        while not condition():
            if run.process.poll() is not None:
                return False
            time.sleep(0.01)
        return True

    def wait_quiet(self, patience: float = 200.0) -> list[str]:
        """Command lines of what still lives after `patience` seconds."""
        deadline = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return list(left.values())


@dataclasses.dataclass
class Run:
    """A run of run.sh."""

    shop: Workshop
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def status(self) -> int:
        """Exit status, or minus the signal's number."""
        return self.process.returncode

    def wait(self) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired when it hangs."""
        return self.process.wait(timeout=PATIENCE)

    def text(self) -> str:
        """What it printed so far."""
        return self.output.read_text(errors="replace")

    def kill_tree(self) -> int:
        """SIGKILL to the whole tree, except what a scheduler started; the number of processes."""
        killed = self.shop.kill_all(scheduled=False)
        self.process.wait(timeout=PATIENCE)
        return killed

    def kill_one(self, wanted: Callable[[int, str], bool]) -> bool:
        """SIGKILL to one process; False if there is none."""
        for pid, line in self.shop.processes().items():
            if wanted(pid, line):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False


def kind(path: str) -> str:
    """The kind of a file: its name without numbers and hashes, after the name of its directory where that matters."""
    name = "*.wav" if path.endswith(".wav") else re.sub(r"[0-9a-f]{8,}|\d+", "#", Path(path).name)
    parent = re.sub(r"^\.(.+)\.\d+\.tmp$", r"\1", Path(path).parent.name)
    return f"{parent}/{name}" if parent in (".done", ".stages", "scores", "splits", "scored", "audit") else name


def kinds(windows: list[str]) -> dict[str, list[str]]:
    """Windows by kind, each in the order in which they were met."""
    found: dict[str, list[str]] = {}
    for path in windows:
        found.setdefault(kind(path), []).append(path)
    return found


def pattern(path: str) -> str:
    """A window's path as a pattern that the next run's path matches too: its hashes and pids are others."""
    text = re.sub(r"\.\d+\.tmp/", ".*.tmp/", "".join(f"[{letter}]" if letter in "[?" else letter for letter in path))
    head, name = os.path.split(text)
    if Path(head).name == ".done":
        # Not `*`: the record of the task, <log name>.json, is another window.
        name = re.sub(r"[0-9a-f]{12,}", lambda found: "[0-9a-f]" * len(found[0]), name)
    return os.path.join(head, name)
