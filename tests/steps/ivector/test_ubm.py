"""Universal background models: mixtures by EM, and the supervised one with its merging."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.covariances import covariance_floor, floored
from steps.ivector.gmm import Gmm, GmmConfig, accumulate, train, update
from steps.ivector.sparse import Occupancies
from steps.ivector.statistics import Totals
from steps.ivector.supervised_ubm import SupervisedUbmConfig, supervised_ubm
from utils.errors import UserError

FULL = [True, False]


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    centers, mixing = 6 * rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 2))
    labels = rng.integers(3, size=1500)
    return centers[labels] + np.einsum("tde,te->td", mixing[labels], rng.standard_normal((1500, 2)))


def mixture(full, seed=0, count=4, dim=3):
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((count, dim, dim)) + 2 * np.eye(dim)
    covariances = roots @ roots.transpose(0, 2, 1) if full else rng.random((count, dim)) + 0.3
    return Gmm(rng.dirichlet(np.ones(count)), 50 + rng.standard_normal((count, dim)), covariances)


@pytest.mark.parametrize("full", FULL)
def test_log_likelihoods_are_scipys(full):
    from scipy.stats import multivariate_normal

    gmm, x = mixture(full), 50 + np.random.default_rng(1).standard_normal((9, 3))
    got = gmm.log_likelihoods(x)
    for c in range(4):
        covariance = gmm.covariances[c] if full else np.diag(gmm.covariances[c])
        wanted = np.log(gmm.weights[c]) + multivariate_normal(gmm.means[c], covariance).logpdf(x)
        np.testing.assert_allclose(got[:, c], wanted, rtol=1e-9)


@pytest.mark.parametrize("full", FULL)
def test_an_iteration_is_scikit_learns(frames, full):
    from sklearn.mixture import GaussianMixture

    old = Gmm(np.full(3, 1 / 3), frames[:3].copy(), np.tile(np.eye(2), (3, 1, 1)) if full else np.ones((3, 2)))
    totals = Totals.zeros(3, 2, full)
    accumulate(old, frames, totals)
    got = update(old, totals, 0.0)
    oracle = GaussianMixture(3, covariance_type="full" if full else "diag", max_iter=1, tol=0, reg_covar=0,
                             weights_init=old.weights, means_init=old.means, precisions_init=old.covariances)
    with pytest.warns(UserWarning, match="did not converge"):
        oracle.fit(frames)
    np.testing.assert_allclose(got.weights, oracle.weights_, rtol=1e-6)
    np.testing.assert_allclose(got.means, oracle.means_, rtol=1e-6)
    np.testing.assert_allclose(got.covariances, oracle.covariances_, rtol=1e-5, atol=1e-6)


def test_training_climbs_and_chunks_do_not_matter(frames):
    config = GmmConfig(components=3, diagonal_iterations=6, full_iterations=6, covariance_floor=0.0)
    gmm, history = train(lambda: [frames], config, seed=1)
    again, _ = train(lambda: np.array_split(frames, 5), config, seed=1)
    assert np.diff(history).min() > -1e-9 and history[-1] > history[0] + 0.1
    assert gmm.full
    np.testing.assert_allclose(again.covariances, gmm.covariances, rtol=1e-6)
    other, _ = train(lambda: [frames], config, seed=2)
    assert np.abs(other.means - gmm.means).max() > 1e-6


def test_occupancies_keep_the_top_of_a_frame(frames):
    gmm = mixture(True, dim=2, count=6)
    x = frames[:50] + 50
    dense, _ = gmm.posteriors(x)
    got = gmm.occupancies(x, top=2, threshold=0.1).dense()
    for row, wanted in zip(got, dense, strict=True):
        best = np.sort(wanted)[-2:][0]
        kept = np.where((wanted >= best) & (wanted >= 0.1 * np.sort(wanted)[-2:].sum()), wanted, 0)
        np.testing.assert_allclose(row, kept / kept.sum(), rtol=1e-5)


def test_a_mixture_needs_a_frame_a_component_and_its_own_features(frames):
    with pytest.raises(UserError, match="only 4 frames; lower components"):
        train(lambda: [frames[:4]], GmmConfig(components=5))
    with pytest.raises(UserError, match="GMM of 3 features; the frames have 2"):
        mixture(True).log_likelihoods(frames)


def labelled(sizes, seed=0, dim=2):
    """Frames around (10 c, 0, ...) of each component c."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.standard_normal((len(labels), dim))
    x[:, 0] += 10 * labels
    totals = Totals.zeros(len(sizes), dim)
    totals.add(x, Occupancies.of_labels(labels, len(sizes)))
    return x, labels, totals


