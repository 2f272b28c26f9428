"""Sparse occupancies against dense loops."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.sparse import Occupancies
from utils.errors import UserError


def test_small_shares_are_dropped_and_the_rest_scaled_to_1(posteriors):
    got = Occupancies.of_dense(posteriors, threshold=0.1).dense()
    for row, wanted in zip(got, posteriors, strict=True):
        kept = np.where(wanted >= 0.1, wanted, 0.0)
        np.testing.assert_allclose(row, kept / kept.sum() if kept.any() else kept, rtol=1e-6)


def test_posteriors_without_their_blank_are_scaled_to_1(posteriors):
    got, wanted = Occupancies.of_dense(0.01 * posteriors), Occupancies.of_dense(posteriors)
    np.testing.assert_allclose(got.dense(), wanted.dense(), rtol=1e-6)
    totals = got.dense().sum(axis=1)
    np.testing.assert_allclose(np.delete(totals, [3, 11]), 1, rtol=1e-6)
    assert not totals[[3, 11]].any()


def test_the_largest_share_always_stays():
    assert Occupancies.of_dense(np.full((2, 50), 0.02), threshold=0.5).dense().sum() == pytest.approx(2)
    assert len(Occupancies.of_dense(np.array([[0.4, 0.35, 0.25]]), threshold=0.5).components) == 1


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_posteriors_that_are_none_are_refused(posteriors, value):
    posteriors[7, 2] = value
    with pytest.raises(UserError, match="finite and not negative"):
        Occupancies.of_dense(posteriors)


def test_labels_are_occupancies_of_1_and_negative_ones_none():
    got = Occupancies.of_labels(np.array([2, -1, 0, 2]), 3)
    np.testing.assert_array_equal(got.dense(), [[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    with pytest.raises(UserError, match="label 3, but there are only 3"):
        Occupancies.of_labels(np.array([3]), 3)


def test_selection_by_mask_and_by_index(posteriors, rng):
    sparse = Occupancies.of_dense(posteriors)
    mask = rng.random(40) < 0.5
    np.testing.assert_array_equal(sparse.select(mask).dense(), sparse.dense()[mask])
    np.testing.assert_array_equal(sparse.select(np.array([5, 3, 5])).dense(), sparse.dense()[[5, 3, 5]])
    assert len(sparse.select(np.zeros(40, bool))) == 0


@pytest.mark.parametrize("frames", [1, 10, 15, 16, 22])
def test_stretching_repeats_frames_and_the_last_one_fills_up(posteriors, frames):
    sparse = Occupancies.of_dense(posteriors[:4])
    wanted = np.repeat(sparse.dense(), 4, axis=0)
    wanted = np.concatenate([wanted, np.tile(wanted[-1:], (10, 1))])[:frames]
    np.testing.assert_array_equal(sparse.stretch(4, frames).dense(), wanted)


def test_stretching_nothing_gives_frames_without_component():
    got = Occupancies.of_dense(np.empty((0, 3))).stretch(4, 5)
    assert len(got) == 5 and not got.dense().any()


def test_merged_components_add_up_and_dropped_ones_are_scaled_away(posteriors):
    sparse = Occupancies.of_dense(posteriors)
    got = sparse.mapped(np.array([1, 0, 1, -1, 2, 0])).dense()
    old = sparse.dense().astype(np.float64)
    wanted = np.stack([old[:, 1] + old[:, 5], old[:, 0] + old[:, 2], old[:, 4]], axis=1)
    totals = wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got, np.divide(wanted, totals, out=np.zeros_like(wanted), where=totals > 0), rtol=1e-5)


def test_parts_follow_each_other(posteriors):
    parts = [Occupancies.of_dense(posteriors[:7]), Occupancies.of_dense(posteriors[7:])]
    whole = Occupancies.of_dense(posteriors)
    np.testing.assert_array_equal(Occupancies.concatenate(parts, 6).dense(), whole.dense())
    np.testing.assert_array_equal(Occupancies.from_arrays(whole.to_arrays()).dense(), whole.dense())
    np.testing.assert_allclose(whole.totals(), whole.dense().sum(axis=0), rtol=1e-6)
