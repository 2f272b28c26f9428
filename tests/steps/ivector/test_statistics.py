"""Statistics against dense loops."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.sparse import Occupancies
from steps.ivector.statistics import Pack, Statistics, Totals, sum_totals
from utils.errors import UserError


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
