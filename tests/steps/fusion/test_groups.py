"""Dev is held out by speaker where it can be, else in blocks in which the classes have equal shares."""

import numpy as np

from steps.fusion.groups import BLOCKS, MOST, SPEAKERS, UTTERANCES, held_out

IDS = [f"u{n:02d}" for n in range(24)]
LABELS = np.arange(24) % 3


def test_a_speaker_is_never_in_two_groups():
    speakers = [f"s{n % 11}" for n in range(24)]
    groups, by = held_out(IDS, LABELS, speakers)
    assert by == SPEAKERS and set(groups.tolist()) == set(range(MOST))
    assert len({(speaker, group) for speaker, group in zip(speakers, groups.tolist(), strict=True)}) == 11


def test_one_speaker_or_an_unknown_one_gives_blocks_with_every_class():
    for speakers in (["s0"] * 24, [None] * 24, ["s0", "s1", None] * 8):
        groups, by = held_out(IDS, LABELS, speakers)
        assert by == UTTERANCES and set(groups.tolist()) == set(range(BLOCKS))
        for group in range(BLOCKS):
            counts = np.bincount(LABELS[groups == group], minlength=3)
            assert counts.max() - counts.min() <= 1


def test_blocks_do_not_depend_on_the_order_of_the_items_and_few_items_have_blocks_of_their_own():
    groups, _ = held_out(IDS, LABELS, [None] * 24)
    turned, _ = held_out(IDS[::-1], LABELS[::-1], [None] * 24)
    assert np.array_equal(groups, turned[::-1])
    assert held_out(IDS[:3], LABELS[:3], [None] * 3)[0].tolist() == [0, 1, 2]
