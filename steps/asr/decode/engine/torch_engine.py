"""The engine that needs no k2: torch's CTC loss, kaldi-decoder's lattices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from steps.asr.decode.engine.base import Engine, GraphDecoder, fitting

if TYPE_CHECKING:
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.graph import Graph

NOTHING = -1e30  # a log probability of zero that can be subtracted from itself


class TorchEngine(Engine):
    """See steps.asr.decode.engine.base.Engine."""

    name = "torch"

    def ctc_loss(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        fits = fitting(lengths, targets)
        # What cannot fit is computed with an empty target and then thrown away, so that no infinity comes up.
        kept = [list(target) if fit else [] for target, fit in zip(targets, fits.tolist(), strict=True)]
        frames = torch.where(fits, lengths.cpu().long(), torch.ones_like(fits, dtype=torch.long))
        if log_probs.is_cuda and torch.are_deterministic_algorithms_enabled():
            loss = DeterministicCtc.apply(log_probs, frames, kept)  # torch's own has none on a GPU
        else:
            flat = torch.tensor([unit for target in kept for unit in target], dtype=torch.long)
            sizes = torch.tensor([len(target) for target in kept], dtype=torch.long)
            loss = functional.ctc_loss(log_probs.transpose(0, 1), flat.to(log_probs.device), frames, sizes,
                                       reduction="none", zero_infinity=True)
        return torch.where(fits.to(loss.device), loss, torch.zeros_like(loss))

    def graph_decoder(self, graph: Graph, config: DecodeConfig, frame_shift: float) -> GraphDecoder:
        from steps.asr.decode.engine.kaldi_lattice import KaldiGraphDecoder

        return KaldiGraphDecoder(graph, config, frame_shift)


class DeterministicCtc(torch.autograd.Function):
    """The CTC loss by the forward-backward algorithm, all utterances and states of a frame at once.

    Graves et al., ICML 2006, equations 5 to 16. For GPUs, where the scattered additions of torch's own are in no
    fixed order: here states become units by a matrix product.
    """

    @staticmethod
    def forward(context: Any, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        """log_probs (N, T, V), lengths (N,) on the CPU, all targets fitting -> loss (N,)."""
        device = log_probs.device
        count, frames, _ = log_probs.shape
        states, last, skips = _states(targets)
        states, last, skips, ends = states.to(device), last.to(device), skips.to(device), lengths.to(device)
        scores = log_probs.detach().gather(2, states[:, None].expand(-1, frames, -1))  # (N, T, S)
        inside = torch.arange(states.shape[1], device=device) <= last[:, None]
        scores = scores.masked_fill(~inside[:, None], NOTHING).clamp(min=NOTHING)
        first = torch.full_like(scores[:, 0], NOTHING)
        first[:, :2] = 0.0
        alpha = _forward(scores, first, skips)
        # Backwards in time: the same recursion over frames and states counted from the end of each utterance.
        backwards = (ends[:, None] - 1 - torch.arange(frames, device=device)) % frames
        flipped = (last[:, None] - torch.arange(states.shape[1], device=device)) % states.shape[1]
        turned = _take(_take(scores, backwards, 1), flipped, 2)
        beta = _forward(turned, first, _take(_shift(skips, -2, False), flipped, 1))
        beta = _take(_take(beta, flipped, 2), backwards, 1)
        final = alpha[torch.arange(count, device=device), ends - 1]
        both = torch.stack([final.gather(1, last[:, None])[:, 0],
                            final.gather(1, (last - 1).clamp(min=0)[:, None])[:, 0].masked_fill(last == 0, NOTHING)])
        total = both.logsumexp(0)
        occupied = (alpha + beta - scores - total[:, None, None]).clamp(max=0.0).exp()
        occupied = occupied * inside[:, None] * (torch.arange(frames, device=device) < ends[:, None])[:, :, None]
        context.save_for_backward(occupied, states)
        context.units = log_probs.shape[2]
        return -total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        occupied, states = context.saved_tensors
        of_unit = functional.one_hot(states, context.units).to(occupied.dtype)  # (N, S, V)
        return -torch.bmm(occupied, of_unit) * gradient[:, None, None], None, None


def _states(targets: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """blank, unit, blank, ..., unit, blank of each target: units (N, S), last state (N,), may be reached from the last
    state but one (N, S)."""
    size = 2 * max(1, max(map(len, targets), default=0)) + 1
    states = torch.zeros(len(targets), size, dtype=torch.long)
    for row, target in enumerate(targets):
        states[row, 1:2 * len(target):2] = torch.tensor(list(target), dtype=torch.long)
    skips = (states != 0) & (states != _shift(states, 2, 0))
    return states, torch.tensor([2 * len(target) for target in targets]), skips


def _shift(values: Tensor, by: int, filler: Any) -> Tensor:
    """Along the last axis; a negative `by` shifts towards the start."""
    return functional.pad(values, (by, -by), value=filler)


def _take(values: Tensor, index: Tensor, axis: int) -> Tensor:
    """values[n, ..., index[n, i], ...] for every n."""
    shape = [len(index)] + [1] * (values.dim() - 1)
    shape[axis] = index.shape[1]
    wanted = list(values.shape)
    wanted[axis] = index.shape[1]
    return values.gather(axis, index.view(shape).expand(wanted))


def _forward(scores: Tensor, first: Tensor, skips: Tensor) -> Tensor:
    """Log sum over the paths that end in each state: (N, T, S)."""
    arrived = [first + scores[:, 0]]
    for frame in range(1, scores.shape[1]):
        before = arrived[-1]
        jump = _shift(before, 2, NOTHING).masked_fill(~skips, NOTHING)
        total = torch.logsumexp(torch.stack([before, _shift(before, 1, NOTHING), jump]), dim=0)
        arrived.append((total + scores[:, frame]).clamp(min=NOTHING))
    return torch.stack(arrived, dim=1)
