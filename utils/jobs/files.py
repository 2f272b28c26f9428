"""What a job keeps beside its logs, in `<log directory>/.done/`, and what counts as a finished task.

    <hash>.json                     a finished task: N, its inputs and outputs (the marker)
    <log name>.json                 record of a task's last attempt: exit status, cause, peak memory, seconds, host
    <log name>.lock                 held by the attempt that runs, inherited by its command
    <name>.job.json                 what was submitted to a scheduler: written before submitting, completed after
    <name>.<hash>.spec.json         what a task needs to know
    <name>.<hash>.<k>.{tasks,sh}    task numbers of array k; its batch script
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.files import ROOT, write_text
from utils.jobs.options import Job

WHOLE_CONTENT = 64 * 2**20
"""Bytes up to which an input's content is hashed; of a larger one size and time of change."""


def text_of(value: str) -> str:
    """A path or argument as text that JSON carries whatever the locale: UTF-8, other bytes as lone surrogates."""
    return os.fsencode(value).decode("utf-8", "surrogateescape")


def native(value: str) -> str:
    """The reverse of `text_of`: as this process's own os functions want it."""
    return os.fsdecode(value.encode("utf-8", "surrogateescape"))


def write_ascii_json(path: Path, value: Any) -> None:
    """Write JSON in ASCII, because lone surrogates do not go into a UTF-8 file."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def module_environment() -> dict[str, str]:
    """What `python -m` needs to find the modules of this repository, and none in the working directory."""
    before = [str(ROOT / "utils/python310")] if sys.version_info < (3, 11) else []
    return {"PYTHONPATH": os.pathsep.join([*before, str(ROOT)]), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}


def read_or_none(path: Path) -> Any:
    """A JSON file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def fill(text: str, index: int) -> str:
    """Replace {JOB}, and nothing else."""
    return text.replace("{JOB}", str(index))


@dataclasses.dataclass(frozen=True)
class Spec:
    """What the task wrapper reads. Texts as from `text_of`."""

    tasks: int
    log: str
    argv: list[str]
    cwd: str
    stage_inputs: str
    environment: dict[str, str]
    threads: int
    memory: int | None
    seconds: int | None
    commit: str

    @classmethod
    def of(cls, job: Job, threads: int, commit: str) -> Spec:
        """The specification of a job that is started here and now."""
        kept = {name: text_of(value) for name, value in os.environ.items()
                if name.startswith("EMOTION_") or name in ("ROOT", *module_environment())}
        # A dispatched job never installs anything; its inner commands are not the stage's own process.
        kept["EMOTION_NO_INSTALL"] = "1"
        kept.pop("EMOTION_LEASH", None)
        return cls(tasks=job.tasks, log=text_of(job.log), argv=[text_of(word) for word in job.argv],
                   cwd=text_of(os.getcwd()), stage_inputs=os.environ.get("EMOTION_STAGE_INPUTS", ""),
                   environment=kept, threads=threads, memory=job.memory, seconds=job.seconds, commit=commit)

    @property
    def digest(self) -> str:
        """Names this job: what it does and what it asks for, not how many run at once nor the commit."""
        values = dataclasses.asdict(self)
        del values["commit"], values["environment"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def write(self, path: Path) -> None:
        """Write it for the tasks."""
        write_ascii_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> Spec:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class JobFiles:
    """Names of a job's files, and the state of its tasks. Paths are relative to the job's working directory."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.pattern = Path(native(spec.log))
        self.directory = self.pattern.parent / ".done"
        self.name = self.pattern.name.replace("{JOB}", "JOB")

    def log(self, index: int) -> Path:
        """Log of a task."""
        return self.pattern.with_name(fill(self.pattern.name, index))

    def path(self, suffix: str) -> Path:
        """A file of the job as a whole."""
        return self.directory / f"{self.name}.{suffix}"

    def record(self, index: int) -> Path:
        """Record of a task's last attempt."""
        return self.directory / f"{self.log(index).name}.json"

    def lock(self, index: int) -> Path:
        """Lock of a task. By log name, so that another N or other arguments do not get past it."""
        return self.directory / f"{self.log(index).name}.lock"

    def marker(self, index: int) -> Path:
        """Marker of a finished task: its name says which of N, the log's name, the arguments and the stage's inputs."""
        argv = [fill(word, index) for word in self.spec.argv]
        content = json.dumps([index, self.spec.tasks, self.name, argv, self.spec.stage_inputs])
        return self.directory / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.json"

    def own_files(self, index: int) -> dict[str, str]:
        """Files that arguments with {JOB} name, with a fingerprint of each (`""` if it is not there)."""
        found = {}
        for word in self.spec.argv:
            if "{JOB}" in word:
                path = native(fill(word, index))
                value = path.partition("=")[2]
                if not os.path.lexists(path) and value and (path.startswith("--") or os.path.lexists(value)):
                    path = value
                found[text_of(path)] = fingerprint(path)
        return found

    def write_marker(self, index: int, before: dict[str, str], extra: dict[str, Any]) -> None:
        """Mark a task finished.

        Args:
            before: `own_files` at its start. What the task did not change is an input of it, the rest are outputs.
        """
        after = self.own_files(index)
        inputs = {path: value for path, value in after.items() if value and value == before.get(path)}
        outputs = {path: value for path, value in after.items() if value and path not in inputs}
        write_ascii_json(self.marker(index), {"task": index, "tasks": self.spec.tasks, "inputs": inputs,
                                              "outputs": {path: _size(value) for path, value in outputs.items()},
                                              **extra})

    def finished(self, index: int) -> bool:
        """Whether a marker stands whose inputs are unchanged and whose outputs are there with their sizes."""
        marker = read_or_none(self.marker(index))
        if not isinstance(marker, dict) or not {"inputs", "outputs"} <= marker.keys():
            return False
        return all(fingerprint(native(path)) == value for path, value in marker["inputs"].items()) and \
            all(_size(fingerprint(native(path), content=False)) == size for path, size in marker["outputs"].items())


def fingerprint(path: str, content: bool = True) -> str:
    """`<size>:<hash of the content>` of a file, `directory` of a directory, "" of nothing or a device."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return "directory"
        if not stat.S_ISREG(status.st_mode):
            return ""
        if not content:
            return f"{status.st_size}:"
        if status.st_size > WHOLE_CONTENT:
            return f"{status.st_size}:{status.st_mtime_ns}"
        with open(path, "rb") as stream:
            return f"{status.st_size}:{hashlib.sha256(stream.read()).hexdigest()}"
    except (OSError, ValueError):
        return ""


def _size(value: str) -> str:
    return value.partition(":")[0]


def git_commit(root: Path) -> str:
    """Commit of the code and whether it is changed, for log headers."""
    import subprocess

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10,
                              check=True, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}).stdout.strip()

    try:
        dirty = ", with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("rev-parse", "--short=12", "HEAD") + dirty
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def task_numbers(table: Path) -> Sequence[int]:
    """Task numbers of an array, in the order of its rows."""
    return [int(line) for line in table.read_text(encoding="ascii").split()]
