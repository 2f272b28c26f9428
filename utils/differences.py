"""Where two plain values, as JSON or YAML has them, differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(found: Any, wanted: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where `found` differs from `wanted`: (dotted key, found value or None, wanted value).

    What `found` alone has counts for nothing: an older program may have known more.
    """
    for key, value in wanted.items():
        actual = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(value, Mapping):
            yield from differences(actual, value, f"{prefix}{key}.")
        elif _plain(actual) != _plain(value):
            yield prefix + key, actual, value


def _plain(value: Any) -> Any:
    """Tuples and lists are the same in JSON."""
    return list(value) if isinstance(value, tuple) else value
