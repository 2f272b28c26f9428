"""From any sampling rate to any other by soxr, whole or block by block with the same result.

soxr at its quality "HQ": from 44.1 to 16 kHz the pass band is flat to 7.3 kHz, and what lies above
8 kHz is below -130 dB (tests/bench/resampling.py). The filter has linear phase and no delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

RATE = 16000
QUALITY = "HQ"


def resample(samples: numpy.ndarray, rate: int, target: int = RATE) -> numpy.ndarray:
    """float32 (T,) at `rate` Hz -> float32 (ceil(T * target / rate),) at `target` Hz."""
    import numpy

    if rate == target:
        return samples
    return numpy.concatenate(list(resample_blocks([samples], rate, target)))


def resample_blocks(blocks: Iterable[numpy.ndarray], rate: int, target: int = RATE) -> Iterator[numpy.ndarray]:
    """As `resample` of all blocks (T,) together, bit by bit, in bounded memory."""
    import numpy

    if rate == target:
        yield from blocks
        return
    import soxr

    stream, read, given = soxr.ResampleStream(rate, target, 1, dtype="float32", quality=QUALITY), 0, 0
    for block in blocks:
        read += len(block)
        found = stream.resample_chunk(numpy.ascontiguousarray(block, dtype="float32"))
        given += len(found)
        yield found
    # soxr rounds the length, and gives nothing of a single sample: silence behind the end makes it the next whole one.
    wanted = -(-read * target // rate)
    silence = numpy.zeros(-(-rate // target) + 1, dtype="float32")
    yield stream.resample_chunk(silence, last=True)[:wanted - given]
