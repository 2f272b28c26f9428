"""Make one environment: in a directory of its own, which takes its place only when everything in it works."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError
from utils.files import ROOT, lock_file
from utils.leash import Leash, kill_group
from utils.setup.environment import REQUIREMENTS, STAMP
from utils.setup.k2_index import Wheel
from utils.setup.lanes import Lane
from utils.setup.pip_log import why_pip_failed
from utils.setup.pythons import Interpreter

ALONE = ("-I", "-X", "utf8")
"""How Pythons are started: the working directory may hold a file random.py, and a path any letters."""

TORCH_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class Plan:
    """What to make.

    Attributes:
        builds: torch builds to try in order, `cpu`, `cuda` or `default`.
        torch_index: `--torch-index`: the only place to take torch from; None: the user's own pip configuration, then
            PyTorch's index.
        locked: take the versions of the lane's lock; False: resolve anew.
        k2: a wheel of k2's index; then its torch replaces the lane's.
    """

    lane: Lane
    python: Interpreter
    builds: tuple[str, ...]
    torch_index: str | None = None
    locked: bool = True
    k2: Wheel | None = None

    @property
    def directory(self) -> Path:
        return ROOT / self.lane.directory


@contextlib.contextmanager
def set_up_lock(directory: Path) -> Iterator[int]:
    """Hold the lock of an environment; waits for another set-up, and says so. Gives the lock's file descriptor.

    The kernel drops the lock when its holder and the holder's pip are dead, so a killed set-up never blocks the next.

    Raises:
        UserError: the environment cannot be made here, because the checkout cannot be written.
    """
    path = directory.with_name(directory.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"cannot make {directory} ({path}: {error.strerror}): clone the repository to where you may "
                        "write, or activate an environment with what conf/requirements.txt names") from error
    try:
        if not lock_file(descriptor):
            print(f"another set-up works on {directory}; waiting for it", file=sys.stderr, flush=True)
            lock_file(descriptor, wait=True)
        yield descriptor
    finally:
        os.close(descriptor)


def clear_leftovers(directory: Path) -> None:
    """Remove what a killed set-up left; put back an environment that was moved aside but not yet replaced."""
    aside = directory.with_name(directory.name + ".aside")
    if aside.exists() and not directory.exists():
        os.rename(aside, directory)
    for leftover in [aside, *directory.parent.glob(f"{directory.name}.partial.*")]:
        shutil.rmtree(leftover, ignore_errors=True)


class Builder:
    """Makes the environment of a plan in `<directory>.partial.<pid>`; pip's output goes to `<directory>.log`."""

    def __init__(self, plan: Plan, lock: int):
        self.plan, self.lock = plan, lock
        self.partial = plan.directory.with_name(f"{plan.directory.name}.partial.{os.getpid()}")
        self.log = plan.directory.with_name(plan.directory.name + ".log")
        self.leash = Leash()

    def build(self) -> str:
        """Make it, and put it in its place. Returns the build of torch. Nothing is left of a failed one but its log.

        Raises:
            UserError: one line: which package, why, and where the log is.
        """
        try:
            self.log.write_text("", encoding="utf-8")
            self._venv()
            build = self._torch()
            self._rest(build)
            self._prove()
            self._stamp(build)
            self._move_into_place()
            return build
        finally:
            self.leash.close()
            shutil.rmtree(self.partial, ignore_errors=True)

    def _run(self, argv: Sequence[str | Path], title: str) -> tuple[int, str]:
        """Run a command, its output into the log. Returns exit status and output."""
        terminal = sys.stderr.isatty()
        lines = []
        with self.log.open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"# {' '.join(map(str, argv))}\n")
            process = self.leash.popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace", pass_fds=(self.lock,),
                                       env={**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONPATH": ""})
            try:
                for line in process.stdout or ():
                    log.write(line)
                    log.flush()
                    lines.append(line)
                    if terminal and re.match(r"\s*(Collecting|Downloading|Installing|Building)", line):
                        print(f"\r\033[K  {title}: {line.strip()[:90]}", end="", file=sys.stderr, flush=True)
                status = process.wait()
            finally:
                # Interrupted: nobody may write into a directory that is about to be removed.
                kill_group(process.pid)
                self.leash.remove(process.pid)
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        return status, "".join(lines)

    def _pip(self, arguments: Sequence[str | Path], title: str) -> str | None:
        """pip install; None, or one line that says why it failed."""
        status, output = self._run([self.partial / "bin/python", *ALONE, "-m", "pip", "--disable-pip-version-check",
                                    "--no-input", "install", "--progress-bar", "off", *arguments], title)
        return why_pip_failed(output) if status else None

    def _must(self, failure: str | None) -> None:
        if failure:
            raise UserError(f"set-up failed: {failure}; log: {self.log}")

    def _venv(self) -> None:
        print(f"making {self.plan.directory} with {self.plan.python.text}", file=sys.stderr, flush=True)
        status, output = self._run([self.plan.python.path, *ALONE, "-m", "venv", "--prompt",
                                    self.plan.directory.name, self.partial], "venv")
        self._must(f"python -m venv: {why_pip_failed(output)}" if status else None)
        if self.plan.lane.pip and self._too_new_pip():
            self._must(self._pip([self.plan.lane.pip], "pip"))

    def _too_new_pip(self) -> bool:
        found = next(iter(self.partial.glob("lib/python*/site-packages/pip-*.dist-info")), None)
        version = re.search(r"pip-(\d+)\.(\d+)", found.name) if found else None
        return version is None or (int(version[1]), int(version[2])) >= (24, 1)

    def _torch(self) -> str:
        """Install torch alone, from the first source that has a build that is wanted. Returns that build."""
        tried = []
        for build in self.plan.builds:
            requirement = self._torch_requirement(build)
            for source in self._torch_sources(build):
                origin = f" from {source[-1]}" if source else ""
                print(f"installing {requirement}{origin}", file=sys.stderr, flush=True)
                failure = self._pip(["--no-deps", *source, requirement], "torch")
                if failure is None:
                    return build
                if not re.search(r"no such version|cannot be reached", failure):
                    self._must(failure)
                where = source[-1] if source else "your pip configuration"
                tried.append(f"{where}: {failure.removeprefix(requirement + ': ')}")
        hint = "name another index with --torch-index URL or a directory of wheels with PIP_FIND_LINKS"
        if "cpu" in self.plan.builds and self.plan.lane.name == "main" and not self.plan.k2:
            hint += ", or take torch's CUDA build with --cuda (it runs on a CPU too, and needs 5 GB)"
        wanted = f"torch {requirement.lstrip('torch=')} for {self.plan.python.text}"
        raise UserError(f"set-up failed: nobody gives {wanted} ({'; '.join(tried)}); {hint}; log: {self.log}")

    def _torch_requirement(self, build: str) -> str:
        if self.plan.k2:
            requirement = self.plan.k2.torch_requirement
            return requirement if sys.platform == "linux" else requirement.partition("+")[0]
        if build == "cpu" and sys.platform == "linux":
            return f"torch=={self.plan.lane.torch}+cpu"
        # Three signs: this very build, not one with a local version that a directory of wheels may hold.
        return f"torch=={self.plan.lane.torch}" if self.plan.torch_index else f"torch==={self.plan.lane.torch}"

    def _torch_sources(self, build: str) -> list[list[str]]:
        """pip options for each place to look in, in order; an empty list is the user's own configuration."""
        if self.plan.torch_index:
            return [["--index-url", self.plan.torch_index]]
        cuda = self.plan.k2.cuda.replace(".", "") if self.plan.k2 else ""
        if sys.platform != "linux" or not (build == "cpu" or cuda):
            return [[]]
        return [[], ["--retries", "1", "--index-url", f"{TORCH_INDEX}/{'cu' + cuda if cuda else 'cpu'}"]]

    def _rest(self, build: str) -> None:
        lane, conf = self.plan.lane, ROOT / "conf"
        print(f"installing the rest (log: {self.log})", file=sys.stderr, flush=True)
        wheels = conf / "lock" / f"{lane.name}-wheels.txt"
        if wheels.exists():
            # Several wheels of one version fit by their names; only one works.
            self._must(self._pip(["--no-deps", "--require-hashes", f"-r{wheels}"], "packages"))
        locks = [conf / "lock" / f"{lane.name}.txt"]
        if build != "cpu" and not self.plan.k2:
            locks.append(conf / "lock" / f"{lane.name}-cuda.txt")
        if self.plan.locked and not self.plan.k2:
            self._must(self._pip(["--no-deps", *(f"-r{lock}" for lock in locks)], "packages"))
            return
        arguments = [f"-r{conf / name}" for name in REQUIREMENTS[lane.name]]
        with tempfile.TemporaryDirectory() as scratch:
            # Whatever else is resolved, the torch that was chosen stays.
            limits = Path(scratch) / "limits.txt"
            limits.write_text(self._limits(locks), encoding="utf-8")
            arguments += [f"-c{limits}"]
            if self.plan.k2:
                arguments.append(f"k2 @ {self.plan.k2.url}")
            self._must(self._pip(arguments, "packages"))

    def _limits(self, locks: Sequence[Path]) -> str:
        """Constraints: the torch that is installed; with k2 also the lock's other versions."""
        torch = next(iter(self.partial.glob("lib/python*/site-packages/torch-*.dist-info")))
        lines = [f"torch=={torch.name.removeprefix('torch-').removesuffix('.dist-info')}"]
        if self.plan.locked:
            # An older torch may want older versions of what only torch needs.
            free = re.compile(r"(torch|setuptools|sympy|networkx|fsspec|triton|typing-extensions)==")
            lines += [line for lock in locks for line in lock.read_text(encoding="utf-8").splitlines()
                      if not free.match(line)]
        return "\n".join(lines) + "\n"

    def _prove(self) -> None:
        """What was installed fits together and imports."""
        python = self.partial / "bin/python"
        status, output = self._run([python, *ALONE, "-m", "pip", "check"], "check")
        if status:
            self._must("the packages do not fit together: " + "; ".join(output.strip().splitlines()[:3]))
        code = f"import {', '.join(self.plan.lane.imports)}" + (", k2" if self.plan.k2 else "")
        status, output = self._run([python, *ALONE, "-c", code], "import")
        if status:
            self._must(f"`{code}` fails: {(output.strip().splitlines() or ['no output'])[-1]}")

    def _stamp(self, build: str) -> None:
        stamp = {"lane": self.plan.lane.name, "torch": build, "locked": self.plan.locked,
                 "python": "{}.{}".format(*self.plan.python.version), "k2": bool(self.plan.k2)}
        (self.partial / STAMP).write_text(json.dumps(stamp) + "\n", encoding="utf-8")

    def _move_into_place(self) -> None:
        """Write the final path into the scripts in bin/, then rename; an older environment goes only now."""
        old, new = os.fsencode(self.partial), os.fsencode(self.plan.directory)
        for script in [*(self.partial / "bin").iterdir(), self.partial / "pyvenv.cfg"]:
            if script.is_file() and not script.is_symlink():
                content = script.read_bytes()
                if old in content and b"\0" not in content:
                    script.write_bytes(content.replace(old, new))
        aside = self.plan.directory.with_name(self.plan.directory.name + ".aside")
        if self.plan.directory.exists():
            os.rename(self.plan.directory, aside)
        os.rename(self.partial, self.plan.directory)
        shutil.rmtree(aside, ignore_errors=True)
