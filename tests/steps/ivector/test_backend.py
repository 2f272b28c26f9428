"""Whitening, LDA, PLDA, scores and equal error rate against other libraries and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.backend import (
    Backend,
    BackendConfig,
    cosine_scores,
    lda,
    length_normalize,
    whitening,
)
from steps.ivector.plda import Plda, em_step, speaker_moments
from tests.steps.ivector.error_rate import equal_error_rate
from utils.errors import UserError


def speech(seed=0, speakers=40, utterances=8, dim=4, spread=1.5):
    """Vectors of speakers that were sampled from the two-covariance model, and B and W."""
    rng = np.random.default_rng(seed)
    root_between, root_within = spread * rng.standard_normal((dim, dim)), rng.standard_normal((dim, dim)) + np.eye(dim)
    counts = rng.integers(2, utterances + 1, size=speakers)
    names = np.repeat([f"s{k:03}" for k in range(speakers)], counts)
    places = np.repeat(np.arange(speakers), counts)
    vectors = 5 + (rng.standard_normal((speakers, dim)) @ root_between.T)[places] \
        + rng.standard_normal((len(names), dim)) @ root_within.T
    return vectors, names, root_between @ root_between.T, root_within @ root_within.T


def test_whitened_vectors_have_unit_covariance_and_flat_directions_become_0():
    vectors, _, _, _ = speech()
    vectors = np.column_stack([vectors, vectors[:, 0] + vectors[:, 1]])
    out = whitening(vectors).apply(vectors)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-9)
    values = np.linalg.eigvalsh(np.cov(out.T, bias=True))
    np.testing.assert_allclose(values, [0, 1, 1, 1, 1], atol=1e-9)


def test_lengths_become_equal_and_zero_stays():
    out = length_normalize(np.array([[3.0, 4.0], [0.0, 0.0], [-1e-9, 0.0]]))
    np.testing.assert_allclose(out, np.sqrt(2) * np.array([[0.6, 0.8], [0, 0], [-1, 0]]))


def test_lda_finds_the_directions_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    vectors, names, _, _ = speech(speakers=6)
    projection = lda(vectors, names, 3)
    oracle = LinearDiscriminantAnalysis(solver="eigen").fit(vectors, names)
    ours, theirs = (np.linalg.qr(each)[0] for each in (projection.matrix.T, oracle.scalings_[:, :3]))
    np.testing.assert_allclose(np.abs(np.diag(ours.T @ theirs)), 1, atol=1e-5)


@pytest.mark.parametrize("dim", [0, 5, 6])
def test_lda_to_more_dimensions_than_there_are_is_refused(dim):
    vectors, names, _, _ = speech(speakers=6)
    with pytest.raises(UserError, match="allow 1 to 4; lower lda"):
        lda(vectors, names, dim)


@pytest.mark.parametrize("count", [1, 3])
def test_plda_scores_are_ratios_of_joint_gaussian_densities(count):
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    _, _, between, within = speech(dim=3)
    mean = rng.standard_normal(3)
    groups, tested = 4 * rng.standard_normal((5, count, 3)), 4 * rng.standard_normal((6, 3))
    got = Plda.of_covariances(mean, between, within).score(groups.mean(axis=1), tested, np.full(5, count))
    same = np.kron(np.ones((count + 1, count + 1)), between) + np.kron(np.eye(count + 1), within)
    split = same.copy()
    split[:3 * count, 3 * count:] = 0
    split[3 * count:, :3 * count] = 0
    for e, group in enumerate(groups):
        for t, test in enumerate(tested):
            x = np.concatenate([*group, test]) - np.tile(mean, count + 1)
            ratio = multivariate_normal(cov=same).logpdf(x) - multivariate_normal(cov=split).logpdf(x)
            assert got[e, t] == pytest.approx(ratio, rel=1e-8, abs=1e-8)


def test_plda_training_never_lowers_the_joint_density_of_the_speakers():
    from scipy.stats import multivariate_normal

    vectors, names, _, _ = speech(speakers=15, dim=2)
    counts, means, within = speaker_moments(vectors, names)
    center = means.mean(axis=0)

    def density(between, residual):
        total = 0.0
        for name in np.unique(names):
            own = vectors[names == name] - center
            covariance = np.kron(np.ones((len(own), len(own))), between) + np.kron(np.eye(len(own)), residual)
            total += multivariate_normal(cov=covariance).logpdf(own.ravel())
        return total

    between, residual, values = np.eye(2), np.eye(2), []
    for _ in range(15):
        values.append(density(between, residual))
        between, residual = em_step(counts, means - center, within, between, residual)
    assert np.diff(values).min() > -1e-9 and values[-1] > values[0] + 1


def test_plda_recovers_the_covariances_of_its_model():
    vectors, names, between, within = speech(speakers=3000, utterances=6, dim=2)
    plda = Plda.fit(vectors, names, iterations=30)
    inverse = np.linalg.inv(plda.transform)
    np.testing.assert_allclose(inverse @ inverse.T, within, rtol=0.1, atol=0.05 * np.trace(within))
    np.testing.assert_allclose(inverse * plda.between @ inverse.T, between, rtol=0.1, atol=0.05 * np.trace(between))


def test_plda_without_repeated_speakers_is_refused():
    vectors = np.random.default_rng(0).standard_normal((4, 2))
    with pytest.raises(UserError, match="one with several utterances"):
        Plda.fit(vectors, ["a", "b", "c", "d"])
    with pytest.raises(UserError, match="two speakers"):
        Plda.fit(vectors, ["a"] * 4)


def test_cosines_are_those_of_every_pair():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 5)), rng.standard_normal((4, 5))
    wanted = [[x @ y / np.sqrt(x @ x) / np.sqrt(y @ y) for y in b] for x in a]
    np.testing.assert_allclose(cosine_scores(a, b), wanted, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [None, 1])
def test_the_equal_error_rate_is_where_scikit_learns_roc_meets_the_diagonal(seed, digits):
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(seed)
    same = rng.random(300) < 0.2
    scores = rng.standard_normal(300) + same
    if digits is not None:
        scores = scores.round(digits)  # ties
    false_positive, true_positive, _ = roc_curve(same, scores, drop_intermediate=False)
    # The ROC at 10^5 points of its length; the equal error rate is where it is nearest to the falling diagonal.
    places = np.linspace(0, len(false_positive) - 1, 100_001)
    x, y = (np.interp(places, np.arange(len(rate)), rate) for rate in (false_positive, true_positive))
    wanted = x[np.argmin(np.abs(x - (1 - y)))]
    assert equal_error_rate(scores, same) == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("scores, wanted", [([0, 1, 2, 3], 0.0), ([3, 2, 1, 0], 1.0), ([1, 1, 1, 1], 0.5),
                                            ([0, 2, 1, 3], 0.5)])
def test_the_equal_error_rate_of_small_cases(scores, wanted):
    assert equal_error_rate(np.array(scores), np.array([0, 0, 1, 1], bool)) == pytest.approx(wanted)


def test_an_equal_error_rate_without_impostors_is_refused():
    with pytest.raises(ValueError, match="2 trials of one speaker, 0 of two"):
        equal_error_rate(np.array([1.0, 2.0]), np.array([True, True]))


@pytest.mark.parametrize("config", [BackendConfig(), BackendConfig(lda=2), BackendConfig(whiten=False, lda=3),
                                    BackendConfig(plda_iterations=0, length_normalize=False)])
def test_a_backend_comes_back_from_its_arrays(config):
    vectors, names, _, _ = speech()
    chain = Backend.fit(vectors, names, config)
    again = Backend.from_arrays(chain.to_arrays())
    np.testing.assert_array_equal(again.apply(vectors), chain.apply(vectors))
    for method in ("cosine", "plda") if config.plda_iterations else ("cosine",):
        np.testing.assert_array_equal(again.score(vectors[:3], vectors[3:], method),
                                      chain.score(vectors[:3], vectors[3:], method))


def test_plda_and_lda_tell_new_speakers_apart_where_raw_cosines_do_not():
    rng = np.random.default_rng(1)
    # Two dimensions of speaker, six of loud channel noise.
    places = np.repeat(np.arange(60), 6)
    vectors = np.column_stack([2 * rng.standard_normal((60, 2))[places] + 0.3 * rng.standard_normal((360, 2)),
                               5 * rng.standard_normal((360, 6))])
    train, test = places < 40, places >= 40
    names = places.astype(str)
    chain = Backend.fit(vectors[train], names[train], BackendConfig(lda=2))
    same = names[test][:, None] == names[test]
    trials = np.triu(np.ones_like(same), 1)  # each pair of different utterances once

    def rate(scores):
        return equal_error_rate(scores[trials], same[trials])

    raw = rate(cosine_scores(vectors[test], vectors[test]))
    assert raw > 0.35
    for method in ("cosine", "plda"):
        assert rate(chain.score(vectors[test], vectors[test], method)) < raw - 0.1


def test_scores_that_were_not_learned_are_refused():
    vectors, names, _, _ = speech()
    chain = Backend.fit(vectors, names, BackendConfig(plda_iterations=0))
    with pytest.raises(UserError, match="'plda': this back end has cosine"):
        chain.score(vectors, vectors)
    with pytest.raises(UserError, match="learned on 4 dimensions, these vectors have 3"):
        chain.apply(vectors[:, :3])
