"""Hidden labels: how many stay, in each class and of each speaker; nothing of a hidden label is
left."""

from collections import Counter

import numpy as np
import pytest

from steps.data.dataset import Item
from steps.examples.hidden import Kept, chosen, hide, shares
from utils.errors import UsageError


def toy_items(speakers=6, each=12):
    """Classes 0, 1 and 2 with 6, 4 and 2 utterances of every speaker."""
    items, y = [], []
    for speaker in range(speakers):
        for take in range(each):
            label = [0, 0, 0, 1, 1, 2][take % 6]
            items.append(Item(f"s{speaker}-{take:02d}", f"s{speaker}", fields={
                "emotion": "abc"[label], "emotion_votes": {"a": 3}, "speaker": f"s{speaker}"}))
            y.append(label)
    return tuple(items), np.array(y)


def kept_of(amount, seed=0, **options):
    items, y = toy_items(**options)
    return items, y, hide(items, y, Kept(amount, seed), "1", "emotion")


def test_a_number_of_labels_stays_in_proportion_to_the_classes():
    _, y, (_, found) = kept_of(12)
    assert Counter(found.tolist()) == {0: 6, 1: 4, 2: 2, -1: 60}
    assert all(own in (-1, before) for own, before in zip(found, y, strict=True))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 36), (0.1, 7), (0.001, 3)])
def test_a_share_of_the_labels_stays_and_of_each_class_one(share, expected):
    _, _, (_, found) = kept_of(share)
    assert (found >= 0).sum() == expected and set(found) == {-1, 0, 1, 2}


def test_the_labels_are_spread_over_speakers():
    items, _, (_, found) = kept_of(12)
    speakers = Counter(item.speaker for item, label in zip(items, found, strict=True) if label == 0)
    assert speakers == {f"s{number}": 1 for number in range(6)}
    _, _, (_, found) = kept_of(24)
    speakers = Counter(item.speaker for item, label in zip(items, found, strict=True) if label == 1)
    assert sorted(speakers.values()) == [1, 1, 1, 1, 2, 2]


def test_the_choice_is_that_of_the_seed_whatever_the_order():
    items, y, (_, found) = kept_of(12)
    order = np.random.default_rng(0).permutation(len(items))
    _, again = hide([items[place] for place in order], y[order], Kept(12), "1", "emotion")
    assert (again == found[order]).all()
    assert any((kept_of(12, seed)[2][1] != found).any() for seed in (1, 2))


def test_nothing_of_a_hidden_label_is_left():
    items, _, (hidden, found) = kept_of(12)
    for before, item, label in zip(items, hidden, found, strict=True):
        if label >= 0:
            assert item is before
        else:
            assert item.fields == {"speaker": item.speaker}


def test_a_noisy_copy_follows_its_clean_utterance():
    items, y = toy_items()
    copies = [Item(f"{item.id}+aug", f"{item.speaker}+aug", fields=item.fields) for item in items]
    _, found = hide([*items, *copies], np.concatenate([y, y]), Kept(12), "1", "emotion")
    assert (found[:len(y)] == found[len(y):]).all()
    assert (found[:len(y)] == hide(items, y, Kept(12), "1", "emotion")[1]).all()


def test_whole_sessions_keep_their_label():
    items, y = toy_items()
    items = [Item(item.id, item.speaker, fields={"session": item.speaker, "phq8": 3.0}) for item in items]
    hidden, found = hide(items, np.repeat(np.arange(6.0), 12), Kept(2), "1", "phq8", "session")
    known = ~np.isnan(found)
    assert known.sum() == 24 and len({
        item.speaker for item, own in zip(items, known, strict=True) if own}) == 2
    assert all(("phq8" in item.fields) == own for item, own in zip(hidden, known, strict=True))


def test_too_few_and_too_many_labels_are_refused():
    for amount in (2, 73):
        with pytest.raises(UsageError,
                           match=rf"--labels {amount}: the training part has 72 labels of 3 classes; "
                                             "accepted: 3 to 72"):
            kept_of(amount)


def test_what_is_unlabelled_before_is_no_candidate():
    assert chosen({"a": 0, "b": 1}, {"a": "s", "b": "s"}, Kept(2)) == {"a", "b"}
    items, y = toy_items()
    y[:60] = -1
    _, found = hide(items, y, Kept(3), "1", "emotion")
    assert (found[:60] == -1).all() and (found[60:] >= 0).sum() == 3


@pytest.mark.parametrize(("counts", "total", "expected"),
                         [([10, 10], 5, [3, 2]), ([98, 1, 1], 10, [8, 1, 1]),
                                                          ([0, 5], 3, [0, 3]),
                          ([3, 50], 53, [3, 50])])
def test_shares_are_whole_numbers_with_the_right_sum(counts, total, expected):
    assert shares(counts, total) == expected
