"""How posteriors become words: the options of conf/asr_decode.yaml, and the two of them that change the posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.config import option
from utils.errors import UsageError


@dataclass
class DecodeConfig:
    """How posteriors become words."""

    method: str = option("greedy", choices=("greedy", "prefix", "graph"))
    engine: str = option("auto", choices=("auto", "k2", "torch"), help="of the graph search")
    nbest: int = option(10, min=1, max=1000, help="word sequences that are kept of an utterance")
    prefixes: int = option(16, min=1, max=10000, help="prefix: beam, how many a frame keeps")
    units_a_frame: int = option(40, min=1, max=1000000,
                                help="prefix: only so many units, the likeliest, go on with a prefix")
    beam: float = option(10.0, min=0.1, max=1e6, help="graph: what is this much worse than the best is dropped, nats")
    lattice_beam: float = option(6.0, min=0.1, max=1e6, help="graph: the same of whole paths")
    max_active: int = option(10000, min=1, max=10**9, help="graph, k2: states that a frame keeps")
    acoustic_scale: float = option(1.0, min=0.01, max=100.0)
    lm_scale: float = option(0.7, min=0.01, max=100.0, help="graph: weight of the language model")
    blank_penalty: float = option(0.0, min=-20.0, max=20.0, help="taken from the blank's log-posterior")
    max_memory: float = option(2.0, min=0.05, max=1e6, help="graph: GiB that the search of one utterance may take")
    calibration: list[float] = option([], min=-1e6, max=1e6,
                                      help="a, b: confidence c -> sigmoid(a logit(c) + b); []: as it is")

    def check(self) -> None:
        """
        Raises:
            UsageError: a calibration of another length than two.
        """
        if len(self.calibration) not in (0, 2):
            raise UsageError(f"calibration is {self.calibration}; accepted: two numbers, or none")


def adjusted(log_probs: np.ndarray, config: DecodeConfig, blank: int, normalized: bool = True) -> np.ndarray:
    """float32 (T, V) with acoustic scale and blank penalty; `normalized`: again a log-softmax."""
    if config.blank_penalty == 0 and config.acoustic_scale == 1:
        return np.ascontiguousarray(log_probs, dtype=np.float32)
    scores = log_probs.astype(np.float32) * config.acoustic_scale
    scores[:, blank] -= config.blank_penalty
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True) if normalized else scores
