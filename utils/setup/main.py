"""Make the environment that the recipes run in: .venv, or with --k2-pypi .venv-k2.

Without options: the locked versions, and torch's CPU build unless this machine has a GPU. Nothing is done when the
environment is there already and holds what is wanted. It needs no root, and a failure leaves nothing but a log.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from utils.arguments import ArgumentParser
from utils.errors import UsageError, run_main
from utils.files import ROOT
from utils.setup import k2_index, pythons
from utils.setup.environment import STAMP
from utils.setup.install import Builder, Plan, clear_leftovers, set_up_lock
from utils.setup.lanes import LANES, Lane


def parser() -> ArgumentParser:
    """The options of utils/setup.sh."""
    options = ArgumentParser(prog="utils/setup.sh", description=__doc__,
                             formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", metavar="PATH", help="the Python to build with, 3.10 to 3.13 (default: the first "
                                                          "of 3.11, 3.12, 3.10, 3.13 on PATH)")
    builds = options.add_mutually_exclusive_group()
    builds.add_argument("--cpu", action="store_true", help="torch's CPU build (default without a GPU)")
    builds.add_argument("--cuda", action="store_true", help="torch's CUDA build (default with a GPU)")
    options.add_argument("--torch-index", metavar="URL", help="take torch from this package index")
    options.add_argument("--no-lock", action="store_true", help="newest versions that conf/requirements.txt allows, "
                                                                "not those of conf/lock/")
    lanes = options.add_mutually_exclusive_group()
    lanes.add_argument("--k2", action="store_true", help="the newest pair of torch and k2 of k2's own wheel index")
    lanes.add_argument("--k2-pypi", action="store_true", help="a second environment, .venv-k2: Python 3.10, torch "
                                                              "1.13.1, k2 1.23.4")
    lanes.add_argument("--lower", action="store_true", help="a second environment, .venv-lower: the oldest supported "
                                                            "versions (tests/soak/lower_bound.sh)")
    options.add_argument("--k2-index", metavar="URL|FILE", help="k2's wheel index (default: k2's own page)")
    options.add_argument("--force", action="store_true", help="make it anew, although it is there")
    return options


def driver_cuda() -> str | None:
    """The newest CUDA that this machine's NVIDIA driver runs, e.g. 12.8; "" if it does not say; None without a GPU."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        answer = subprocess.run([command], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    match = re.search(r"CUDA Version:\s*([\d.]+)", answer.stdout)
    return match[1] if match else ""


def choose_builds(arguments: argparse.Namespace, lane: Lane) -> tuple[str, ...]:
    """The torch builds to try: what the user says, else by whether there is a GPU."""
    if lane.name != "main":
        if arguments.cuda or arguments.cpu:
            raise UsageError(f"--cpu and --cuda are for .venv; {lane.directory} has one torch")
        return lane.builds
    if arguments.cuda or arguments.cpu:
        return ("cuda",) if arguments.cuda else ("cpu",)
    return ("cpu",) if driver_cuda() is None else ("cuda",)


def is_ready(plan: Plan, arguments: argparse.Namespace) -> bool:
    """Whether the environment is there, holds what its lane needs, and is of the kind that the options ask for."""
    python = plan.directory / "bin/python"
    check = [str(python), str(ROOT / "utils/setup/environment.py"), "--tests"]
    if not python.exists() or subprocess.run(check, capture_output=True).returncode:
        return False
    try:
        stamp = json.loads((plan.directory / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamp = {}
    asked = {"torch": plan.builds[0]} if arguments.cpu or arguments.cuda else {}
    asked |= {"python": "{}.{}".format(*plan.python.version)} if arguments.python else {}
    asked |= {"k2": True} if arguments.k2 else {}
    return all(stamp.get(key) == value for key, value in asked.items())


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.k2_index and not arguments.k2:
        raise UsageError("--k2-index goes with --k2")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lane = LANES["k2-pypi" if arguments.k2_pypi else "lower" if arguments.lower else "main"]
    try:
        python = pythons.find(lane.pythons, arguments.python)
    except UsageError as error:
        if lane.name == "k2-pypi":
            raise UsageError(f"the k2 lane is not available on this machine: {error}") from error
        raise
    plan = Plan(lane, python, choose_builds(arguments, lane), arguments.torch_index, not arguments.no_lock)
    with set_up_lock(plan.directory) as lock:
        clear_leftovers(plan.directory)
        if not arguments.force and is_ready(plan, arguments):
            print(f"{plan.directory} is ready")
            return 0
        start = time.monotonic()
        if arguments.k2:
            plan = with_k2(plan, arguments.k2_index)
        build = Builder(plan, lock).build()
    pair = f", k2 {plan.k2.version}" if plan.k2 else ""
    print(f"{plan.directory} is ready: Python {python.version[0]}.{python.version[1]}, torch "
          f"{plan.k2.torch if plan.k2 else lane.torch} ({build}){pair}, {time.monotonic() - start:.0f} s")
    return 0


def with_k2(plan: Plan, location: str | None) -> Plan:
    """The plan with the newest pair of torch and k2 of the index that fits."""
    build = plan.builds[0]
    location = location or k2_index.INDEX[build]
    # A driver that does not say its CUDA version takes any.
    host = k2_index.Host(plan.python.version, (driver_cuda() or "99") if build == "cuda" else "")
    wheel = k2_index.choose(k2_index.parse_page(k2_index.read_page(location), location), host, location)
    print(f"k2 {wheel.version} for {wheel.torch_requirement}: {wheel.url}", file=sys.stderr, flush=True)
    return Plan(plan.lane, plan.python, plan.builds, plan.torch_index, plan.locked, wheel)


if __name__ == "__main__":
    sys.exit(run_main(main))
