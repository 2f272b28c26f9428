"""What the graph search of every engine shares: memory cap, n-best list, times, confidences."""

from __future__ import annotations

import contextlib
import resource
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from steps.asr.decode.config import DecodeConfig, adjusted
from steps.asr.decode.graph import Graph
from steps.asr.decode.hypothesis import Hypothesis, with_confidences
from steps.asr.decode.lattice import Lattice
from steps.asr.decode.word_times import word_times
from steps.text.normal_form import words as tokens_of
from utils.errors import UserError

BYTES_AN_ARC = 250  # of a lattice and of the n-best search in it, as measured
RETRY = 2.0  # by how much the beam grows when no path came to an end


class LatticeDecoder(ABC):
    """Searches a graph by way of a lattice; see steps.asr.decode.engine.base.GraphDecoder."""

    advice: str  # what to lower when memory ends
    capped = True  # whether the operating system may refuse memory to the search

    def __init__(self, graph: Graph, config: DecodeConfig, frame_shift: float):
        self.graph, self.config, self.frame_shift = graph, config, frame_shift

    @abstractmethod
    def search(self, scores: np.ndarray, beam: float) -> Lattice | None:
        """The lattice of log-posteriors, scaled (T, V); None if no path ends."""

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        lattice = self.lattice(log_probs)
        if lattice is None:
            return [Hypothesis()]
        masses: dict[tuple[str, ...], float] = {}
        paths: dict[tuple[str, ...], list[str]] = {}  # the words of the graph; Chinese ones are several tokens
        with self._capped(len(log_probs)):
            entries = lattice.nbest(self.config.nbest)
        for entry in entries:
            words = [self.graph.words[number] for number in entry.words]
            tokens = tuple(token for word in words for token in tokens_of(word))
            masses[tokens] = float(np.logaddexp(masses.get(tokens, -np.inf), entry.log_posterior))
            paths.setdefault(tokens, words)
        ordered = sorted(masses.items(), key=lambda item: (-item[1], item[0]))
        found = [Hypothesis(tokens, min(0.0, mass), self._times(log_probs, paths[tokens])) for tokens, mass in ordered]
        return with_confidences(found, self.config.calibration) or [Hypothesis()]

    def lattice(self, log_probs: np.ndarray) -> Lattice | None:
        """The lattice of log-softmax (T, V); None if there is no frame or no path ends, also with a wider beam.

        Raises:
            UserError: it would take more than `max_memory`, or these are the posteriors of other units.
        """
        if not len(log_probs):
            return None
        if log_probs.shape[1] != self.graph.units:
            raise UserError(f"{self.graph.directory} was built for {self.graph.units} units; these posteriors have "
                            f"{log_probs.shape[1]}: build it again for this recognizer")
        scores = adjusted(log_probs, self.config, self.graph.blank, normalized=False)
        with self._capped(len(scores)) if self.capped else contextlib.nullcontext():
            found = self.search(scores, self.config.beam)
            return found if found is not None else self.search(scores, RETRY * self.config.beam)

    def arcs_fit(self, arcs: int, frames: int) -> None:
        """
        Raises:
            UserError: so many arcs would take more than `max_memory`.
        """
        if arcs * BYTES_AN_ARC > self.config.max_memory * 2**30:
            raise self.too_much(frames)

    def too_much(self, frames: int) -> UserError:
        return UserError(f"the search of an utterance of {frames} frames takes more than max_memory="
                         f"{self.config.max_memory:g} GiB: lower {self.advice}, or raise max_memory (--set)")

    @contextlib.contextmanager
    def _capped(self, frames: int) -> Iterator[None]:
        """No more memory than `max_memory` beyond what the process has."""
        try:
            with address_space(int(self.config.max_memory * 2**30)):
                yield
        except MemoryError as error:
            raise self.too_much(frames) from error
        except RuntimeError as error:  # torch and k2 have no class for it
            if any(text in str(error).lower() for text in ("memory", "alloc")):
                raise self.too_much(frames) from error
            raise

    def _times(self, log_probs: np.ndarray, words: list[str]) -> tuple[tuple[float, float], ...]:
        """Times of the scoring tokens; those of one word divide its time equally."""
        spans = word_times(log_probs, [self.graph.spellings[word] for word in words], self.frame_shift,
                           self.graph.blank)
        times: list[tuple[float, float]] = []
        for word, (start, end) in zip(words, spans, strict=True):
            edges = np.linspace(start, end, len(tokens_of(word)) + 1).tolist()
            times += zip(edges[:-1], edges[1:], strict=True)
        return tuple(times)


@contextlib.contextmanager
def address_space(more: int) -> Iterator[None]:
    """Let the process map at most `more` further bytes; what goes beyond is a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = Path("/proc/self/statm")
    if not size.exists():  # not Linux
        yield
        return
    limit = int(size.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + more
    tightest = min(value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (tightest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
