"""Forced alignment: the best path of given units through a recognizer's log-posteriors, and the times of the words.

A search graph is a set of nodes. Every frame stands on one node and takes that node's column of the scores; an arc
leads from the node of a frame to the node of the next. The search is exact and works on all nodes of a frame at once.
CTC's graph has 2 L + 1 nodes: blank, unit, blank, ..., unit, blank (Graves et al., ICML 2006, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steps.asr.units import Units
from steps.text.normal_form import normalize, words

START = -1  # as the source of an arc: the path may begin with that node


class CannotAlign(Exception):
    """This utterance has no path (too few frames, no text). The message is the reason; list it, and go on."""


@dataclass(frozen=True)
class SearchGraph:
    """K nodes, at most P arcs into each.

    Attributes:
        columns: (K,) the column of the scores that a node takes.
        sources: (P, K) where the arcs into a node come from. weights: (P, K) their log weights; -inf is no arc.
        start, final: (K,) log weights of beginning and of ending with a node.
    """

    columns: np.ndarray
    sources: np.ndarray
    weights: np.ndarray
    start: np.ndarray
    final: np.ndarray

    @classmethod
    def from_arcs(cls, columns: Sequence[int], arcs: Sequence[Mapping[int, float]],
                  final: Mapping[int, float]) -> SearchGraph:
        """
        Args:
            arcs: for each node {source: log weight}; the source START makes it a first node.
            final: {node: log weight} of those that may end the path.
        """
        count = len(columns)
        inner = [[(source, weight) for source, weight in into.items() if source != START] for into in arcs]
        width = max(1, max(map(len, inner), default=1))
        sources = np.zeros((width, count), dtype=np.int64)
        weights = np.full((width, count), -np.inf)
        start, end = np.full(count, -np.inf), np.full(count, -np.inf)
        for node, into in enumerate(arcs):
            start[node] = into.get(START, -np.inf)
            for place, (source, weight) in enumerate(inner[node]):
                sources[place, node], weights[place, node] = source, weight
        for node, weight in final.items():
            end[node] = weight
        return cls(np.asarray(columns, dtype=np.int64), sources, weights, start, end)


def best_path(graph: SearchGraph, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """The nodes (T,) of the best path through `scores` (T, C), and its log score (Viterbi).

    Of two arcs that are equally good, the one that comes first is taken.

    Raises:
        CannotAlign: no path has this many frames.
    """
    frames = len(scores)
    if not frames or not len(graph.columns):
        raise CannotAlign("it has no frames" if not frames else "it has no text")
    best = graph.start + scores[0, graph.columns]
    arrived = np.zeros((frames, len(graph.columns)), dtype=np.int8 if len(graph.weights) < 128 else np.int64)
    every = np.arange(len(graph.columns))
    for frame in range(1, frames):
        options = best[graph.sources] + graph.weights  # (P, K)
        choice = options.argmax(axis=0)
        arrived[frame] = choice
        best = options[choice, every] + scores[frame, graph.columns]
    best = best + graph.final
    node = int(best.argmax())
    if not best[node] > -np.inf:
        raise CannotAlign(f"its {frames} frames are too few for its text")
    path = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = node
        node = int(graph.sources[arrived[frame, node], node])
    return path, float(best.max())


def ctc_graph(targets: Sequence[int], blank: int = 0) -> SearchGraph:
    """CTC's graph of `targets` (L,): node 2 i + 1 is target i, the even nodes are blank."""
    columns = [blank]
    for target in targets:
        columns += [target, blank]
    arcs: list[dict[int, float]] = []
    for node in range(len(columns)):
        into = {node: 0.0}
        if node > 0:
            into[node - 1] = 0.0
        if node > 2 and node % 2 and columns[node] != columns[node - 2]:
            into[node - 2] = 0.0  # equal neighbors need the blank between them
        if node < 2:
            into[START] = 0.0
        arcs.append(into)
    last = len(columns) - 1
    return SearchGraph.from_arcs(columns, arcs, {node: 0.0 for node in range(max(0, last - 1), last + 1)})


@dataclass(frozen=True)
class UnitAlignment:
    """Where the units of an utterance are.

    Attributes:
        frames: (T',) for each frame the position of its unit in the targets, -1 for blank.
        spans: for each target its first frame and the one after its last.
        log_probability: of the whole path.
    """

    frames: np.ndarray
    spans: list[tuple[int, int]]
    log_probability: float


def align_units(log_posteriors: np.ndarray, targets: Sequence[int], blank: int = 0) -> UnitAlignment:
    """
    Args:
        log_posteriors: (T', V) of a CTC recognizer. targets: (L,) units, none of them `blank`.

    Raises:
        CannotAlign: the frames are too few for the targets.
    """
    path, score = best_path(ctc_graph(targets, blank), log_posteriors)
    frames = np.where(path % 2 == 1, path // 2, -1)
    spans = []
    for position in range(len(targets)):
        places = np.flatnonzero(frames == position)
        spans.append((int(places[0]), int(places[-1]) + 1))
    return UnitAlignment(frames, spans, score)


@dataclass(frozen=True)
class WordTime:
    """A word and its units' first and last moments, in seconds; CTC's units are spikes, shorter than what is heard."""

    word: str
    start: float
    end: float


def align_words(log_posteriors: np.ndarray, text: str, units: Units, subsampling: int = 4,
                frame_shift: float = 0.01) -> list[WordTime]:
    """The times of the scoring tokens of `text` (steps.text.normal_form.words), all of them, in order.

    Args:
        log_posteriors: (T', V). subsampling: input frames an output frame. frame_shift: seconds between input frames.

    Raises:
        CannotAlign: the frames are too few, or the text has no units.
    """
    names = words(normalize(text))
    spelled = [units.spell(name) for name in names]
    targets = [unit for spelling in spelled for unit in spelling]
    if not targets:
        raise CannotAlign("it has no text")
    spans = align_units(log_posteriors, targets, units.blank).spans
    times, place, now = [], 0, 0.0
    for name, spelling in zip(names, spelled, strict=True):
        start = now
        if spelling:  # a foreign model may spell a word with nothing; it lasts no time
            start = max(0.0, frame_span(spans[place][0], subsampling, frame_shift)[0])
            place += len(spelling)
            now = frame_span(spans[place - 1][1] - 1, subsampling, frame_shift)[1]
        times.append(WordTime(name, start, now))
    return times


def frame_span(frame: int, subsampling: int = 4, frame_shift: float = 0.01) -> tuple[float, float]:
    """Start and end in seconds of output frame `frame`.

    Two 3 x 3 convolutions of stride 2 without padding see the input frames 4 j ... 4 j + 6; their center is 4 j + 3,
    so output frame j stands for the 4 frames around it.
    """
    middle = frame_center(frame, subsampling) + 0.5
    return (middle - subsampling / 2) * frame_shift, (middle + subsampling / 2) * frame_shift


def frame_center(frame: int, subsampling: int = 4) -> int:
    """The input frame in the middle of what output frame `frame` sees."""
    return subsampling * frame + subsampling - 1
