"""Augmentations by name: each keeps type and layout, none changes its input, lists are checked."""

import numpy as np
import pytest

from steps.semi_supervised.views import OF_ALL, OF_FRAMES, changing
from steps.training.random_state import generator
from utils.errors import UsageError


@pytest.mark.parametrize("name", [*OF_ALL, *OF_FRAMES])
def test_each_changes_a_copy_the_same_for_a_seed(name):
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    before = x.copy()
    change = changing([{name: 0.5}], "frames", "strong")
    one, two = (change(x, generator(0, "view")) for _ in range(2))
    assert one.dtype == np.float32 and one.shape[1] == 6 and 20 <= len(one) <= 40
    assert (one == two).all() and (x == before).all()
    assert one.shape != x.shape or (one != x).any()


@pytest.mark.parametrize("name", OF_ALL)
def test_a_vector_keeps_its_shape(name):
    x = np.ones(50, dtype=np.float32)
    found = changing([{name: 0.3}], "vector", "weak")(x, generator(1))
    assert found.shape == (50,) and found.dtype == np.float32 and (found != x).any()


def test_dropped_columns_are_zero_and_the_others_stay():
    found = changing([{"drop": 0.4}], "frames", "strong")(np.ones((9, 500), dtype=np.float32),
                                                          generator(2))
    assert set(np.unique(found)) == {0.0, 1.0} and (found == found[0]).all()
    assert 0.3 < 1 - found[0].mean() < 0.5


def test_a_list_is_one_after_the_other_and_an_empty_one_changes_nothing():
    x = np.ones((4, 3), dtype=np.float32)
    assert changing([], "frames", "weak")(x, generator(0)) is x
    assert not changing([{"noise": 1.0}, {"drop": 1.0}], "frames", "strong")(x, generator(0)).any()


@pytest.mark.parametrize(("steps", "layout", "message"), [
    ([{"time_mask": 0.1}], "vector",
     "weak names time_mask, which is for frames; accepted here: noise, scale, drop"),
    ([{"nois": 0.1}], "frames", "weak names nois, which is no augmentation"),
    ([{"noise": 0.1, "drop": 0.2}], "frames", "expected one name and its size"),
    ([{}], "vector", "expected one name")])
def test_a_wrong_entry_is_one_line(steps, layout, message):
    with pytest.raises(UsageError, match=message):
        changing(steps, layout, "weak")
