"""When the words of a hypothesis are spoken: the best alignment of their spellings, whatever decoder found them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steps.asr.phones.align import START, CannotAlign, SearchGraph, best_path

Spelling = Sequence[int]


def words_graph(words: Sequence[Sequence[Spelling]], blank: int = 0) -> tuple[SearchGraph, np.ndarray]:
    """CTC's graph of words that each have one or several spellings, and the word of every node (-1: blank)."""
    columns, owners, arcs = [blank], [-1], [{START: 0.0, 0: 0.0}]
    gap = 0  # the blank before the next word
    ends: list[int] = []  # the last unit of each spelling of the word before

    def add(column: int, owner: int, into: dict[int, float]) -> int:
        into[len(columns)] = 0.0
        columns.append(column)
        owners.append(owner)
        arcs.append(into)
        return len(columns) - 1

    for number, spellings in enumerate(words):
        after = []
        for spelling in spellings:
            into = {gap: 0.0} | {end: 0.0 for end in ends if columns[end] != spelling[0]}
            if number == 0:
                into[START] = 0.0
            node = add(spelling[0], number, into)
            for unit in spelling[1:]:
                between = add(blank, -1, {node: 0.0})
                node = add(unit, number, {between: 0.0} | ({node: 0.0} if unit != columns[node] else {}))
            after.append(node)
        ends = after
        gap = add(blank, -1, {end: 0.0 for end in ends})
    return SearchGraph.from_arcs(columns, arcs, dict.fromkeys([gap, *ends], 0.0)), np.array(owners)


def word_times(log_probs: np.ndarray, words: Sequence[Sequence[Spelling]], frame_shift: float,
               blank: int = 0) -> tuple[tuple[float, float], ...]:
    """Start of the first frame and end of the last of each word, in seconds; units are spikes, shorter than speech.

    Args:
        log_probs: (T, V). words: the spellings of each word as unit ids. frame_shift: seconds a frame.
    """
    if not words:
        return ()
    graph, owners = words_graph(words, blank)
    try:
        path, _ = best_path(graph, log_probs)
    except CannotAlign:  # the posteriors are zero somewhere on every path
        return ((0.0, len(log_probs) * frame_shift),) * len(words)
    owner = owners[path]
    frames = [np.flatnonzero(owner == number) for number in range(len(words))]
    return tuple((float(found[0] * frame_shift), float((found[-1] + 1) * frame_shift)) for found in frames)
