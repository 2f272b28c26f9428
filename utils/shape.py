"""What plain values of a file (JSON, YAML) must look like, said by a value of the same form:

    TOLD = {"name": str, "weights": [float], "subsystems": {NAME: {"kind": str, "features": Maybe(NAME)}}, "fold?": int}
    check(read_json(path), TOLD, path, "copy it again")

    str, bool, int   a value of this type       float   a finite number       Any   whatever it is
    [shape]          a list of such             {str: shape} or {NAME: shape}   a mapping with any such keys
    {"key": shape}   a mapping that has these keys; "key?": it may lack it. Further keys are of no interest.
    Maybe(shape)     such a value or null       Number(low, high, whole)      a number in a range, both ends included
    OneOf(a, b)      one of these values        Either(shape, shape)          one of these shapes
    NAME             a name that may be a file's: no directory in it, no control character
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import DamagedFile
from utils.printable import printable

SHOWN = 40  # characters of a wrong value


@dataclass(frozen=True)
class Maybe:
    shape: Any


class OneOf:
    def __init__(self, *values: Any):
        self.values = values


class Either:
    def __init__(self, *shapes: Any):
        self.shapes = shapes


@dataclass(frozen=True)
class Number:
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False


class Name:
    """See NAME."""


NAME = Name()


def check(value: Any, shape: Any, where: str | Path, advice: str = "") -> None:
    """
    Raises:
        DamagedFile: "WHERE: subsystems.svm.kind is 3; expected text; ADVICE" of the first that is wrong.
    """
    wrong = _wrong(value, shape, "")
    if wrong is not None:
        place, found, expected = wrong
        then = f"; {advice}" if advice else ""
        if found is _MISSING:
            raise DamagedFile(f"{where} has no key {place}{then}")
        what = f"{place} is {_shown(found)}" if place else f"it holds {_shown(found)}"
        raise DamagedFile(f"{where}: {what}; expected {expected}{then}")


_MISSING = object()
_Wrong = tuple[str, Any, str]


def _wrong(value: Any, shape: Any, place: str) -> _Wrong | None:
    """Where it differs, what is there, what is expected; None where nothing does."""
    if isinstance(shape, dict):
        return _wrong_mapping(value, shape, place) if isinstance(value, Mapping) else (place, value, expected_of(shape))
    if isinstance(shape, list):
        if not isinstance(value, list):
            return place, value, expected_of(shape)
        return next((wrong for number, item in enumerate(value)
                     if (wrong := _wrong(item, shape[0], f"{place}[{number}]"))), None)
    if isinstance(shape, Maybe):
        return None if value is None else _wrong(value, shape.shape, place)
    if isinstance(shape, Either):
        found = [_wrong(value, one, place) for one in shape.shapes]
        return None if None in found else (place, value, expected_of(shape))
    return None if _fits(value, shape) else (place, value, expected_of(shape))


def _wrong_mapping(value: Mapping[Any, Any], shape: dict[Any, Any], place: str) -> _Wrong | None:
    inner = f"{place}." if place else ""
    for key, wanted in shape.items():
        if not isinstance(key, str):  # str or NAME: any keys of this form
            for own, item in value.items():
                if not _fits(own, key):
                    return f"{inner}{own}", own, f"{expected_of(key)} as a key"
                if wrong := _wrong(item, wanted, f"{inner}{own}"):
                    return wrong
            continue
        own = key.removesuffix("?")
        if own not in value:
            if key != own:
                continue
            return f"{inner}{own}", _MISSING, expected_of(wanted)
        if wrong := _wrong(value[own], wanted, f"{inner}{own}"):
            return wrong
    return None


def _fits(value: Any, shape: Any) -> bool:
    if shape is Any:
        return True
    if isinstance(shape, OneOf):
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in shape.values)
    if shape is NAME:
        return is_name(value)
    if shape is float or isinstance(shape, Number):
        limits = Number() if shape is float else shape
        return _is_number(value) and limits.low <= value <= limits.high and not (
            limits.whole and not isinstance(value, int))
    return isinstance(value, shape) and not (shape is int and isinstance(value, bool))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e300


def is_name(value: Any) -> bool:
    """Whether a file or directory may be called so, beside others and not somewhere else."""
    return isinstance(value, str) and 0 < len(value.encode(errors="surrogateescape")) <= 255 and value.isprintable() \
        and value not in (".", "..") and not set(value) & {"/", "\\"}


def expected_of(shape: Any) -> str:
    """For a message."""
    if isinstance(shape, dict):
        keys = [key.removesuffix("?") for key in shape if isinstance(key, str)]
        return f"a mapping with {', '.join(keys)}" if keys else "a mapping"
    if isinstance(shape, list):
        return f"a list, each entry {expected_of(shape[0])}"
    if isinstance(shape, Maybe):
        return f"{expected_of(shape.shape)} or null"
    if isinstance(shape, Either):
        return " or ".join(map(expected_of, shape.shapes))
    if isinstance(shape, OneOf):
        return " or ".join(map(repr, shape.values))
    if isinstance(shape, Number) and (shape.low, shape.high) != (-math.inf, math.inf):
        kind = "a whole number" if shape.whole else "a number"
        return f"{kind} from {shape.low:g} to {shape.high:g}" if shape.high < math.inf else \
            f"{kind} of at least {shape.low:g}"
    if shape is NAME:
        return "a name without a directory"
    names = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}
    return names.get(shape, "a finite number")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a very large number"
    text = "null" if value is None else repr(value)
    return printable(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
