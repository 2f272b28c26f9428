"""Per-channel energy normalization (Wang et al., ICASSP 2017) with learned parameters, as
LEAF has it (Zeghidour et al., ICLR 2021).

Its parameters are logarithms: on the linear scale `delta` can become negative, and then an input
of many seconds gives values that are not numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-12


class Pcen(nn.Module):
    """Energies E (N, C, F) -> (E / (EPSILON + M)^alpha + delta)^(1 / root) - delta^(1 / root).

    M is the moving average of E.
    Each band has parameters of its own. alpha and smooth count as at most 1, root as at least 1.
    """

    def __init__(self, bands: int, alpha: float = 0.96, delta: float = 2.0, root: float = 2.0,
                 smooth: float = 0.04):
        super().__init__()
        self.log_alpha = nn.Parameter(torch.full((bands,), math.log(alpha)))
        self.log_delta = nn.Parameter(torch.full((bands,), math.log(delta)))
        self.log_root = nn.Parameter(torch.full((bands,), math.log(root)))
        self.log_smooth = nn.Parameter(torch.full((bands,), math.log(smooth)))

    def forward(self, energies: Tensor) -> Tensor:
        """energies: 0 or more. A frame's value depends on the frames before it, on none behind."""
        alpha = self.log_alpha.clamp(max=0).exp()[:, None]
        power = (-self.log_root.clamp(min=0)).exp()[:, None]
        delta = self.log_delta.exp()[:, None]
        average = moving_average(energies, self.log_smooth.clamp(max=0).exp())
        gain = torch.exp(-alpha * (math.log(EPSILON) + torch.log1p(average / EPSILON)))
        return (energies * gain + delta) ** power - delta ** power


def moving_average(x: Tensor, smooth: Tensor) -> Tensor:
    """x (N, C, F), smooth (C,) in 0 ... 1 -> M (N, C, F): M[0] = x[0], M[f] = smooth x[f] + (1 -
    smooth) M[f - 1].

    In ceil(log2(F)) steps in place of F: after each, a value sums twice as many terms.
    """
    kept = (1 - smooth)[:, None]
    total = torch.cat([x[..., :1], smooth[:, None] * x[..., 1:]], dim=2)
    reach = 1
    while reach < x.shape[2]:
        earlier = nn.functional.pad(total[..., :-reach], (reach, 0))
        total = total + kept * earlier
        kept, reach = kept * kept, 2 * reach
    return total
