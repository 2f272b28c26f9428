"""Tests that hold under any load: they wait for events, and measure processor time instead of the clock."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import IO, TypeVar

Result = TypeVar("Result")

PATIENCE = 200.0
"""Seconds after which what did not happen counts as never; below pytest's own limit. Nothing is measured by it."""


def wait_until(ready: Callable[[], Result], patience: float = PATIENCE) -> Result:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + patience
    while not (answer := ready()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return answer


def read_until(stream: IO[str], text: str) -> str:
    """Lines of a process's output, up to the first one that holds `text`."""
    found = ""
    for line in stream:
        found += line
        if text in line:
            return found
    raise AssertionError(f"no line has {text!r}:\n{found}")


def processor_seconds(call: Callable[[], Result]) -> tuple[Result, float]:
    """What a call returns, and the processor time (s) that this process and children that ended took meanwhile."""
    began = _used()
    result = call()
    return result, _used() - began


def least_processor_seconds(call: Callable[[], Result], limit: float) -> tuple[Result, float]:
    """The best of three; a time below `limit` is not measured again."""
    best = float("inf")
    for _ in range(3):
        result, seconds = processor_seconds(call)
        best = min(best, seconds)
        if best < limit:
            break
    return result, best


def _used() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
