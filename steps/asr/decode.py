"""From log-posteriors to word sequences: greedy, prefix beam, or by a decoding graph; conf/asr_decode.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from steps.asr.hypothesis import Hypothesis, calibrated, with_confidences
from steps.asr.word_times import word_times
from utils.config import option
from utils.errors import UsageError

if TYPE_CHECKING:
    from steps.asr.graph import Graph
    from steps.asr.recogniser import Recogniser
    from steps.asr.units import Units

FRAMES_AT_ONCE = 60000  # input frames whose posteriors wait in memory together


@dataclass
class DecodeConfig:
    """How posteriors become words."""

    method: str = option("greedy", choices=("greedy", "prefix", "graph"))
    engine: str = option("auto", choices=("auto", "k2", "torch"), help="of the graph search")
    nbest: int = option(10, min=1, max=1000, help="word sequences that are kept of an utterance")
    prefixes: int = option(16, min=1, max=10000, help="prefix: beam, how many a frame keeps")
    units_a_frame: int = option(40, min=1, help="prefix: only so many units, the likeliest, go on with a prefix")
    beam: float = option(10.0, min=0.1, max=1e6, help="graph: what is this much worse than the best is dropped, nats")
    lattice_beam: float = option(6.0, min=0.1, max=1e6, help="graph: the same of whole paths")
    max_active: int = option(10000, min=1, help="graph, k2: states that a frame keeps")
    acoustic_scale: float = option(1.0, min=0.01, max=100.0)
    lm_scale: float = option(0.7, min=0.01, max=100.0, help="graph: weight of the language model")
    blank_penalty: float = option(0.0, min=-20.0, max=20.0, help="taken from the blank's log-posterior")
    max_memory: float = option(2.0, min=0.05, help="graph: GiB that the search of one utterance may take")
    calibration: list[float] = option([], help="a, b: confidence c -> sigmoid(a logit(c) + b); []: as it is")

    def check(self) -> None:
        """
        Raises:
            UsageError: a calibration of another length than two.
        """
        if len(self.calibration) not in (0, 2):
            raise UsageError(f"calibration is {self.calibration}; accepted: two numbers, or none")


class Decoder(Protocol):
    """One utterance at a time."""

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """log-softmax float32 (T, V) -> n-best list, best first; one hypothesis at least, empty if T is 0."""


def make_decoder(config: DecodeConfig, units: Units, frame_shift: float, graph: Graph | None = None) -> Decoder:
    """
    Args:
        frame_shift: seconds an output frame. graph: needed by the method `graph`.

    Raises:
        UsageError: the method and the graph do not fit each other.
    """
    config.check()
    if config.method != "graph":
        return UnitDecoder(config, units, frame_shift)
    if graph is None:
        raise UsageError("method graph needs --graph DIR; build one with python -m steps.asr.graph")
    from steps.asr.engine import engine

    return engine(config.engine).graph_decoder(graph, config, frame_shift)


class UnitDecoder:
    """Greedy and prefix beam search: without a lexicon, any sequence of units is possible."""

    def __init__(self, config: DecodeConfig, units: Units, frame_shift: float):
        self.config, self.units, self.frame_shift = config, units, frame_shift

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        if not len(log_probs):
            return [Hypothesis()]
        scores = adjusted(log_probs, self.config, self.units.blank)
        if self.config.method == "greedy":
            return [greedy(scores, self.units, self.frame_shift, self.config.calibration)]
        return prefix_beam(scores, self.units, self.config.prefixes, self.config.nbest, self.frame_shift,
                           self.config.units_a_frame, self.config.calibration)


def adjusted(log_probs: np.ndarray, config: DecodeConfig, blank: int, normalised: bool = True) -> np.ndarray:
    """float32 (T, V) with acoustic scale and blank penalty; `normalised`: again a log-softmax."""
    if config.blank_penalty == 0 and config.acoustic_scale == 1:
        return np.ascontiguousarray(log_probs, dtype=np.float32)
    scores = log_probs.astype(np.float32) * config.acoustic_scale
    scores[:, blank] -= config.blank_penalty
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True) if normalised else scores


def greedy(log_probs: np.ndarray, units: Units, frame_shift: float = 0.04,
           calibration: Iterable[float] = ()) -> Hypothesis:
    """The likeliest unit of every frame. A word's confidence is the geometric mean of its frames' posteriors, its
    log-posterior that of the one path.

    Args:
        log_probs: log-softmax (T, V). frame_shift: seconds a frame.
    """
    if not len(log_probs):
        return Hypothesis()
    path = log_probs.argmax(axis=1)
    sure = log_probs[np.arange(len(path)), path]
    edges = np.flatnonzero(np.diff(path)) + 1
    runs = [(int(path[first]), first, last) for first, last
            in zip([0, *edges.tolist()], [*edges.tolist(), len(path)], strict=True) if path[first] != units.blank]
    spans = units.word_spans([unit for unit, _, _ in runs])
    times, confidences = [], []
    for _, first, last in spans:
        frames = np.concatenate([sure[begin:end] for _, begin, end in runs[first:last]])
        times.append((runs[first][1] * frame_shift, runs[last - 1][2] * frame_shift))
        confidences.append(calibrated(float(np.exp(frames.mean())), tuple(calibration)))
    return Hypothesis(tuple(word for word, _, _ in spans), min(0.0, float(sure.sum())), tuple(times),
                      tuple(confidences))


def prefix_beam(log_probs: np.ndarray, units: Units, prefixes: int = 16, nbest: int = 10, frame_shift: float = 0.04,
                units_a_frame: int = 40, calibration: Iterable[float] = ()) -> list[Hypothesis]:
    """The likeliest word sequences, all alignments and all spellings that the beam held summed.

    Args:
        log_probs: log-softmax (T, V). prefixes: beam. frame_shift: seconds a frame.
    """
    from steps.asr.prefix_beam import search

    masses: dict[tuple[str, ...], float] = {}
    spelled: dict[tuple[str, ...], list[int]] = {}  # the likeliest spelling: it comes first
    for ids, mass in search(log_probs, prefixes, units_a_frame, units.blank):
        words = tuple(word for word, _, _ in units.word_spans(ids))
        masses[words] = float(np.logaddexp(masses.get(words, -np.inf), mass))
        spelled.setdefault(words, ids)
    ordered = sorted(masses.items(), key=lambda item: (-item[1], item[0]))[:nbest]
    found = [Hypothesis(words, min(0.0, mass), _unit_times(log_probs, spelled[words], units, frame_shift))
             for words, mass in ordered]
    return with_confidences(found, tuple(calibration)) or [Hypothesis()]


def _unit_times(log_probs: np.ndarray, ids: list[int], units: Units,
                frame_shift: float) -> tuple[tuple[float, float], ...]:
    """Times of the words that `ids` spell."""
    alone = word_times(log_probs, [[[unit]] for unit in ids], frame_shift, units.blank)
    return tuple((alone[first][0], alone[last - 1][1]) for _, first, last in units.word_spans(ids))


def decode_items(recogniser: Recogniser, features: Iterable[tuple[str, np.ndarray]],
                 decoder: Decoder) -> Iterator[tuple[str, list[Hypothesis]]]:
    """(id, n-best list) of every (id, features float32 (T, F)), in their order; some are read ahead."""
    waiting: list[tuple[str, np.ndarray]] = []
    frames = 0
    for key, rows in features:
        waiting.append((key, rows))
        frames += len(rows)
        if frames >= FRAMES_AT_ONCE:
            yield from _decode(recogniser, waiting, decoder)
            waiting, frames = [], 0
    yield from _decode(recogniser, waiting, decoder)


def _decode(recogniser: Recogniser, waiting: list[tuple[str, np.ndarray]],
            decoder: Decoder) -> Iterator[tuple[str, list[Hypothesis]]]:
    posteriors = recogniser.log_posteriors([rows for _, rows in waiting]) if waiting else []
    for (key, _), log_probs in zip(waiting, posteriors, strict=True):
        yield key, decoder.decode(log_probs)
