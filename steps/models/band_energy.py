"""Energies of a bank of complex filters under a window, the costly part of LEAF.

    energy[i, c, f] = sum_n window[c, n] |y[i, c, f * stride + n - half]|^2
    y = x cross-correlated with filter c

y comes from short FFTs by overlap-save, which stay in the processor's cache, and is never kept: the
backward pass computes it again. A band with a narrow spectrum takes a shorter inverse FFT of its
own bins alone. That is y, shifted to frequency 0, at every `step`-th sample. |y|^2 is band-limited,
too, so the window is resampled to that rate (`resampling`).

The steps follow the current filters and windows and nothing else, so an utterance's energies do not
depend on its batch. Outside the utterance |y|^2 counts as 0. It ends there abruptly, so frames near
the ends are computed at the full rate (`with_ends`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

STEPS = (16, 8, 4, 2)  # samples, the longest first; they divide SIZE
SIZE = 4096  # longest FFT
FILTER_TAIL = 3e-6  # most that a filter's spectrum may have outside the bins that are kept; peak: 1
WINDOW_TAIL = 1e-2  # most that a window's may have where resampling is inexact; at 0 Hz: 1
EXACT = 0.6  # share of the band below the new Nyquist frequency where it is exact
REACH = 12  # half the length of the resampling filter, in steps
CHUNK = {"cpu": 1 << 18}  # complex values that are handled at once: what the cache holds
DEVICE_CHUNK = 1 << 24  # on other devices


def band_energies(x: Tensor, lengths: Tensor, filters: Tensor, windows: Tensor,
                  stride: int) -> Tensor:
    """Waveforms -> energies (N, C, F) of each filter, F = ceil(T / stride); 0 behind an utterance's
    own frames. Frame f is centered on sample f * stride.

    Args:
        x: (N, T), anything behind `lengths`. lengths: (N,) samples, each 1 or more.
        filters: (C, K) complex, K odd. windows: (C, K).
        stride: samples. Fast where it and K - 1 are multiples of 16.

    Raises:
        ValueError: x wants a gradient; there is none.
    """
    if x.requires_grad:
        raise ValueError("band_energies has no gradient with respect to its waveforms")
    samples, steps = lengths.tolist(), by_step(filters.detach(), windows.detach(), stride)
    every, places, parts = steps.pop(1, None), list(steps.values()), []
    with torch.autocast(x.device.type, enabled=False):
        if steps:
            parts.append(with_ends(x, samples, filters, windows, stride, steps))
        if every is not None:
            parts.append(full_rate(x, samples, filters[every], windows[every], stride))
            places.append(every)
        return torch.cat(parts, dim=1)[:, torch.cat(places).argsort()]


def by_step(filters: Tensor, windows: Tensor, stride: int) -> dict[int, Tensor]:
    """{step: positions of the bands that allow it and none longer}, those in use."""
    spectrum = torch.fft.fft(filters, SIZE).abs()
    spectrum = spectrum.gather(1, kept_bins(spectrum, SIZE))  # the peak is in the middle
    window = torch.fft.rfft(windows, SIZE).abs()
    middle = SIZE // 2
    left = torch.ones(len(filters), dtype=torch.bool, device=filters.device)
    found = {}
    for step in STEPS:
        if (filters.shape[1] - 1) % step or stride % step:
            continue
        half = middle // step
        outside = torch.cat([spectrum[:, :middle - half], spectrum[:, middle + half:]], dim=1)
        narrow = outside.amax(1) <= FILTER_TAIL * spectrum[:, middle]
        smooth = window[:, round(EXACT * half):].amax(1) <= WINDOW_TAIL * window[:, 0]
        fit = left & narrow & smooth
        found[step], left = fit.nonzero()[:, 0], left & ~fit
    found[1] = left.nonzero()[:, 0]
    return {step: bands for step, bands in found.items() if len(bands)}


def kept_bins(spectrum: Tensor, count: int) -> Tensor:
    """(C, L) magnitudes -> (C, count) numbers of the bins around each peak, which has the place
    count / 2."""
    around = torch.arange(-(count // 2), count - count // 2, device=spectrum.device)
    return (spectrum.argmax(dim=1, keepdim=True) + around) % spectrum.shape[1]


def full_rate(x: Tensor, samples: Sequence[int], filters: Tensor, windows: Tensor,
              stride: int) -> Tensor:
    """As band_energies, from every sample of y."""
    plan = Plan(tuple(samples), filters.shape[1], stride, windows.shape[1])
    return Energies.apply(x, filters, windows, plan)  # type: ignore[no-any-return]


def with_ends(x: Tensor, samples: Sequence[int], filters: Tensor, windows: Tensor, stride: int,
              steps: Mapping[int, Tensor]) -> Tensor:
    """As band_energies, of the bands of `steps` one after the other, each from every `step`-th
    sample of y; near the ends from every sample."""
    taps, parts = filters.shape[1], []
    for step, bands in steps.items():
        lead = REACH * step
        plan = Plan(tuple(samples), taps, stride, taps + 2 * lead, step, lead)
        resampled = windows[bands] @ resampling(taps, step).to(windows)
        parts.append(Energies.apply(x, filters[bands], resampled, plan))
    inner, bands = torch.cat(parts, dim=1), torch.cat(list(steps.values()))
    # Frames at either end, and strides beside them with samples that these depend on.
    count, more = -(-(taps // 2 + REACH * max(steps)) // stride), -(-taps // stride)
    frames = [-(-length // stride) for length in samples]
    starts = [max(0, (number - count - more) * stride) for number in frames]
    heads = [row[:min(length, (count + more) * stride)]
             for row, length in zip(x, samples, strict=True)]
    tails = [row[start:length] for row, start, length in zip(x, starts, samples, strict=True)]
    rows = torch.nn.utils.rnn.pad_sequence(heads + tails, batch_first=True)
    ends = full_rate(rows, [len(row) for row in heads + tails], filters[bands], windows[bands],
                     stride)
    ends = torch.cat(ends.split(len(x)), dim=2)  # (N, C, 2 F'): a head's frames, then a tail's
    place = torch.arange(inner.shape[2], device=x.device).expand(len(x), -1)  # (N, F)
    of_tail = place - torch.tensor(starts, device=x.device)[:, None] // stride + ends.shape[2] // 2
    found = torch.where(place < count, place, of_tail).clamp(0, ends.shape[2] - 1)
    number = torch.tensor(frames, device=x.device)[:, None]
    near = ((place < count) | (place >= number - count)) & (place < number)
    return torch.where(near[:, None], ends.gather(2, found[:, None].expand_as(inner)), inner)


@functools.cache
def resampling(taps: int, step: int) -> Tensor:
    """(taps, U): makes of a window at every sample one at every `step`-th, from REACH steps before
    its first sample on.

    For a signal e of less than pi / step, sum(window * e) is sum(resampled window * e[::step]).
    """
    reach = REACH * step
    apart = torch.arange(taps)[:, None] - torch.arange(-reach, taps + reach, step)
    inside = (1 - (apart / reach).double().square()).clamp(min=0)
    kaiser = torch.special.i0(12 * inside.sqrt()) / torch.special.i0(torch.tensor(12.0).double())
    return torch.where(apart.abs() < reach, torch.sinc(apart.double() / step) * kaiser, 0.0)


@dataclass(frozen=True)
class Plan:
    """How waveforms are cut into blocks.

    Attributes:
        samples: of each utterance. taps: of the filters. stride: between frames.
        width: samples that a window spans. step: see the module's text.
        lead: samples that the first frame's window begins before those of a window of `taps`.
    """

    samples: tuple[int, ...]
    taps: int
    stride: int
    width: int
    step: int = 1
    lead: int = 0

    @cached_property
    def pieces(self) -> int:
        """Strides that a window spans."""
        return -(-self.width // self.stride)

    @cached_property
    def size(self) -> int:
        """Samples of a block."""
        longest = (self.frames(max(self.samples)) + self.pieces - 1) * self.stride
        least = self.taps - 1 + max(self.stride, min(longest, SIZE - self.taps + 1))
        return 1 << (least - 1).bit_length()

    @cached_property
    def hop(self) -> int:
        """Samples of y that a block gives: whole strides."""
        return (self.size - self.taps + 1) // self.stride * self.stride

    @cached_property
    def valid(self) -> slice:
        """Where these stand in a block, at the plan's step."""
        return slice((self.taps - 1) // self.step, (self.taps - 1 + self.hop) // self.step)

    def frames(self, length: int) -> int:
        return -(-length // self.stride)

    def blocks(self, row: Tensor) -> Tensor:
        """(T,) -> (B, size) complex: spectra of an utterance's blocks. The first that the first
        block gives is y at the sample -(taps // 2) - lead."""
        count = -(-(self.frames(len(row)) + self.pieces - 1) * self.stride // self.hop)
        before = self.taps - 1 + self.lead
        behind = max(0, (count - 1) * self.hop + self.size - before - len(row))
        padded = functional.pad(row, (before, behind))
        return torch.fft.fft(padded.unfold(0, self.size, self.hop)[:count])


class Bank:
    """Filters (C, K) and windows (C, W), ready for the blocks of a plan.

    Attributes:
        bins: (C, M) that are kept. spectra: (C, M) complex, of the filters there.
        weights: (C, P, 2 S), the windows in pieces of a stride. Each weight is there twice, as real
            and imaginary parts of y stand side by side.
    """

    def __init__(self, plan: Plan, filters: Tensor, windows: Tensor):
        self.plan = plan
        spectra = torch.fft.fft(filters.flip(1), plan.size)  # reversed: for a convolution
        self.bins = (kept_bins(spectra.abs(), plan.size // plan.step) if plan.step > 1 else
                     torch.arange(plan.size, device=spectra.device).expand_as(spectra))
        self.spectra = spectra.gather(1, self.bins) / plan.step
        columns = plan.pieces * plan.stride // plan.step
        pieces = functional.pad(windows, (0, columns - windows.shape[1]))
        self.weights = pieces.unflatten(1, (plan.pieces, -1)).repeat_interleave(2, dim=2)
        self._first = self.bins[:, 0].tolist()

    def chunks(self, row: Tensor) -> Iterator[Chunk]:
        """What the filters make of an utterance (T,), a few of them at a time."""
        plan, size, blocks = self.plan, self.spectra.shape[1], self.plan.blocks(row)
        each = max(1, CHUNK.get(row.device.type, DEVICE_CHUNK) // (len(blocks) * size))
        ring = torch.cat([blocks, blocks[:, :size]], dim=1) if plan.step > 1 else blocks
        for start in range(0, len(self.spectra), each):
            bands = slice(start, min(start + each, len(self.spectra)))
            kept = blocks[None] if plan.step == 1 else \
                torch.stack([ring[:, first:first + size] for first in self._first[bands]])
            y = torch.fft.ifft(self.spectra[bands][:, None] * kept)[:, :, plan.valid]
            yield Chunk(plan, len(row), bands, kept, torch.view_as_real(y).flatten(2))


@dataclass(frozen=True)
class Chunk:
    """Some bands of an utterance of `length` samples.

    Attributes:
        kept: (n or 1, B, M) complex, their bins of the blocks.
        y: (n, B, 2 V), real and imaginary parts, of all blocks one after the other.
    """

    plan: Plan
    length: int
    bands: slice
    kept: Tensor
    y: Tensor

    def squares(self) -> Tensor:
        """(n, F', 2 S): the squared parts of y, a row a stride."""
        values = self.inside(self.y.square())
        return values.view(len(self.y), -1, 2 * self.plan.stride // self.plan.step)

    def inside(self, values: Tensor) -> Tensor:
        """(n, B, 2 V), set to 0 outside the utterance, unless `with_ends` sees to its ends."""
        if self.plan.step == 1:
            flat, half = values.view(len(values), -1), self.plan.taps // 2
            flat[:, :2 * half] = 0
            flat[:, 2 * (self.length + half):] = 0
        return values


class Energies(torch.autograd.Function):
    """The energies by a plan, and their gradient with respect to filters and windows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor, windows: Tensor, plan: Plan) -> Tensor:
        """x (N, T), filters (C, K), windows (C, W) -> (N, C, F)."""
        ctx.save_for_backward(x, filters, windows)
        ctx.plan, bank = plan, Bank(plan, filters, windows)
        found = x.new_zeros(len(x), len(filters), plan.frames(x.shape[1]))
        for row, length in enumerate(plan.samples):
            frames = plan.frames(length)
            for chunk in bank.chunks(x[row, :length]):
                pooled = chunk.squares() @ bank.weights[chunk.bands].transpose(1, 2)  # (n, F', P)
                for piece in range(plan.pieces):
                    found[row, chunk.bands, :frames] += pooled[:, piece:piece + frames, piece]
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, filters, windows = ctx.saved_tensors
        plan, bank = ctx.plan, Bank(ctx.plan, filters, windows)
        of_spectra, of_weights = torch.zeros_like(bank.spectra), torch.zeros_like(bank.weights)
        with torch.autocast(x.device.type, enabled=False):
            for row, length in enumerate(plan.samples):
                for chunk in bank.chunks(x[row, :length]):
                    add_gradients(chunk, bank, gradient[row], of_spectra, of_weights)
            whole = torch.zeros(len(filters), plan.size, dtype=filters.dtype, device=x.device)
            whole.scatter_(1, bank.bins, of_spectra)
            of_filters = 2 * torch.fft.ifft(whole)[:, :plan.taps].flip(1)
        of_windows = of_weights.unflatten(2, (-1, 2)).sum(dim=3).flatten(1)
        return None, of_filters, of_windows[:, :windows.shape[1]], None


def add_gradients(chunk: Chunk, bank: Bank, gradient: Tensor, of_spectra: Tensor,
                  of_weights: Tensor) -> None:
    """Add what a chunk gives to the gradients of a bank's `spectra` and `weights`.

    Args:
        gradient: (C, F) of the utterance's energies.
    """
    plan, bands, squares = chunk.plan, chunk.bands, chunk.squares()
    frames = plan.frames(chunk.length)
    pooled = squares.new_zeros(*squares.shape[:2], plan.pieces)
    for piece in range(plan.pieces):
        pooled[:, piece:piece + frames, piece] = gradient[bands, :frames]
    of_weights[bands] += pooled.transpose(1, 2) @ squares
    of_squares = chunk.inside((pooled @ bank.weights[bands]).view_as(chunk.y))
    of_y = squares.new_zeros(*chunk.y.shape[:2], bank.spectra.shape[1], 2)
    torch.mul(chunk.y, of_squares, out=of_y[:, :, plan.valid].flatten(2))
    of_blocks = torch.fft.fft(torch.view_as_complex(of_y))
    of_spectra[bands] += (of_blocks * chunk.kept.conj()).sum(dim=1)
