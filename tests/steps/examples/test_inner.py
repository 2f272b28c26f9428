"""Inner folds: speakers apart, every utterance held out once."""

import numpy as np
import pytest

from steps.data.dataset import Item
from steps.examples.inner import inner_folds


def items(speakers, each=3):
    return [Item(f"{name}-{number}", speaker=name) for name in speakers for number in range(each)]


@pytest.mark.parametrize(("count", "folds"), [(3, 3), (10, 10), (11, 5), (24, 5)])
def test_every_utterance_is_held_out_once_with_all_of_its_speaker(count, folds):
    mine = items([f"s{number:02d}" for number in range(count)])
    found = inner_folds(mine)
    assert len(found) == folds
    assert sorted(np.concatenate([held for _, held in found]).tolist()) == list(range(len(mine)))
    for learned, held in found:
        assert not {mine[n].speaker for n in learned} & {mine[n].speaker for n in held}
        assert len(learned) + len(held) == len(mine)


@pytest.mark.parametrize("speakers", [["a", "b"], ["a", "b", "c", None], []])
def test_of_too_few_or_unknown_speakers_there_are_none(speakers):
    assert inner_folds(items(speakers)) == []
