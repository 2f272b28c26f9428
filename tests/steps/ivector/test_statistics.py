"""Sparse occupancies and statistics against dense loops."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.statistics import Occupancies, Pack, Statistics, Totals, sum_totals
from utils.errors import UserError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def posteriors(rng):
    dense = rng.dirichlet(np.full(6, 0.3), size=40)
    dense[[3, 11]] = 0.0
    return dense


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


def test_statistics_are_the_weighted_sums_of_each_component(posteriors, rng):
    x, gamma = rng.standard_normal((40, 3)), Occupancies.of_dense(posteriors, 0.3)
    got = Statistics.of(x, gamma)
    dense = gamma.dense()
    assert got.components.tolist() == np.flatnonzero(dense.any(axis=0)).tolist()
    for c, n, f in zip(got.components, got.n, got.f, strict=True):
        assert n == pytest.approx(sum(float(dense[t, c]) for t in range(40)), rel=1e-12)
        np.testing.assert_allclose(f, sum(float(dense[t, c]) * x[t] for t in range(40)), rtol=1e-10, atol=1e-12)


def test_a_pack_holds_utterances_end_to_end(posteriors, rng):
    x = rng.standard_normal((40, 3))
    utterances = [Statistics.of(x[a:b], Occupancies.of_dense(posteriors[a:b])) for a, b in ((0, 3), (3, 4), (4, 40))]
    pack = Pack.from_arrays(Pack.of(utterances, 6, 3).to_arrays())
    assert (len(pack), pack.count, pack.dim) == (3, 6, 3)
    for place, wanted in enumerate(utterances):
        one = pack.slice(place, place + 1)
        np.testing.assert_array_equal(one.components, wanted.components)
        np.testing.assert_array_equal(one.f, wanted.f)
    # Frame 3 belongs to no component.
    assert pack.rows().tolist() == [0] * len(utterances[0].n) + [2] * len(utterances[2].n)


@pytest.mark.parametrize("full", [True, False])
def test_totals_are_sums_of_outer_products(posteriors, rng, full):
    x, gamma = rng.standard_normal((40, 3)), Occupancies.of_dense(posteriors)
    totals = Totals.zeros(6, 3, full)
    totals.add(x, gamma)
    outer = np.einsum("tc,td,te->cde", gamma.dense().astype(np.float64), x, x)
    np.testing.assert_allclose(totals.s, outer if full else np.einsum("cdd->cd", outer), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(totals.f, gamma.dense().T.astype(np.float64) @ x, rtol=1e-10, atol=1e-12)
    assert totals.frames == 40


def test_shares_of_totals_sum_to_the_whole(rng):
    # More frames than are held at a time.
    x, gamma = rng.standard_normal((2500, 3)), Occupancies.of_labels(rng.integers(4, size=2500), 4)
    whole = Totals.zeros(4, 3)
    whole.add(x, gamma)
    shares = []
    for frames in np.array_split(np.arange(2500), 7):
        shares.append(Totals.zeros(4, 3))
        shares[-1].add(x[frames], gamma.select(frames))
    first = shares[0].n.copy()
    total = sum_totals(Totals.from_arrays(share.to_arrays()) for share in shares)
    np.testing.assert_allclose(total.s, whole.s, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(total.n, np.bincount(gamma.components))
    np.testing.assert_array_equal(shares[0].n, first)
    assert total.frames == 2500


def test_features_that_do_not_fit_are_refused(posteriors, rng):
    gamma = Occupancies.of_dense(posteriors)
    with pytest.raises(UserError, match=r"features \(39, 3\), occupancies of 40 frames"):
        Statistics.of(rng.standard_normal((39, 3)), gamma)
    with pytest.raises(UserError, match="not finite"):
        Statistics.of(np.full((40, 3), np.nan), gamma)
    with pytest.raises(UserError, match="6 components x 2 features cannot take in 6 x 3"):
        Totals.zeros(6, 2).add(rng.standard_normal((40, 3)), gamma)
    with pytest.raises(UserError, match="no shares"):
        sum_totals([])
