"""Phone states, and where they are in an utterance: the best path through the pronunciations of its words.

A phone is a row of states (left to right, each may repeat). The graph of an utterance has, for each word, all its
pronunciations side by side, so that the best path chooses among them; silence may stand at both ends and between any
two words. Whatever scores states at 10 ms frames drives it: a network's log-posteriors less log-priors, or Gaussians.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steps.asr.phones.align import START, SearchGraph, best_path
from utils.config import option

SILENCE = "SIL"
Pronunciation = tuple[str, ...]


@dataclass
class TopologyConfig:
    """Shape of the phones."""

    states: int = option(3, min=1, max=9, help="states a phone")
    silence_states: int = option(1, min=1, max=9, help="states of silence")
    skip: bool = option(False, help="a state between the first and the last may be left out, so that phones can be "
                        "shorter")
    silence_probability: float = option(0.5, min=0.01, max=0.99, help="of a silence at the ends and between words")


@dataclass(frozen=True)
class PhoneSet:
    """Phones and the columns of their states: silence first, then phone after phone.

    >>> PhoneSet(("AH", "B"), states=2).names
    ['SIL.0', 'AH.0', 'AH.1', 'B.0', 'B.1']
    """

    phones: tuple[str, ...]
    states: int = 3
    silence_states: int = 1

    @classmethod
    def of(cls, pronunciations: Iterable[Pronunciation], topology: TopologyConfig) -> PhoneSet:
        """All phones that occur."""
        found = sorted({phone for pronunciation in pronunciations for phone in pronunciation} - {SILENCE})
        return cls(tuple(found), topology.states, topology.silence_states)

    def __len__(self) -> int:
        """Number of columns S."""
        return self.silence_states + self.states * len(self.phones)

    @cached_property
    def _first(self) -> dict[str, int]:
        return {phone: self.silence_states + self.states * place for place, phone in enumerate(self.phones)}

    @property
    def silence(self) -> list[int]:
        """Columns of silence."""
        return list(range(self.silence_states))

    @cached_property
    def names(self) -> list[str]:
        """A name a column, "<phone>.<state>"."""
        return [f"{phone}.{state}" for phone in (SILENCE, *self.phones) for state in range(len(self.columns(phone)))]

    @cached_property
    def owners(self) -> np.ndarray:
        """(S,) the number of the phone that a column belongs to; -1 for silence."""
        return np.repeat(np.arange(-1, len(self.phones)),
                         [self.silence_states] + [self.states] * len(self.phones))

    def columns(self, phone: str) -> list[int]:
        """Columns of a phone's states, in order."""
        if phone == SILENCE:
            return self.silence
        return list(range(self._first[phone], self._first[phone] + self.states))


@dataclass(frozen=True)
class PhoneSpan:
    """One phone of an utterance: frames start ... end - 1; `word` is its place in the text, -1 for silence."""

    phone: str
    start: int
    end: int
    word: int


@dataclass(frozen=True)
class PhoneAlignment:
    """
    Attributes:
        states: (T,) column of the phone set that each frame belongs to.
        spans: the phones in order. score: log score of the path.
    """

    states: np.ndarray
    spans: list[PhoneSpan]
    score: float


