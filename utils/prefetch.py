"""Work that threads do ahead of who wants it, in its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T, U = TypeVar("T"), TypeVar("U")
AHEAD = 2  # results a thread that may wait in memory


def in_order(compute: Callable[[T], U], items: Iterable[T], workers: int = 0) -> Iterator[U]:
    """compute(item) of each item, in order.

    Args:
        workers: threads that compute ahead; 0: nothing is computed before it is wanted.

    Raises:
        Whatever `compute` raises, where its result would have come.
    """
    if not workers:
        yield from map(compute, items)
        return
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(compute, item))
                if len(waiting) > AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # who stops early waits only for what has begun
            for future in waiting:
                future.cancel()
