"""From log-posteriors to word sequences: greedy, prefix beam, or by a decoding graph; conf/asr_decode.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from steps.asr.decode.config import DecodeConfig, adjusted
from steps.asr.decode.hypothesis import Hypothesis, calibrated, with_confidences
from steps.asr.decode.word_times import word_times
from utils.errors import UsageError

if TYPE_CHECKING:
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.asr.units import Units

FRAMES_AT_ONCE = 60000  # input frames whose posteriors wait in memory together


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
        raise UsageError("method graph needs --graph DIR; build one with steps/make_graph.sh")
    from steps.asr.decode.engine import engine

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
    from steps.asr.decode.prefix_beam import search

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


def decode_items(recognizer: Recognizer, features: Iterable[tuple[str, np.ndarray]],
                 decoder: Decoder) -> Iterator[tuple[str, list[Hypothesis]]]:
    """(id, n-best list) of every (id, features float32 (T, F)), in their order; some are read ahead."""
    waiting: list[tuple[str, np.ndarray]] = []
    frames = 0
    for key, rows in features:
        waiting.append((key, rows))
        frames += len(rows)
        if frames >= FRAMES_AT_ONCE:
            yield from _decode(recognizer, waiting, decoder)
            waiting, frames = [], 0
    yield from _decode(recognizer, waiting, decoder)


def _decode(recognizer: Recognizer, waiting: list[tuple[str, np.ndarray]],
            decoder: Decoder) -> Iterator[tuple[str, list[Hypothesis]]]:
    posteriors = recognizer.log_posteriors([rows for _, rows in waiting]) if waiting else []
    for (key, _), log_probs in zip(waiting, posteriors, strict=True):
        yield key, decoder.decode(log_probs)
