"""Make the locks in conf/lock/: every package's exact version, for every Python of a lane, in one file a lane.

    python -m utils.setup.lock [--lane main]

Asks pip of each Python what it would install, and merges the answers: a version that differs between Pythons gets an
environment marker. What only torch's CUDA builds need stands in `<lane>-cuda.txt`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import ROOT, write_text
from utils.setup import pythons
from utils.setup.environment import REQUIREMENTS, normal_name
from utils.setup.lanes import LANES
from utils.setup.pip_log import why_pip_failed

_ACCELERATOR = re.compile(r"nvidia-|cuda-|triton$")
Version = tuple[int, int]


def resolve(python: pythons.Interpreter, lane: str) -> dict[str, str]:
    """What pip would install for `lane`: normal name -> version without the build's local part."""
    files = [f"-r{ROOT / 'conf' / name}" for name in REQUIREMENTS[lane]]
    with tempfile.TemporaryDirectory() as scratch:
        environment, report = Path(scratch) / "venv", Path(scratch) / "report.json"
        subprocess.run([python.path, "-m", "venv", str(environment)], check=True)
        command = [str(environment / "bin/python"), "-m", "pip", "install", "--dry-run", "--ignore-installed",
                   "--report", str(report), *files]
        if lane == "main":
            command.append(f"torch=={LANES[lane].torch}")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{python.text}, lane {lane}: {why_pip_failed(done.stdout + done.stderr)}")
        items = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {normal_name(item["name"]): item["version"].partition("+")[0] for item in items}


def marker(chosen: Sequence[Version], every: Sequence[Version]) -> str:
    """The environment marker for a run of Python versions out of `every`: empty for all of them."""
    parts = []
    if chosen[0] != every[0]:
        parts.append(f'python_version >= "{chosen[0][0]}.{chosen[0][1]}"')
    if chosen[-1] != every[-1]:
        following = every[every.index(chosen[-1]) + 1]
        parts.append(f'python_version < "{following[0]}.{following[1]}"')
    return " and ".join(parts)


def merge(answers: Mapping[Version, Mapping[str, str]]) -> list[str]:
    """Lock lines for all Pythons together: a package once for each run of Pythons that take the same version."""
    every = sorted(answers)
    lines = []
    for name in sorted({name for packages in answers.values() for name in packages}):
        run: list[Version] = []
        for index, python in enumerate(every):
            version = answers[python].get(name)
            run.append(python)
            following = answers[every[index + 1]].get(name) if index + 1 < len(every) else None
            if index + 1 < len(every) and following == version:
                continue
            if version is not None:
                condition = marker(run, every)
                lines.append(f"{name}=={version}" + (f" ; {condition}" if condition else ""))
            run = []
    return lines


def split(answers: Mapping[Version, Mapping[str, str]]) -> tuple[dict[Version, dict[str, str]], ...]:
    """What every build needs, and what only torch's CUDA build needs.

    A Python for which pip found a CPU build of torch says nothing of the second; it takes what the Python before it
    takes.
    """
    own = {python: {name: version for name, version in packages.items() if not _ACCELERATOR.match(name)}
           for python, packages in answers.items()}
    accelerators = {python: {name: version for name, version in packages.items() if _ACCELERATOR.match(name)}
                    for python, packages in answers.items()}
    return own, {python: packages for python, packages in accelerators.items() if packages}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lane", choices=sorted(LANES), action="append", help="default: all")
    arguments = parser.parse_args(argv)
    for name in arguments.lane or sorted(LANES):
        lane = LANES[name]
        answers: dict[Version, dict[str, str]] = {}
        for version in sorted(lane.pythons):
            python = pythons.find([version])
            print(f"lane {name}: {python.text}", flush=True)
            answers[version] = resolve(python, name)
        own, accelerators = split(answers)
        head = f"# Made by `python -m utils.setup.lock --lane {name}` from {', '.join(REQUIREMENTS[name])}.\n"
        write_text(ROOT / "conf/lock" / f"{name}.txt", head + "\n".join(merge(own)) + "\n")
        head += "# What torch's CUDA build (Linux, x86_64) needs beside.\n"
        write_text(ROOT / "conf/lock" / f"{name}-cuda.txt", head + "\n".join(merge(accelerators)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
