"""The advanced LSTM (Tao & Liu, ICASSP 2018, arXiv 1710.10197): a step sees several earlier states, not only the last.

At step t the states of t - 1, t - 3 and t - 5 are combined, cells and outputs each by an attention of their own, and
the combination takes the place of the last state in an ordinary LSTM:

    C' = sum_s a_s C(t - s),  a = softmax_s(w . C(t - s));    h' = sum_s b_s h(t - s),  b = softmax_s(v . h(t - s))
    i, f, g, o = W x(t) + U h' + bias
    C(t) = sigmoid(f) C' + sigmoid(i) tanh(g),   h(t) = sigmoid(o) tanh(C(t))

States before the first step do not exist and have no share; the first step starts from zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Turn each sequence round within its own length; what is behind it stays where it is.

    x: (N, T, F). lengths: (N,).
    """
    place = torch.arange(x.shape[1], device=x.device)[None, :]
    turned = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
    return x.gather(1, turned[:, :, None].expand_as(x))


class AdvancedLstm(nn.Module):
    """One bidirectional layer: (N, T, F) -> (N, T, 2 H), forward and backward side by side.

    Both directions run in one loop: each step is a few operations on (2, N, ...), not twice as many.

    Args:
        inputs: F. hidden: H. steps_back: how far the combined states lie back.
    """

    def __init__(self, inputs: int, hidden: int, steps_back: Sequence[int] = (1, 3, 5)):
        super().__init__()
        self.hidden, self.steps_back = hidden, tuple(steps_back)
        bound = 1 / math.sqrt(hidden)  # as torch.nn.LSTM
        shapes = {"weight_input": (2, inputs, 4 * hidden), "weight_state": (2, hidden, 4 * hidden),
                  "bias": (2, 1, 4 * hidden), "score_cell": (2, hidden, 1), "score_state": (2, hidden, 1)}
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (N, T, F), anything behind `lengths` (N,); there the result is of no use."""
        both = torch.stack([x, reverse(x, lengths)])  # (2, N, T, F)
        gates = torch.matmul(both, self.weight_input[:, None]) + self.bias[:, None]
        cells: list[Tensor] = []
        states: list[Tensor] = []
        for gate in gates.unbind(2):
            cell, state = self._combined(cells, self.score_cell), self._combined(states, self.score_state)
            if state is not None:
                gate = torch.baddbmm(gate, state, self.weight_state)
            enter, forget, new, leave = gate.chunk(4, dim=-1)
            kept = 0 if cell is None else torch.sigmoid(forget) * cell
            cells.append(kept + torch.sigmoid(enter) * torch.tanh(new))
            states.append(torch.sigmoid(leave) * torch.tanh(cells[-1]))
        forward, backward = torch.stack(states, dim=2).unbind(0)  # (N, T, H) each
        return torch.cat([forward, reverse(backward, lengths)], dim=-1)

    def _combined(self, history: list[Tensor], score: Tensor) -> Tensor | None:
        """The attention-weighted sum of the states that exist: (2, N, H); None at the first step."""
        past = [history[-step] for step in self.steps_back if step <= len(history)]
        if len(past) < 2:
            return past[0] if past else None
        seen = torch.stack(past, dim=2)  # (2, N, S, H)
        share = torch.softmax(torch.matmul(seen, score[:, None]), dim=2)  # (2, N, S, 1)
        return (share * seen).sum(dim=2)
