"""Forced alignment against the enumeration of every path, and the times of units and words."""

import itertools

import numpy as np
import pytest

from steps.asr.phones import align
from steps.asr.phones.align import START, CannotAlign, SearchGraph, align_units, best_path
from steps.asr.units import Units


def posteriors(frames, columns, seed=0):
    scores = np.random.default_rng(seed).normal(size=(frames, columns)) * 2
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def collapse(path):
    """CTC's rule: runs become one, blanks (0) go."""
    return tuple(unit for unit, _ in itertools.groupby(path) if unit)


@pytest.mark.parametrize(("targets", "frames"), [((1,), 1), ((1, 2), 4), ((1, 1), 4), ((2, 1, 1), 5), ((1, 2, 1), 6),
                                                 ((), 3)])
def test_it_is_the_best_of_all_paths_of_ctc(targets, frames):
    logp = posteriors(frames, 3, seed=len(targets) + frames)
    paths = [path for path in itertools.product(range(3), repeat=frames) if collapse(path) == targets]
    best = max(paths, key=lambda path: sum(logp[t, unit] for t, unit in enumerate(path)))
    found = align_units(logp, targets)
    assert found.log_probability == pytest.approx(sum(logp[t, unit] for t, unit in enumerate(best)), abs=1e-12)
    assert tuple(0 if place < 0 else targets[place] for place in found.frames) == best
    for place, (start, end) in enumerate(found.spans):
        assert (found.frames[start:end] == place).all()
        assert (found.frames == place).sum() == end - start > 0


def test_the_best_of_all_paths_of_a_graph_with_weights():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(5, 3))
    arcs = [{START: -0.3, 0: -0.7}, {START: -1.2, 0: -0.2, 1: -0.9}, {0: -0.5, 1: -0.1, 2: -0.4}, {2: -0.6, 0: -2.0}]
    columns, final = [2, 0, 1, 0], {2: -0.8, 3: 0.0}
    path, score = best_path(SearchGraph.from_arcs(columns, arcs, final), scores)

    def value(nodes):
        steps = arcs[nodes[0]].get(START, -np.inf) + final.get(nodes[-1], -np.inf)
        steps += sum(arcs[after].get(before, -np.inf) for before, after in itertools.pairwise(nodes))
        return steps + sum(scores[t, columns[node]] for t, node in enumerate(nodes))

    best = max(itertools.product(range(4), repeat=5), key=value)
    assert tuple(path) == best
    assert score == pytest.approx(value(best), abs=1e-12)


def test_too_few_frames_say_so():
    for targets, frames in (((1, 2, 1), 2), ((1, 1), 2), ((1,), 0)):
        with pytest.raises(CannotAlign, match="frames"):
            align_units(posteriors(frames, 3), targets)
    assert align_units(posteriors(3, 3), (1, 1)).spans == [(0, 1), (2, 3)]


def test_a_planted_alignment_is_found_in_a_long_utterance():
    rng = np.random.default_rng(1)
    targets, planted = [], []
    for position in range(60):
        targets.append(int(rng.integers(1, 50)))
        planted += [-1] * int(rng.integers(1, 4)) + [position] * int(rng.integers(1, 3))
    logp = np.full((len(planted), 50), -6.0)
    for frame, position in enumerate(planted):
        logp[frame, 0 if position < 0 else targets[position]] = -0.1
    assert align_units(logp, targets).frames.tolist() == planted


@pytest.fixture
def units(tmp_path):
    (tmp_path / "tokens.txt").write_text("<blk> 0\n<unk> 1\n▁we 2\n▁ca 3\nll 4\n熊 5\n", encoding="utf-8")
    return Units.from_tokens(tmp_path / "tokens.txt")


def test_the_times_of_words_are_those_of_their_units(units):
    logp = np.full((11, 6), -9.0)
    for frame, unit in enumerate([0, 2, 0, 0, 3, 3, 0, 4, 0, 5, 0]):
        logp[frame, unit] = 0.0
    times = align.align_words(logp, "We call 熊", units, subsampling=4, frame_shift=0.01)
    assert [(time.word, round(time.start, 3), round(time.end, 3)) for time in times] == \
        [("we", 0.055, 0.095), ("call", 0.175, 0.335), ("熊", 0.375, 0.415)]
    with pytest.raises(CannotAlign, match="no text"):
        align.align_words(logp, "", units)


def test_an_output_frame_stands_in_the_middle_of_what_the_convolutions_see():
    # Two convolutions of width 3 and stride 2 without padding, followed by hand.
    seen = np.arange(40.0)
    for _ in range(2):
        seen = np.array([seen[start:start + 3].mean() for start in range(0, len(seen) - 2, 2)])
    assert [align.frame_center(frame) for frame in range(len(seen))] == seen.tolist()
    starts, ends = zip(*(align.frame_span(frame) for frame in range(5)), strict=True)
    np.testing.assert_allclose(starts[1:], ends[:-1])
