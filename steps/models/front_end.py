"""Front ends of networks on waveforms: LEAF (Zeghidour et al., ICLR 2021), and mel filters in the
same place of a network.

    leaf       Gabor filters, squared modulus, Gaussian low-pass window, PCEN; all of it is learned
    mel_pcen   the energies of fixed mel filters, PCEN
    log_mel    their logarithm

All give ceil(T / stride) frames, frame f centered on sample f * stride. What an utterance gives
does not depend on what stands behind its end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from steps.models.band_energy import band_energies
from steps.models.config import FrontEndConfig
from steps.models.pcen import Pcen
from utils.errors import UsageError

RATE = 16000  # of the waveforms, Hz
FFT = 512  # points, of the mel filters
FLOOR = 1e-5  # least energy that counts
HALF_WIDTH = math.sqrt(2 * math.log(2)) / math.pi  # of a Gaussian at half its height, in 1 / width


class FrontEnd(nn.Module):
    """Waveforms (N, T) of 16 kHz -> frames (N, C, F), and how many frames each has (N,)."""

    def __init__(self, config: FrontEndConfig):
        super().__init__()
        self.stride = samples(config.stride)
        self.energies = (GaborEnergies if config.kind == "leaf" else MelEnergies)(config)
        self.compression = LogEnergy() if config.kind == "log_mel" else Pcen(config.bands)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x: anything behind `lengths` (N,), each 1 or more. In float32 whatever the autocast."""
        frames = (lengths + self.stride - 1) // self.stride
        with torch.autocast(x.device.type, enabled=False):
            y = self.compression(self.energies(x.float(), lengths).clamp(min=FLOOR))
        there = torch.arange(y.shape[2], device=x.device) < frames[:, None]
        return torch.where(there[:, None], y, 0.0), frames


class GaborEnergies(nn.Module):
    """Energies of complex Gabor filters under Gaussian windows; (N, T) -> (N, C, F).

    `center` is the filters' frequency in radians a sample, `width` the deviation of their Gaussian
    in samples, `pooling` that of the windows in halves of their length. With `pooling_bias` each
    energy gets a number added that is 1 at first, as in the released code; the paper has none.
    """

    def __init__(self, config: FrontEndConfig):
        super().__init__()
        self.stride, self.taps = samples(config.stride), samples(config.window) // 2 * 2 + 1
        center, width = gabor_from_mel(config.bands, config.lowest, config.highest)
        self.center, self.width = nn.Parameter(center), nn.Parameter(width)
        self.pooling = nn.Parameter(torch.full((config.bands,), 0.4))
        self.bias = nn.Parameter(torch.ones(config.bands)) if config.pooling_bias else None

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        found = band_energies(x, lengths, self.filters(), self.windows(), self.stride)
        return found if self.bias is None else found + self.bias[:, None]

    def filters(self) -> Tensor:
        """(C, K) complex, of the parameters within their limits."""
        center = self.center.clamp(0, math.pi)[:, None]
        width = self.width.clamp(4 * HALF_WIDTH, self.taps * HALF_WIDTH)[:, None]
        envelope = torch.exp(-0.5 * (self._time() / width).square())
        return torch.polar(envelope / (math.sqrt(2 * math.pi) * width), center * self._time())

    def windows(self) -> Tensor:
        """(C, K), 1 in the middle."""
        width = self.pooling.clamp(2 / self.taps, 0.5)[:, None] * (self.taps // 2)
        return torch.exp(-0.5 * (self._time() / width).square())

    def _time(self) -> Tensor:
        half = self.taps // 2
        return torch.arange(-half, half + 1, device=self.center.device, dtype=self.center.dtype)


class MelEnergies(nn.Module):
    """Energies of mel filters in frames under a Hann window; (N, T) -> (N, C, F)."""

    filters: Tensor
    hann: Tensor

    def __init__(self, config: FrontEndConfig):
        super().__init__()
        self.stride, window = samples(config.stride), samples(config.window)
        filters = torch.from_numpy(mel_filters(config.bands, config.lowest, config.highest))
        self.register_buffer("filters", filters.float(), persistent=False)
        self.register_buffer("hann", torch.hann_window(window), persistent=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = x.masked_fill(torch.arange(x.shape[1], device=x.device) >= lengths[:, None], 0.0)
        half = len(self.hann) // 2
        padded = nn.functional.pad(x, (half, half + self.stride))
        rows = padded.unfold(1, len(self.hann), self.stride)
        rows = rows[:, :-(-x.shape[1] // self.stride)]  # (N, F, K)
        power = torch.fft.rfft(rows * self.hann, FFT).abs().square()
        return (power @ self.filters.T).transpose(1, 2)


class LogEnergy(nn.Module):
    """Energies of at least FLOOR -> their logarithm, 0 at the floor: silence is what padding is."""

    def forward(self, energies: Tensor) -> Tensor:
        return torch.log(energies / FLOOR)


def samples(milliseconds: float) -> int:
    return round(RATE * milliseconds / 1000)


def mel_filters(bands: int, lowest: float, highest: float) -> np.ndarray:
    """(C, FFT / 2 + 1) triangles of height 1 at equal distances on the mel scale (HTK's).

    Raises:
        UsageError: some of them would be empty, or `lowest` is not below `highest`.
    """
    if lowest >= highest:
        raise UsageError(f"model.front_end: lowest is {lowest:g} Hz, highest {highest:g}; "
                         "accepted: the former below the latter")

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127.0 * np.log1p(hertz / 700.0)

    edges = np.linspace(*mel(np.array([lowest, highest])), bands + 2)
    bins = mel(np.arange(FFT // 2 + 1) * RATE / FFT)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0.0, np.minimum(rise, fall))
    if not filters.any(axis=1).all():
        raise UsageError(f"model.front_end: {bands} bands between {lowest:g} and {highest:g} Hz "
                         f"are too many: the least that they can tell apart is {RATE / FFT:g} Hz")
    return filters


def gabor_from_mel(bands: int, lowest: float, highest: float) -> tuple[Tensor, Tensor]:
    """Centers and widths (C,) that LEAF starts from: of the peaks of the square roots of mel
    filters, and of the bins where these are at least half as high."""
    roots = np.sqrt(mel_filters(bands, lowest, highest))
    wide = (roots >= roots.max(axis=1, keepdims=True) / 2).sum(axis=1)
    center = roots.argmax(axis=1) * 2 * math.pi / FFT
    return torch.tensor(center).float(), torch.tensor(HALF_WIDTH * FFT / wide).float()
