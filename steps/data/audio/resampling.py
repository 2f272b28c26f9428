"""From any sampling rate to 16 kHz by scipy's polyphase filter, whole or block by block with the same result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

RATE = 16000


def resample(samples: numpy.ndarray, rate: int, target: int = RATE) -> numpy.ndarray:
    """float32 (T,) at `rate` Hz -> float32 (ceil(T * target / rate),) at `target` Hz."""
    if rate == target:
        return samples
    from scipy.signal import resample_poly  # about a second to import: only where it is needed

    common = math.gcd(rate, target)
    return resample_poly(samples.astype("float64"), target // common, rate // common).astype("float32")


def resample_blocks(blocks: Iterable[numpy.ndarray], rate: int, target: int = RATE) -> Iterator[numpy.ndarray]:
    """As `resample` of all blocks (T,) together, bit by bit, in bounded memory.

    A sample of the result depends on those within the filter's half length alone: each block is resampled with that
    much of its neighbors, from a place where both grids meet.
    """
    import numpy

    if rate == target:
        yield from blocks
        return
    common = math.gcd(rate, target)
    up, down = target // common, rate // common
    around = 10 * max(up, down) // up + 2  # samples on either side that scipy's filter reaches
    held, offset, done = numpy.zeros(0, dtype="float32"), 0, 0  # offset: number of held[0]; done: of the result
    for block in blocks:
        held = numpy.concatenate([held, block]) if len(held) else block
        ready = max(0, (offset + len(held) - around) * up // down)  # results that have all their neighbors
        if ready - done < target // 4:
            continue
        begin = offset * up // down
        yield resample(held, rate, target)[done - begin:ready - begin]
        done = ready
        keep = max(0, (done * down // up - around) // down * down)  # multiples of `down` lie on both grids
        held, offset = held[max(0, keep - offset):], max(offset, keep)
    yield resample(held, rate, target)[done - offset * up // down:]