class PhoneGraph:
    """The search graph of one utterance, and what its nodes mean.

    Args:
        words: for each word its pronunciations. skip, silence_probability: see TopologyConfig.
    """

    def __init__(self, words: Sequence[Sequence[Pronunciation]], phones: PhoneSet, skip: bool = False,
                 silence_probability: float = 0.5):
        self.phones, self.skip = phones, skip
        self._columns: list[int] = []
        self._arcs: list[dict[int, float]] = []
        self._instances: list[tuple[str, int]] = []  # phone and word of each phone instance
        self._of_node: list[int] = []
        silent, spoken = math.log(silence_probability), math.log1p(-silence_probability)
        ends = self._optional_silence({START: 0.0}, silent, spoken)
        for place, variants in enumerate(words):
            joined: dict[int, float] = {}
            for variant in variants:
                joined |= self._chain(variant, place, ends)
            ends = self._optional_silence(joined, silent, spoken)
        ends.pop(START, None)
        self.graph = SearchGraph.from_arcs(self._columns, self._arcs, ends)

    def _optional_silence(self, ends: Mapping[int, float], silent: float, spoken: float) -> dict[int, float]:
        """From `ends` either through silence or past it."""
        through = self._chain((SILENCE,), -1, {node: weight + silent for node, weight in ends.items()})
        return {node: weight + spoken for node, weight in ends.items()} | through

    def _chain(self, pronunciation: Pronunciation, word: int, ends: Mapping[int, float]) -> dict[int, float]:
        """Add the states of some phones after `ends`; their own end."""
        for phone in pronunciation:
            columns = self.phones.columns(phone)
            self._instances.append((phone, word))
            first = len(self._columns)
            for place, column in enumerate(columns):
                node = first + place
                # A skip passes one inner state; the first and the last stand at every phone's edges.
                into = {node: 0.0} | (dict(ends) if place == 0 else {node - 1: 0.0})
                if self.skip and place >= 2:
                    into[node - 2] = 0.0
                self._columns.append(column)
                self._arcs.append(into)
                self._of_node.append(len(self._instances) - 1)
            ends = {len(self._columns) - 1: 0.0}
        return dict(ends)

    def align(self, scores: np.ndarray) -> PhoneAlignment:
        """
        Args:
            scores: (T, S) log-likelihoods of the phone set's columns, up to a constant a frame.

        Raises:
            CannotAlign: fewer frames than states.
        """
        path, score = best_path(self.graph, scores)
        instances = np.asarray(self._of_node)[path]
        edges = [0, *(np.flatnonzero(np.diff(instances)) + 1).tolist(), len(path)]
        spans = []
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            phone, word = self._instances[instances[start]]
            spans.append(PhoneSpan(phone, start, end, word))
        return PhoneAlignment(self.graph.columns[path].copy(), spans, score)


def spread(words: Sequence[Sequence[Pronunciation]], edges: Sequence[int], speech: np.ndarray,
           phones: PhoneSet) -> np.ndarray:
    """A first alignment: each word's spoken frames are divided evenly among its states, other frames are silence.

    Args:
        words: for each word its pronunciations; the first counts.
        edges: W + 1 frames; word i lies in edges[i] ... edges[i + 1] - 1.
        speech: (T,) bool.

    Returns:
        (T,) columns.
    """
    states = np.zeros(len(speech), dtype=np.int64)
    edge = np.flatnonzero(np.diff(speech, prepend=True, append=True))
    for start, end in zip(edge[::2], edge[1::2], strict=True):  # each pause
        _spread([phones.silence], np.arange(start, end), states)
    for word, start, end in zip(words, edges[:-1], edges[1:], strict=True):
        _spread([phones.columns(phone) for phone in word[0]], start + np.flatnonzero(speech[start:end]), states)
    return states


def _spread(columns: Sequence[Sequence[int]], frames: np.ndarray, states: np.ndarray) -> None:
    row = np.array([column for phone in columns for column in phone])
    states[frames] = row[np.arange(len(frames)) * len(row) // max(1, len(frames))]


def find_speech(features: np.ndarray, least: int = 10, share: float = 0.35) -> np.ndarray:
    """Frames that are louder than a threshold between the quietest and the loudest of the utterance: (T,) bool.

    Args:
        features: (T, F) log mel energies. least: shorter pauses (the closure of a stop) count as speech.
        share: where the threshold lies between the 5th and the 95th percentile.
    """
    level = features.mean(axis=1, dtype=np.float64)
    padded = np.pad(level, 2, mode="edge")
    level = np.mean([padded[shift:shift + len(level)] for shift in range(5)], axis=0)
    low, high = np.percentile(level, [5, 95])
    if high - low < 1.0:  # one loudness all through (natural logarithm: a factor of 2.7)
        return np.ones(len(level), dtype=bool)
    speech = level > low + share * (high - low)
    edges = np.flatnonzero(np.diff(speech.astype(np.int8))) + 1
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        if not speech[start] and end - start < least:
            speech[start:end] = True
    return speech


def phone_lengths(states: np.ndarray, phones: PhoneSet) -> dict[str, list[int]]:
    """The lengths in frames of every phone of an alignment (T,), silence too.

    A phone ends where the next frame belongs to another, or goes back to an earlier state of the same.
    """
    owners = phones.owners[states]
    cut = (np.diff(owners) != 0) | ((np.diff(states) < 0) & (owners[1:] >= 0))
    edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(states)]
    found: dict[str, list[int]] = {}
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        owner = int(owners[start])
        found.setdefault(SILENCE if owner < 0 else phones.phones[owner], []).append(end - start)
    return found
