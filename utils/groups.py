"""What belongs together, from pairs that do."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def connected(pairs: Iterable[tuple[T, T]]) -> list[list[T]]:
    """The groups that the pairs connect, their members sorted, the groups by their first member."""
    parent: dict[T, T] = {}

    def root(node: T) -> T:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in pairs:
        parent[root(one)] = root(other)
    groups: dict[T, list[T]] = {}
    for node in list(parent):
        groups.setdefault(root(node), []).append(node)
    return sorted(sorted(members) for members in groups.values())  # type: ignore[type-var]
