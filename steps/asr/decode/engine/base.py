"""What an engine does: the CTC loss, and the search through a decoding graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.graph import Graph
    from steps.asr.decode.hypothesis import Hypothesis


class GraphDecoder(Protocol):
    """Searches one graph."""

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """log-softmax float32 (T, V) -> n-best list, best first; one empty hypothesis where nothing is found.

        Raises:
            UserError: more memory than `max_memory` is needed; names the option to lower.
        """


class Engine(ABC):
    """One way of doing finite-state work; all engines give the same numbers."""

    name: str

    @abstractmethod
    def ctc_loss(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        """Negative log-likelihood of each utterance (Graves et al., ICML 2006), nats; blank is unit 0.

        An utterance whose target does not fit into its frames has loss 0 and gradient 0. The gradient is meant for the
        scores under `log_probs`, through their log-softmax; of `log_probs` alone the engines differ by a term that
        the log-softmax cancels.

        Args:
            log_probs: log-softmax (N, T, V), float32. lengths: (N,) frames. targets: units of each utterance, no blank.

        Returns:
            (N,) on the device of `log_probs`, never infinite.
        """

    @abstractmethod
    def graph_decoder(self, graph: Graph, config: DecodeConfig, frame_shift: float) -> GraphDecoder:
        """
        Args:
            frame_shift: seconds an output frame, for the times of the words.
        """


def frames_needed(target: Sequence[int]) -> int:
    """The fewest frames that spell `target`: one a unit, and a blank between equal neighbors."""
    return len(target) + sum(1 for before, after in zip(target, target[1:], strict=False) if before == after)


def fitting(lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """bool (N,) on the CPU: which targets have a path through their frames; none has one through no frame."""
    needed = torch.tensor([max(1, frames_needed(target)) for target in targets], dtype=torch.long)
    return lengths.cpu() >= needed
