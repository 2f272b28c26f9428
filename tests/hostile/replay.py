"""Invocations from the list, run in a directory of their own, and what each must not do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).parent / "invocations"
PATIENCE = 120.0
"""Seconds after which a command hangs."""
MEMORY = 4 << 30
"""Bytes that a command may take, so that one which reads a device to its end does no harm."""
LONG = 2000
"""Characters that nobody reads to their end."""
SIGNS = ("Traceback", 'File "', "command not found", "unbound variable", "syntax error", "Segmentation fault",
         "No such file or directory: line", "core dumped")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
PRELUDE = """
# noise N: N bytes that are nothing, always the same
noise() { tail -c +101 "$CORPUS/ref.wav" | head -c "$1"; }
# seal: checksums.json of ./model over what its files are now
seal() { (cd "$HOUSE" && python -c 'import sys; from pathlib import Path
from steps.components.directory import write_checksums
write_checksums(Path(sys.argv[1]))' "$OLDPWD/model"); }
"""
"""What the scripts of `make` may call."""


@dataclasses.dataclass(frozen=True)
class Invocation:
    """One entry of the list; README.md says what the keys mean."""

    id: str
    what: str
    run: list[str]
    status: int = 1
    says: str = ""
    make: str = ""
    shell: str = ""
    lines: int = 2
    unprivileged: bool = False

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> Invocation:
        run = entry["run"]
        return cls(**{**entry, "run": shlex.split(run) if isinstance(run, str) else list(map(str, run))})


def read_list() -> Iterator[tuple[str, Invocation]]:
    """(name of the file, invocation) of the whole list."""
    import yaml

    for path in sorted(LIST.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield path.stem, Invocation.parse(entry)


@dataclasses.dataclass(frozen=True)
class Done:
    status: int | str
    stdout: str
    stderr: str


class Replay:
    """A copy of this checkout under git, fixtures that are only read, and the fork server.

    Args:
        directory: an empty directory.
        fixtures: NAME -> directory that the list names as @NAME, and its scripts as $NAME.
    """

    def __init__(self, directory: Path, fixtures: dict[str, Path]):
        self.directory, self.house = directory, directory / "house"
        self.top = set(os.listdir("/"))
        self.names = {"HOUSE": str(self.house), **{name: str(path) for name, path in fixtures.items()}}
        copy_checkout(self.house)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("EMOTION_", "PYTEST_"))},
            "PYTHONPATH": str(self.house), "PYTHONDONTWRITEBYTECODE": "1", "EMOTION_NO_INSTALL": "1",
            "EMOTION_ENVIRONMENT": f"{self.house}={sys.prefix}", "LC_ALL": "C.UTF-8"}
        self.server = subprocess.Popen([sys.executable, str(self.house / "tests/hostile/fork_server.py")],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                       env=self.environment)
        assert self.answer(1200) == "ready", "the fork server has not begun"

    def git(self, *words: str) -> str:
        return git(self.house, *words)

    def close(self) -> None:
        self.server.stdin.close()
        self.server.wait(PATIENCE)

    def run(self, one: Invocation) -> Done:
        """Make the entry's directory, run its command in it."""
        place = self.directory / "runs" / one.id / "here"
        for name in ("here", "home", "tmp"):
            (place.parent / name).mkdir(parents=True)
        environment = {**self.environment, "HOME": str(place.parent / "home"), "TMPDIR": str(place.parent / "tmp")}
        if one.make:
            subprocess.run(["bash", "-euc", PRELUDE + one.make], cwd=place, check=True, timeout=PATIENCE,
                           env={**environment, **self.names}, stdout=subprocess.DEVNULL)
        names = {**self.names, "HERE": str(place)}
        words = [filled(word, names) for word in one.run]
        self.before = self.git("status", "--porcelain") if "$HOUSE" in one.make else ""
        streams = [place.parent / "stdout", place.parent / "stderr"]
        module = python_of(self.house / words[0])
        if module and not one.shell and not one.unprivileged:
            status = self.forked({"module": module, "argv": words[1:], "cwd": str(place), "environment": environment,
                                  "stdout": str(streams[0]), "stderr": str(streams[1]), "memory": MEMORY})
        else:
            status = self.started(one, words, place, environment, streams)
        return Done(status, *(path.read_text(encoding="utf-8", errors="backslashreplace") for path in streams))

    def forked(self, request: dict[str, Any]) -> int | str:
        self.server.stdin.write(json.dumps(request) + "\n")
        child = int(self.answer(PATIENCE))
        status = self.answer(PATIENCE)
        if status:
            return int(status)
        os.killpg(child, signal.SIGKILL)
        self.answer(PATIENCE)
        return "hangs"

    def answer(self, seconds: float) -> str:
        ready, _, _ = select.select([self.server.stdout], [], [], seconds)
        return self.server.stdout.readline().strip() if ready else ""

    def started(self, one: Invocation, words: list[str], place: Path, environment: dict[str, str],
                streams: list[Path]) -> int | str:
        program = str(self.house / words[0])
        script = f'ulimit -d {MEMORY >> 10}\n{one.shell}\nexec "$@"'
        command = ["bash", "-c", script, "bash", program, *words[1:]]
        if one.unprivileged and os.geteuid() == 0:
            command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
        with open(streams[0], "wb") as out, open(streams[1], "wb") as err:
            process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env={**environment, **self.names}, start_new_session=True)
            try:
                return process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                return "hangs"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def faults(self, one: Invocation, done: Done) -> list[str]:
        """What is worse than one clear line."""
        both = done.stdout + done.stderr
        lines = done.stderr.splitlines()
        found = [] if done.status == one.status else [f"exit status {done.status}, expected {one.status}"]
        found += [f"{sign!r} is printed" for sign in SIGNS if sign in both]
        if len(lines) > one.lines:
            found.append(f"{len(lines)} lines on standard error, at most {one.lines} expected")
        if (longest := max(map(len, lines), default=0)) > LONG:
            found.append(f"a line of {longest} characters")
        if one.status and not any(line.startswith("error: ") for line in lines):
            found.append("no line begins with 'error: '")
        if control := CONTROL.search(both):
            found.append(f"the control character {control[0]!r} is printed")
        if one.says and not re.search(one.says, done.stderr if one.status else both):
            found.append(f"{one.says!r} is not said")
        return found + self.traces(one)

    def traces(self, one: Invocation) -> list[str]:
        """What was written where nothing is to be written."""
        place = self.directory / "runs" / one.id
        found = [f"written: {path}" for path in place.rglob("hacked*")]
        found += [f"left in {name}: {path.name}" for name in ("home", "tmp") for path in (place / name).iterdir()
                  if path.name not in (".cache", ".config", ".ses")]
        if (left := self.git("status", "--porcelain")) != self.before:
            found.append(f"the checkout is changed: {left[:300]}")
        if left:
            self.git("checkout", "-q", ".")
            self.git("clean", "-qfd")
        found += [f"written: /{name}" for name in set(os.listdir("/")) - self.top]
        if one.run[0].startswith("egs/"):
            self.git("clean", "-qfdX", "egs")
        return found


def copy_checkout(house: Path) -> Path:
    """What git knows of this checkout and what is new, under git: `git status` then tells what a command leaves."""
    house.mkdir(parents=True)
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in listed:
        if name and (ROOT / name).is_file():
            (house / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, house / name)
    git(house, "init", "-q")
    git(house, "add", "-A")
    git(house, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "as it is")
    return house


def git(place: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(place), *words], check=True, capture_output=True, text=True).stdout


def filled(word: str, names: dict[str, str]) -> str:
    """@NAME becomes the path of NAME."""
    for name, path in names.items():
        word = word.replace(f"@{name}", path)
    return word


def python_of(script: Path) -> str:
    """The module that a front end is nothing but a shell for; "" where it parses options of its own."""
    text = script.read_text(encoding="utf-8") if script.suffix == ".sh" else ""
    found = re.search(r'^exec python -m ([\w.]+) "\$@"$', text, re.MULTILINE)
    return found[1] if found else ""

