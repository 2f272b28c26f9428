"""What an environment must hold, and whether it does: names and versions of installed packages, nothing imported.

`path.sh` runs this file as a script with the interpreter of a candidate environment at every start, so it imports
only what is cheap: it reads the names of `*.dist-info` directories, about 30 ms in all.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)
STAMP = "emotion-environment.json"
# Files in conf/ that say what the packages of a lane must be. Tests need the second also.
REQUIREMENTS = {"main": ("requirements.txt", "requirements-test.txt"),
                "k2-pypi": ("requirements-k2-pypi.txt", "requirements-k2-pypi-test.txt"),
                "lower": ("requirements-lower.txt", "requirements-lower-test.txt")}

_INSTALLED = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info$")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?P<limits>[^;]*)(?:;\s*(?P<marker>.*))?$")
_LIMIT = re.compile(r"(?P<relation>==|!=|>=|<=|>|<|~=)\s*(?P<version>[^\s,]+)")


def normal_name(name: str) -> str:
    """A package's name as the registries compare it: lower case, `-` for any run of `-_.`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version; what follows them (`rc1`, `+cpu`) is left out: `2.13.0+cpu` -> (2, 13, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in match.group().split(".")) if match else ()


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 as `left` is older than, as old as, or newer than `right`; `2.4` equals `2.4.0`."""
    a, b = release(left), release(right)
    width = max(len(a), len(b))
    a, b = a + (0,) * (width - len(a)), b + (0,) * (width - len(b))
    return (a > b) - (a < b)


def within(version: str, limits: str) -> bool:
    """Whether `version` keeps all of `limits`, e.g. `>=2.4,<2.14`."""
    for limit in _LIMIT.finditer(limits):
        order = compare(version, limit["version"])
        if not {"==": order == 0, "!=": order != 0, ">=": order >= 0, "<=": order <= 0, ">": order > 0,
                "<": order < 0, "~=": order >= 0}[limit["relation"]]:
            return False
    return True


def marker_holds(marker: str, python: Sequence[int]) -> bool:
    """Whether a marker of the one kind used in conf/ holds: `python_version >= "3.11"`, joined by `and`."""
    here = ".".join(map(str, python[:2]))
    for part in marker.split(" and "):
        match = re.fullmatch(r"\s*python_version\s*(>=|<=|==|!=|<|>)\s*[\"']([\d.]+)[\"']\s*", part)
        if match and not within(here, match[1] + match[2]):
            return False
    return True


def read_requirements(path: str, python: Sequence[int] = sys.version_info) -> list[tuple[str, str]]:
    """`(name, limits)` of each requirement in a file that applies to this version of Python."""
    found = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            match = _REQUIREMENT.match(line.split("#")[0].strip())
            if match and marker_holds(match["marker"] or "", python):
                found.append((match["name"], match["limits"].strip()))
    return found


def installed(directories: Iterable[str]) -> dict[str, str]:
    """Versions of the packages in `directories`, by normal name; the first directory wins, as in an import."""
    found: dict[str, str] = {}
    for directory in directories:
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith("-info"):
                match = _INSTALLED.match(name)
                if match:
                    found.setdefault(normal_name(match["name"]), match["version"])
    return found


def lacking(requirements: Iterable[tuple[str, str]], packages: dict[str, str]) -> list[str]:
    """The requirements that `packages` do not keep, e.g. `torch>=2.4,<2.14 (has 1.13.1)`."""
    missing = []
    for name, limits in requirements:
        version = packages.get(normal_name(name))
        if version is None:
            missing.append(name + limits)
        elif not within(version, limits):
            missing.append(f"{name}{limits} (has {version})")
    return missing


def stamped_lane(prefix: str) -> str:
    """The lane that set-up wrote into the environment at `prefix`; `main` for an environment of the user's own."""
    try:
        with open(os.path.join(prefix, STAMP), encoding="utf-8") as stream:
            match = re.search(r'"lane":\s*"([^"]*)"', stream.read())
    except OSError:
        return "main"
    return match[1] if match and match[1] in REQUIREMENTS else "main"


def main(argv: Sequence[str]) -> int:
    """Exit status 0 if the running Python has what its lane needs (`--tests`: for tests too), else 1 and say what."""
    if "--help" in argv:
        print(__doc__)
        return 0
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        print("has Python {}.{}, not 3.10 to 3.13".format(*sys.version_info[:2]))
        return 1
    files = REQUIREMENTS[stamped_lane(sys.prefix)][: 2 if "--tests" in argv else 1]
    wanted = [item for file in files for item in read_requirements(os.path.join(ROOT, "conf", file))]
    missing = lacking(wanted, installed(sys.path[1:]))
    if missing:
        shown = missing if len(missing) <= 4 else [*missing[:4], f"and {len(missing) - 4} more"]
        print("lacks " + ", ".join(shown))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
