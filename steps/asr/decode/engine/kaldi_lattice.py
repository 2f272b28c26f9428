"""Graph search by kaldi-decoder: a token passing decoder with a lattice, without k2."""

from __future__ import annotations

import tempfile
from pathlib import Path

import kaldi_decoder
import kaldifst
import numpy as np

from steps.asr.decode.config import DecodeConfig
from steps.asr.decode.engine.graph_search import LatticeDecoder
from steps.asr.decode.fst import Fst
from steps.asr.decode.graph import Graph
from steps.asr.decode.lattice import Lattice


class KaldiGraphDecoder(LatticeDecoder):
    """See steps.asr.decode.engine.graph_search.LatticeDecoder.

    The decoder has no scale of its own for the graph: the posteriors and the beams are divided by it instead, and the
    lattice's scores multiplied.
    """

    advice = "beam or lattice_beam"

    def __init__(self, graph: Graph, config: DecodeConfig, frame_shift: float):
        super().__init__(graph, config, frame_shift)
        self.fst = kaldifst.StdVectorFst.read(str(graph.directory / "TLG.fst"))
        self._scratch = tempfile.TemporaryDirectory(prefix="lattice.")

    def search(self, scores: np.ndarray, beam: float) -> Lattice | None:
        scale = self.config.lm_scale
        options = kaldi_decoder.LatticeSimpleDecoderConfig(
            beam=beam / scale, lattice_beam=self.config.lattice_beam / scale, determinize_lattice=False)
        decoder = kaldi_decoder.LatticeSimpleDecoder(self.fst, options)
        decoder.decode(kaldi_decoder.DecodableCtc(np.ascontiguousarray(scores / scale, dtype=np.float32)))
        if not np.isfinite(decoder.final_relative_cost()):
            return None
        done, raw = decoder.get_raw_lattice(use_final_probs=True)
        if not done:
            return None
        path = Path(self._scratch.name) / "lattice.fst"
        raw.write(str(path))
        return self._lattice(Fst.read(path), len(scores))

    def _lattice(self, fst: Fst, frames: int) -> Lattice:
        self.arcs_fit(len(fst.sources), frames)
        outputs, words = np.unique(np.concatenate([[0], fst.outputs]), return_inverse=True)
        scale = self.config.lm_scale
        return Lattice(fst.start, -scale * fst.finals.astype(np.float64).sum(axis=1), fst.sources, fst.targets,
                       words[1:], -scale * fst.costs.astype(np.float64).sum(axis=1),
                       [(), *((int(output),) for output in outputs[1:])])
