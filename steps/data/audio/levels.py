"""A look at the samples: what no recording of a voice looks like is remarked, and what is no number becomes 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.data.audio.remarks import Remark
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy

SILENCE, CONSTANT = "digital silence", "constant samples"
BEYOND, NOT_FINITE, CANCEL = "samples far beyond 1", "samples that are no number", "channels that cancel"
STEP = 2.0**-15  # one step of 16 bits
FAR = 2.0  # MP3 and AAC decode a little beyond 1
FLAT = 1e-3  # spread of a constant, relative to its value
MOST_NOT_FINITE = 0.1  # of all values; more is no recording
CANCELLED = 0.1  # power of the mean, relative to that of as many independent channels


class Levels:
    """Taken block by block.

    Attributes:
        values: that were seen, all channels together. not_finite: of them NaN or infinite.
    """

    def __init__(self) -> None:
        self.values = self.not_finite = self.frames = 0
        self.low, self.high = float("inf"), float("-inf")
        self._sums: numpy.ndarray | None = None  # (channels + 1, 2): of each and of the mean, sum and sum of squares

    def add(self, block: numpy.ndarray) -> numpy.ndarray:
        """Look at float32 (n, channels); returns it mixed down (n,), finite."""
        import numpy

        low, high = float(block.min()), float(block.max())
        if not numpy.isfinite(low + high):
            good = numpy.isfinite(block)
            self.not_finite += block.size - int(good.sum())
            block = numpy.where(good, block, numpy.float32(0))
            low, high = float(block.min()), float(block.max())
        self.values, self.frames = self.values + block.size, self.frames + len(block)
        self.low, self.high = min(self.low, low), max(self.high, high)
        if block.shape[1] == 1:
            return block[:, 0]
        mean = block.mean(axis=1, dtype="float64")
        self._sum(block, mean)
        return mean.astype("float32")

    def _sum(self, block: numpy.ndarray, mean: numpy.ndarray) -> None:
        import numpy

        wide = block.T.astype("float64")  # (channels, n)
        sums = numpy.array([[row.sum(), row @ row] for row in (*wide, mean)])
        if self._sums is None or self._sums.shape == sums.shape:
            self._sums = sums if self._sums is None else self._sums + sums

    @property
    def loudest(self) -> int | None:
        """Where the channels cancel, the one to be heard instead of their mean; else None."""
        import numpy

        if self._sums is None:
            return None
        power = self._sums[:, 1] / self.frames - numpy.square(self._sums[:, 0] / self.frames)
        channels, mean = power[:-1], float(power[-1])
        if channels.max() < STEP**2 or mean >= CANCELLED * float(channels.mean()) / len(channels):
            return None
        return int(channels.argmax())

    def check(self, name: str) -> None:
        """
        Raises:
            UserError: too many samples are no numbers.
        """
        if self.not_finite > MOST_NOT_FINITE * self.values:
            raise UserError(f"{name}: {self.not_finite} of {self.values} samples are NaN or infinite: no recording")

    def remarks(self) -> tuple[Remark, ...]:
        """What is to be said of all that was seen."""
        if not self.values:
            return ()
        found = []
        peak = max(abs(self.low), abs(self.high))
        if peak < STEP:
            none = "every sample is 0" if peak == 0 else "no sample reaches one step of 16 bits"
            found.append(Remark(SILENCE, none))
        elif self.high - self.low <= FLAT * peak:
            found.append(Remark(CONSTANT, f"{self.high:.3g} throughout"))
        if peak > FAR:
            found.append(Remark(BEYOND, f"the largest is {peak:.6g}, where 1 is full scale"))
        if self.not_finite:
            found.append(Remark(NOT_FINITE, f"{self.not_finite} of {self.values} are NaN or infinite and taken as 0"))
        if (loudest := self.loudest) is not None:
            found.append(Remark(CANCEL, f"their mean is near silence; channel {loudest + 1} alone is heard"))
        return tuple(found)


def remarks_of(samples: numpy.ndarray) -> tuple[Remark, ...]:
    """What is to be said of mono samples (T,)."""
    levels = Levels()
    if len(samples):
        levels.add(samples[:, None])
    return levels.remarks()
