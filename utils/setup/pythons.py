"""Find an interpreter that works and can make environments.

A name on PATH proves nothing: pyenv's shims answer for versions that are not selected, and Debian's python3 comes
without `ensurepip`. So each candidate is started once and asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UsageError

_QUESTION = ("import sys, importlib.util as u; print('{}.{}'.format(*sys.version_info[:2]), "
             "sys.base_exec_prefix == sys.exec_prefix, u.find_spec('ensurepip') is not None, "
             "u.find_spec('venv') is not None, sep='\\n'); print(sys.executable)")


@dataclass(frozen=True)
class Interpreter:
    """A Python that started. `version` is (major, minor); `complete` says that it can make environments with pip."""

    path: str
    version: tuple[int, int]
    complete: bool

    @property
    def text(self) -> str:
        return f"Python {self.version[0]}.{self.version[1]} ({self.path})"


def ask(path: str) -> Interpreter | None:
    """Start the interpreter at `path`; None if it does not work."""
    try:
        answer = subprocess.run([path, "-I", "-c", _QUESTION], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.splitlines()
    if answer.returncode or len(lines) != 5:
        return None
    major, _, minor = lines[0].partition(".")
    return Interpreter(lines[4], (int(major), int(minor)), lines[2] == lines[3] == "True")


def candidates(versions: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Paths to try for `versions`, the first version first: every directory of PATH, then pyenv's own versions."""
    directories = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    pyenv = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")) / "versions"
    for major, minor in versions:
        for directory in directories:
            yield str(directory / f"python{major}.{minor}")
        for directory in sorted(pyenv.glob(f"{major}.{minor}.*/bin"), reverse=True):
            yield str(directory / f"python{major}.{minor}")
    for directory in directories:
        yield str(directory / "python3")


def find(versions: Sequence[tuple[int, int]], wanted: str | None = None) -> Interpreter:
    """The interpreter to build with.

    Args:
        versions: accepted versions, the preferred first.
        wanted: `--python`: a path or a name on PATH that the user insists on.

    Raises:
        UsageError: there is none; says what was seen and what to do.
    """
    accepted = " ".join(f"{major}.{minor}" for major, minor in sorted(versions))
    if wanted:
        found = ask(shutil.which(wanted) or wanted)
        if found is None:
            raise UsageError(f"--python {wanted}: not a Python that starts; name one of versions {accepted}")
        if found.version not in versions:
            raise UsageError(f"--python {wanted}: {found.text}; accepted versions: {accepted}")
        if not found.complete:
            raise UsageError(f"--python {wanted}: {found.text} has no venv and ensurepip; on Debian and Ubuntu "
                             f"python{found.version[0]}.{found.version[1]}-venv has them")
        return found
    seen: dict[str, Interpreter] = {}
    for path in candidates(versions):
        if os.access(path, os.X_OK) and (found := ask(path)):
            if found.version in versions and found.complete:
                return found
            seen[found.path] = found
    incomplete = [item for item in seen.values() if item.version in versions]
    if incomplete:
        major, minor = incomplete[0].version
        raise UsageError(f"{incomplete[0].text} cannot make environments: install python{major}.{minor}-venv, or name "
                         f"another Python of {accepted} with --python PATH")
    there = ", ".join(sorted(item.text for item in seen.values())) or "none"
    raise UsageError(f"no Python of {accepted} on PATH (there is: {there}); install one, or name it with --python PATH")
