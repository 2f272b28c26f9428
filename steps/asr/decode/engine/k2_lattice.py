"""Graph search by k2: pruned intersection of a graph without empty inputs with the posteriors."""

from __future__ import annotations

import sys

import k2
import numpy as np
import torch

from steps.asr.decode.config import DecodeConfig
from steps.asr.decode.engine.graph_search import LatticeDecoder
from steps.asr.decode.fst import Fst
from steps.asr.decode.graph import Graph
from steps.asr.decode.lattice import Lattice

FEWEST_ACTIVE = 30  # states that a frame keeps whatever the beam
BYTES_AN_ARC = 100  # of the search, with room to spare


class K2GraphDecoder(LatticeDecoder):
    """See steps.asr.decode.engine.graph_search.LatticeDecoder.

    k2's threads end the process where they get no memory, so the cap is kept by fewer active states.
    """

    advice = "max_active, beam or lattice_beam"
    capped = False

    def __init__(self, graph: Graph, config: DecodeConfig, frame_shift: float):
        super().__init__(graph, config, frame_shift)
        self.fsa, self.sequences = without_empty(Fst.read(graph.directory / "TLG.fst"))
        self.fsa.scores = self.fsa.scores * config.lm_scale

    def search(self, scores: np.ndarray, beam: float) -> Lattice | None:
        segments = torch.tensor([[0, 0, len(scores)]], dtype=torch.int32)
        dense = k2.DenseFsaVec(torch.from_numpy(np.ascontiguousarray(scores))[None], segments)
        most = self._most_active(len(scores))
        found = k2.intersect_dense_pruned(self.fsa, dense, search_beam=beam, output_beam=self.config.lattice_beam,
                                          min_active_states=min(FEWEST_ACTIVE, most), max_active_states=most)
        arcs = found.arcs.values().numpy()
        if not len(arcs):
            return None
        self.arcs_fit(len(arcs), len(scores))
        states = int(arcs[:, 1].max()) + 1
        finals = np.full(states, -np.inf)
        finals[-1] = 0.0
        return Lattice(0, finals, arcs[:, 0].astype(np.int64), arcs[:, 1].astype(np.int64),
                       found.words.numpy().astype(np.int64), found.scores.numpy().astype(np.float64), self.sequences)

    def _most_active(self, frames: int) -> int:
        """`max_active`, or what `max_memory` has room for in an utterance of so many frames.

        Raises:
            UserError: there is no room for a search at all.
        """
        arcs_a_state = self.fsa.num_arcs / self.fsa.shape[0]
        room = int(self.config.max_memory * 2**30 / (BYTES_AN_ARC * arcs_a_state * frames))
        if room < min(FEWEST_ACTIVE, self.config.max_active):
            raise self.too_much(frames)
        if room < self.config.max_active:
            print(f"note: max_memory has room for {room} active states in an utterance of {frames} frames, not for "
                  f"max_active={self.config.max_active}", file=sys.stderr)
        return min(room, self.config.max_active)


def without_empty(fst: Fst) -> tuple[k2.Fsa, list[tuple[int, ...]]]:
    """The graph with label = unit id and no empty inputs, as k2's intersection needs it; an arc may then carry several
    words: `words` is the arc's place in the list of word sequences, the first of which is empty."""
    found = k2.remove_epsilon(k2.connect(_with_labels(fst)))
    if isinstance(found.aux_labels, torch.Tensor):
        rows = [(word,) if word > 0 else () for word in found.aux_labels.tolist()]
    else:
        rows = [tuple(word for word in row if word > 0) for row in found.aux_labels.tolist()]
    known: dict[tuple[int, ...], int] = {(): 0}
    words = [known.setdefault(row, len(known)) for row in rows]
    arcs = found.arcs.values().clone()
    arcs[:, 2] -= (arcs[:, 2] > 0).to(torch.int32)  # the end stays -1
    graph = k2.Fsa(arcs)
    graph.scores = found.scores.clone()
    graph.words = torch.tensor(words, dtype=torch.int32)
    return k2.arc_sort(graph), list(known)


def _with_labels(fst: Fst) -> k2.Fsa:
    """As it is, with k2's one final state and the arcs of label -1 into it; k2 starts at state 0."""
    number = np.arange(len(fst))
    number[[0, fst.start]] = number[[fst.start, 0]]
    ends = np.flatnonzero(np.isfinite(fst.finals[:, 0]))
    nothing = np.full(len(ends), -1)
    sources = np.concatenate([number[fst.sources], number[ends]])
    order = np.argsort(sources, kind="stable")
    scores = -np.concatenate([fst.costs[:, 0], fst.finals[ends, 0]]).astype(np.float32)
    columns = [sources, np.concatenate([number[fst.targets], np.full(len(ends), len(fst))]),
               np.concatenate([fst.inputs, nothing]), scores.view(np.int32)]
    arcs = torch.from_numpy(np.stack([column[order] for column in columns], axis=1).astype(np.int32))
    words = torch.from_numpy(np.concatenate([fst.outputs, nothing])[order].astype(np.int32))
    return k2.Fsa(arcs, aux_labels=words)
