"""Run Python front ends in forks of one process that has the heavy packages already: a start costs 20 ms, not a second.

Reads one JSON object a line from standard input: {module, argv, cwd, stdout, stderr, environment, memory}. For each it
forks; the child does what `python -m module argv ...` does from `sys.exit(run_main(main))` on. Two lines answer: the
child's process id, which leads a group of its own, and later its exit status.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
from typing import NoReturn

HEAVY = ("numpy", "scipy.special", "soundfile", "yaml", "torch", "lhotse", "sklearn.svm", "safetensors.numpy", "av")


def become(request: dict) -> None:
    """The child takes the place that a shell would give it."""
    os.setsid()
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, request["stdout"], os.O_WRONLY),
                                    (2, request["stderr"], os.O_WRONLY)):
        os.dup2(os.open(path, flags | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    resource.setrlimit(resource.RLIMIT_DATA, (request["memory"],) * 2)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["argv"]]


def end(status: int) -> NoReturn:
    """Leave as `sys.exit` does, but for taking the interpreter apart: that would copy every page of the server."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy their pages, too
    print("ready", file=answers)
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            from utils.errors import run_main

            end(run_main(importlib.import_module(sys.argv[0]).main, sys.argv[1:]))
        print(child, file=answers)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # nothing that it started outlives it
        print(os.waitstatus_to_exitcode(status), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
