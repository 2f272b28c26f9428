"""k2's own wheel index: an HTML page of links, each wheel tagged with the torch it was built for.

    k2-1.24.4.dev20250807+cpu.torch2.8.0-cp311-cp311-manylinux_2_27_x86_64.whl
    k2-1.24.4.dev20250807+cuda12.8.torch2.8.0-cp311-cp311-manylinux_2_27_x86_64.whl
"""

from __future__ import annotations

import html
import platform
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import UserError
from utils.setup.environment import compare, release

INDEX = {"cpu": "https://k2-fsa.github.io/k2/cpu.html", "cuda": "https://k2-fsa.github.io/k2/cuda.html"}
OLDEST_TORCH, NEWEST_TORCH = "2.4.0", "2.13.0"

_WHEEL = re.compile(r"k2-(?P<version>[^-+]+)\+(?P<build>cpu|cuda(?P<cuda>[\d.]+?))\.torch(?P<torch>\d[^-]*)"
                    r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl$")


@dataclass(frozen=True)
class Wheel:
    """One wheel of the index. `cuda` is "" for a CPU build; `python` is its tag, e.g. cp311."""

    url: str
    version: str
    torch: str
    cuda: str
    python: str
    platform: str

    @property
    def torch_requirement(self) -> str:
        """The torch that it was built for, with the build's local version: 2.8.0+cpu, 2.8.0+cu128."""
        return f"torch=={self.torch}+" + (f"cu{self.cuda.replace('.', '')}" if self.cuda else "cpu")

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts by torch, then k2 (a development build by its date), then CUDA."""
        return release(self.torch), [int(number) for number in re.findall(r"\d+", self.version)], release(self.cuda)


@dataclass(frozen=True)
class Host:
    """What a wheel must fit. `cuda` is the newest CUDA that the driver runs, "" for CPU."""

    python: tuple[int, int]
    cuda: str = ""
    system: str = field(default_factory=lambda: platform.system().lower())
    machine: str = field(default_factory=platform.machine)
    glibc: str = field(default_factory=lambda: platform.libc_ver()[1] or "0")

    @property
    def text(self) -> str:
        return (f"Python {self.python[0]}.{self.python[1]}, {self.system} {self.machine}, "
                + (f"CUDA at most {self.cuda}" if self.cuda else "CPU"))

    def fits_platform(self, tag: str) -> bool:
        """Whether any of the platforms in a wheel's tag (joined by dots) is this one."""
        return any(self._fits_one(part) for part in tag.split("."))

    def _fits_one(self, tag: str) -> bool:
        if tag == "any":
            return True
        if self.system == "darwin":
            return tag.startswith("macosx") and tag.endswith((self.machine, "universal2"))
        if self.system == "windows":
            return tag.replace("win_amd64", "win_AMD64").endswith(self.machine)
        if "linux" not in tag or not tag.endswith("_" + self.machine):
            return False
        limits = re.match(r"manylinux_(\d+)_(\d+)_", tag)
        return limits is None or release(self.glibc) >= (int(limits[1]), int(limits[2]))


def read_page(location: str) -> str:
    """The text of an index page: http(s):// or file:// URL, or a path.

    Raises:
        UserError: it cannot be reached or read.
    """
    hint = "save the page elsewhere and name it with --k2-index FILE, or use --k2-pypi"
    try:
        if "://" not in location:
            return Path(location).read_text(encoding="utf-8", errors="replace")
        with urllib.request.urlopen(location, timeout=30) as answer:
            return answer.read().decode("utf-8", errors="replace")
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UserError(f"k2's wheel index {location} cannot be reached: {reason}; {hint}") from error


def parse_page(page: str, location: str) -> list[Wheel]:
    """Every k2 wheel that the page links to, or names in its text; relative links are resolved against `location`."""
    base = location if "://" in location else Path(location).resolve().as_uri()
    wheels: dict[str, Wheel] = {}
    for link in re.findall(r"""href\s*=\s*["']([^"']+)["']""", page):
        url = urllib.parse.urljoin(base, html.unescape(link).strip())
        name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1]
        match = _WHEEL.match(name)
        if match:
            wheels[name] = Wheel(url, match["version"], match["torch"], match["cuda"] or "", match["python"],
                                 match["platform"])
    return list(wheels.values())


def choose(wheels: Sequence[Wheel], host: Host, location: str) -> Wheel:
    """The newest pair of torch and k2 that fits.

    Raises:
        UserError: none fits; says what was looked for and what there is instead.
    """
    if not wheels:
        raise UserError(f"{location} links to no k2 wheel; is it k2's wheel index? (--k2-index URL or FILE)")
    python = f"cp{host.python[0]}{host.python[1]}"
    platform_fits = [wheel for wheel in wheels if host.fits_platform(wheel.platform)]
    build_fits = [wheel for wheel in platform_fits if bool(wheel.cuda) == bool(host.cuda)
                  and (not host.cuda or compare(wheel.cuda, host.cuda) <= 0)]
    torch_fits = [wheel for wheel in build_fits if release(OLDEST_TORCH) <= release(wheel.torch)
                  and compare(wheel.torch, NEWEST_TORCH) <= 0]
    fitting = [wheel for wheel in torch_fits if wheel.python == python]
    if fitting:
        return max(fitting, key=lambda wheel: wheel.order)
    looked = f"k2 for {host.text}, torch {OLDEST_TORCH} to {NEWEST_TORCH}"
    if torch_fits:
        there = f"wheels for {_list(wheel.python for wheel in torch_fits)} there are; name such a Python with --python"
    elif build_fits:
        there = f"there are wheels for torch {_list(wheel.torch for wheel in build_fits)} only"
    elif platform_fits:
        builds = _list(f"CUDA {wheel.cuda}" if wheel.cuda else "CPU" for wheel in platform_fits)
        there = f"for this platform there is {builds} (--cpu or --cuda chooses)"
    else:
        there = f"there are wheels for {_list(wheel.platform for wheel in wheels)} only"
    raise UserError(f"{location} has no wheel that fits: looked for {looked}; {there}; or use --k2-pypi")


def _list(items: object) -> str:
    names = sorted(set(items), key=lambda name: (release(re.sub(r"^\D+", "", name)), name))  # type: ignore[call-overload]
    return ", ".join(names if len(names) <= 6 else ["...", *names[-6:]])
