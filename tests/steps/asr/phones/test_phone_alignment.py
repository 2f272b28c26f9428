"""Phones in an utterance: against the enumeration of every path, and planted alignments that are found again."""

import itertools
import math

import numpy as np
import pytest

from steps.asr.phones.align import CannotAlign
from steps.asr.phones.phone_alignment import (
    SILENCE,
    PhoneGraph,
    PhoneSet,
    PhoneSpan,
    TopologyConfig,
    find_speech,
    phone_lengths,
    spread,
)

WORDS = [[("A", "B"), ("B",)], [("A",)]]


def every_path(words, phones, frames, skip, silence):
    """All (columns of the frames, log weight): variants, silences, skips and durations enumerated one by one."""
    slots = len(words) + 1
    for pauses in itertools.product((False, True), repeat=slots):
        weight = sum(math.log(silence if pause else 1 - silence) for pause in pauses)
        for variants in itertools.product(*words):
            row = [SILENCE] * pauses[0]
            for variant, pause in zip(variants, pauses[1:], strict=True):
                row += [*variant, *[SILENCE] * pause]
            choices = []
            for phone in row:
                states = phones.columns(phone)
                choices.append([states])
                if skip and len(states) == 3:
                    choices[-1].append([states[0], states[2]])
            for states in itertools.product(*choices):
                columns = [column for part in states for column in part]
                for cuts in itertools.combinations(range(1, frames), len(columns) - 1):
                    edges = (0, *cuts, frames)
                    lengths = np.diff(edges)
                    yield np.repeat(columns, lengths), weight


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("frames", [3, 5, 8])
def test_it_is_the_best_of_all_paths(frames, skip):
    states = 3 if frames == 8 else 1
    phones = PhoneSet(("A", "B"), states)
    scores = np.random.default_rng(frames).normal(size=(frames, len(phones)))
    value, best = max(((scores[np.arange(frames), columns].sum() + weight, columns)
                       for columns, weight in every_path(WORDS, phones, frames, skip, 0.3)), key=lambda pair: pair[0])
    found = PhoneGraph(WORDS, phones, skip, 0.3).align(scores)
    assert found.score == pytest.approx(value, abs=1e-9)
    assert found.states.tolist() == best.tolist()


def planted(rng, phones, words, pauses):
    """Frames (T,) of the first pronunciations with random lengths, and the spans that they have."""
    states, spans = [], []

    def add(phone, word):
        start = len(states)
        for column in phones.columns(phone):
            states.extend([column] * int(rng.integers(1, 5)))
        spans.append(PhoneSpan(phone, start, len(states), word))

    for place, word in enumerate(words):
        if pauses[place]:
            add(SILENCE, -1)
        for phone in word[-1]:
            add(phone, place)
    if pauses[-1]:
        add(SILENCE, -1)
    return np.array(states), spans


def test_a_planted_alignment_is_found_with_its_silences_and_pronunciations():
    rng = np.random.default_rng(3)
    phones = PhoneSet(tuple("ABCDEFGH"), 3, 2)
    for _ in range(5):
        words = [[tuple(rng.choice(list("ABCDEFGH"), size=int(rng.integers(1, 5)))) for _ in range(2)]
                 for _ in range(6)]
        states, spans = planted(rng, phones, words, rng.random(7) < 0.5)
        scores = np.full((len(states), len(phones)), -5.0)
        scores[np.arange(len(states)), states] = 0.0
        found = PhoneGraph(words, phones).align(scores)
        assert found.states.tolist() == states.tolist()
        assert found.spans == spans


def test_fewer_frames_than_states_say_so():
    phones = PhoneSet(("A", "B"), 3)
    words = [[("A", "B")]]
    with pytest.raises(CannotAlign, match="5 frames"):
        PhoneGraph(words, phones).align(np.zeros((5, 7)))
    assert PhoneGraph(words, phones).align(np.zeros((6, 7))).states.tolist() == [1, 2, 3, 4, 5, 6]
    assert PhoneGraph(words, phones, skip=True).align(np.zeros((4, 7))).states.tolist() == [1, 3, 4, 6]


def test_columns_are_silence_and_then_phone_after_phone():
    phones = PhoneSet.of([("B", "A"), ("a", "A")], TopologyConfig(states=2))
    assert phones.names == ["SIL.0", "A.0", "A.1", "B.0", "B.1", "a.0", "a.1"]
    assert phones.owners.tolist() == [-1, 0, 0, 1, 1, 2, 2]
    assert phones.columns("B") == [3, 4] and phones.silence == [0] and len(phones) == 7


def test_the_first_alignment_divides_each_word_evenly():
    phones = PhoneSet(("A", "B"), 2)
    speech = np.array([False] * 2 + [True] * 8 + [False] * 3 + [True] * 4)
    found = spread([[("A", "B"), ("B",)], [("B",)]], [0, 12, 17], speech, phones)
    assert found.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 0, 3, 3, 4, 4]


def test_speech_is_what_is_loud_with_its_short_pauses():
    level = np.concatenate([np.full(30, -12.0), np.full(20, -3.0), np.full(6, -12.0), np.full(20, -4.0),
                            np.full(40, -12.0), np.full(10, -5.0), np.full(25, -12.0)])
    rng = np.random.default_rng(0)
    speech = find_speech(level[:, None] + 0.1 * rng.normal(size=(len(level), 80)))
    edges = np.flatnonzero(np.diff(speech.astype(int))) + 1
    assert np.abs(edges - [30, 76, 116, 126]).max() <= 2
    assert find_speech(np.full((20, 80), -7.0)).all()


def test_lengths_of_phones_are_read_off_an_alignment():
    phones = PhoneSet(("A", "B"), 2)
    states = np.array([0, 0, 0, 1, 2, 1, 1, 2, 3, 4, 4, 0])
    assert phone_lengths(states, phones) == {SILENCE: [3, 1], "A": [2, 3], "B": [3]}
