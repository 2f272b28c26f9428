"""The engine that runs on k2: its CTC loss and its lattices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import k2
import torch
from torch import Tensor

from steps.asr.decode.engine.base import Engine, GraphDecoder, fitting

if TYPE_CHECKING:
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.graph import Graph

OUTPUT_BEAM = 20.0  # paths that are e^20 times less likely than the best are left out of the sum


class K2Engine(Engine):
    """See steps.asr.decode.engine.base.Engine."""

    name = "k2"

    def ctc_loss(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        fits = fitting(lengths, targets)
        chosen = fits.nonzero()[:, 0]
        loss = log_probs.new_zeros(len(targets))
        if not len(chosen):
            return loss + log_probs.sum() * 0.0
        frames = lengths.cpu()[chosen]
        order = torch.argsort(frames, descending=True, stable=True)  # as k2's intersection wants them
        chosen, frames = chosen[order], frames[order]
        segments = torch.stack([chosen, torch.zeros_like(chosen), frames], dim=1).to(torch.int32)
        dense = k2.DenseFsaVec(log_probs, segments)
        graph = k2.ctc_graph([list(targets[row]) for row in chosen.tolist()], device=log_probs.device)
        found = k2.ctc_loss(graph, dense, output_beam=OUTPUT_BEAM, reduction="none").to(log_probs.dtype)
        found = torch.where(torch.isfinite(found), found, torch.zeros_like(found))
        return loss.index_copy(0, chosen.to(loss.device), found)

    def graph_decoder(self, graph: Graph, config: DecodeConfig, frame_shift: float) -> GraphDecoder:
        from steps.asr.decode.engine.k2_lattice import K2GraphDecoder

        return K2GraphDecoder(graph, config, frame_shift)