def test_the_supervised_ubm_has_the_moments_of_each_component():
    x, labels, totals = labelled([400, 100, 300])
    ubm, mapping = supervised_ubm(totals, SupervisedUbmConfig(covariance_floor=0.0))
    assert mapping.tolist() == [0, 1, 2]
    np.testing.assert_allclose(ubm.weights, [0.5, 0.125, 0.375])
    for c in range(3):
        np.testing.assert_allclose(ubm.means[c], x[labels == c].mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(ubm.covariances[c], np.cov(x[labels == c].T, bias=True), rtol=1e-6, atol=1e-9)


def test_components_with_few_frames_merge_with_the_nearest_and_empty_ones_are_dropped():
    # 3 (20 frames) lies between 2 (300) and 4 (30): 2 and 4 are as far, noise decides; 0 is far from all but 1.
    x, labels, totals = labelled([40, 200, 300, 0, 0, 0, 49, 60])
    ubm, mapping = supervised_ubm(totals)
    assert mapping.tolist() == [0, 0, 1, -1, -1, -1, 2, 2]
    merged = x[labels <= 1]
    np.testing.assert_allclose(ubm.means[0], merged.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(ubm.covariances[0], np.cov(merged.T, bias=True), rtol=1e-6)
    np.testing.assert_allclose(totals.mapped(mapping).n, [240, 300, 109])


def test_two_poor_components_may_become_one_rich_enough():
    _, _, totals = labelled([500, 0, 0, 0, 30, 30, 0, 0, 0, 0, 500])
    ubm, mapping = supervised_ubm(totals)
    assert mapping.tolist() == [0, -1, -1, -1, 1, 1, -1, -1, -1, -1, 2]
    assert ubm.weights[1] == pytest.approx(60 / 1060)


def test_nearness_is_measured_in_units_of_the_spread_within_components():
    rng = np.random.default_rng(0)
    # Component 0 is 3 from 1 along the narrow axis and 4 from 2 along the wide one.
    centers = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    labels = np.repeat([0, 1, 2], [20, 300, 300])
    totals = Totals.zeros(3, 2)
    totals.add(centers[labels] + rng.standard_normal((620, 2)) * [5.0, 0.2], Occupancies.of_labels(labels, 3))
    assert supervised_ubm(totals)[1].tolist() == [0, 1, 0]


def test_too_little_speech_for_one_component_is_refused():
    with pytest.raises(UserError, match="30 frames in all"):
        supervised_ubm(labelled([20, 10])[2])


def test_covariances_are_raised_to_the_floor_and_others_left():
    rng = np.random.default_rng(0)
    covariances = np.array([np.diag([1e-9, 4.0]), [[2.0, 0.5], [0.5, 3.0]]])
    floor = covariance_floor(np.array([0.5, 0.5]), covariances, 0.1)
    got = floored(covariances, floor)
    np.testing.assert_array_equal(got[1], covariances[1])
    assert np.linalg.eigvalsh(got[0] - floor).min() > -1e-12

    def likelihood(covariance):
        return -np.linalg.slogdet(covariance)[1] - np.trace(np.linalg.solve(covariance, covariances[0]))

    # Of the matrices above the floor none is likelier.
    for _ in range(200):
        root = rng.standard_normal((2, 2)) * rng.choice([1e-3, 0.1, 1.0])
        assert likelihood(got[0]) >= max(likelihood(floor + root @ root.T), likelihood(got[0] + root @ root.T)) - 1e-9
