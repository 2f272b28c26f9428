"""Which utterances meet in a trial."""

from __future__ import annotations

from itertools import combinations

from steps.ivector.trials import all_pairs, enrolment


def test_all_pairs_are_every_pair_once():
    names = ["b", "a", "b", "c"]
    trials, first, second = all_pairs(names)
    assert list(zip(first, second, strict=True)) == list(combinations(range(4), 2))
    assert [trials.speakers[n] for n in trials.enrolled] == [names[n] for n in first]
    assert trials.same.tolist() == [False, True, False, False, False, False]


def test_enrolment_leaves_something_to_test():
    model, owners = enrolment(["a", "b", "a", "b", "a", "c"], 2)
    assert model.tolist() == [0, -1, 0, -1, -1, -1] and owners.tolist() == ["a"]
