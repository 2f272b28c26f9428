"""Total variability against a dense numpy reference that goes an utterance at a time, and against sampled data."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector import em
from steps.ivector.extraction import extract
from steps.ivector.gmm import Gmm
from steps.ivector.statistics import Pack, Statistics, Totals
from steps.ivector.total_variability import TotalVariability, TotalVariabilityConfig, initialize
from tests.steps.ivector.reference import Reference
from tests.steps.ivector.worlds import sample
from utils.errors import UserError

FORMS = ["standard", "offset"]


def config_of(form="standard", **changes):
    return TotalVariabilityConfig(**{"dim": 3, "form": form, "covariance_floor": 0.0, "batch": 7, **changes})


def model_of(world, form="standard", seed=0, **changes):
    ubm = Gmm(np.full(len(world.means), 1 / len(world.means)), world.means, 1.5 * world.covariances)
    return initialize(ubm, config_of(form, **changes), seed)


def reference_of(model):
    return Reference(model.matrix, model.means, model.covariances, model.offset)


@pytest.fixture(scope="module")
def world():
    return sample()


@pytest.mark.parametrize("form", FORMS)
def test_posteriors_are_those_of_the_reference(world, form):
    model = model_of(world, form)
    got = extract(model, [world.pack], covariances=True, batch=4)
    for (n, f), vector, covariance in zip(world.dense, got.vectors, got.covariances, strict=True):
        mean, spread = reference_of(model).posterior(n, f)
        mean[0] -= model.offset
        np.testing.assert_allclose(vector, mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(covariance, spread, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_accumulators_are_those_of_the_reference(world, form):
    model = model_of(world, form)
    sums = em.accumulate(model, [world.pack], config_of(form))
    if model.offset:
        sums = em.uncenterd(model, sums, world.totals)
    second, cross, first, moments = reference_of(model).accumulators(world.dense)
    np.testing.assert_allclose([em.square(each) for each in sums.second], second, rtol=1e-6)
    np.testing.assert_allclose(sums.cross, cross, rtol=1e-6, atol=1e-6 * np.abs(cross).max())
    np.testing.assert_allclose(sums.prior_first, first, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(em.square(sums.prior_second), moments, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_an_m_step_is_that_of_the_reference_up_to_a_rotation_of_w(world, form):
    model = model_of(world, form)
    got = em.update(model, em.accumulate(model, [world.pack], config_of(form)), world.totals, config_of(form))
    wanted = reference_of(model).step(world.dense, world.totals)
    np.testing.assert_allclose(got.covariances, wanted.covariances, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.means, wanted.means, rtol=1e-6, atol=1e-12)
    assert got.offset == pytest.approx(wanted.prior[0], rel=1e-6)
    tall, tall_wanted = got.matrix.reshape(-1, 3), wanted.matrix.reshape(-1, 3)
    np.testing.assert_allclose(tall @ tall.T, tall_wanted @ tall_wanted.T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(got.centers, wanted.means + wanted.matrix @ wanted.prior, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_objective_is_the_joint_density_of_the_frames_with_w_integrated_out(form):
    world = sample(utterances=6, frames=8, soft=False)
    model = model_of(world, form)
    sums = em.accumulate(model, [world.pack], config_of(form))
    density = sum(reference_of(model).frame_log_likelihood(list(zip(gamma.components, x, strict=True)))
                  for x, gamma in zip(world.features, world.occupancies, strict=True))
    frames = sum(map(len, world.features))
    assert em.objective(model, sums, world.totals) * frames == pytest.approx(density, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_the_objective_never_falls(world, form, floor):
    config = config_of(form, covariance_floor=floor, iterations=25)
    objectives = []
    em.fit(model_of(world, form, covariance_floor=floor), lambda: [world.pack], world.totals, config,
           after=lambda _, value, __: objectives.append(value))
    assert len(objectives) == 25
    assert np.diff(objectives).min() >= -1e-12 * abs(objectives[-1])
    assert objectives[-1] > objectives[0] + 0.1


def test_it_learns_more_than_with_parts_switched_off(world):
    def reached(**changes):
        config = config_of(iterations=4, **changes)
        model = em.fit(model_of(world), lambda: [world.pack], world.totals, config)
        return em.objective(model, em.accumulate(model, [world.pack], config), world.totals)

    full = reached()
    assert full > reached(update_covariances=False) + 1e-3
    assert full > reached(minimum_divergence=False) + 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_the_space_of_the_data_is_recovered(form):
    world = sample(seed=3, utterances=600, frames=120, components=3, dim=4, rank=2, soft=False)
    # The offset form spends one direction of w on the mean.
    dim = 2 if form == "standard" else 3
    config = config_of(form, dim=dim, iterations=15, batch=256)
    model = em.fit(model_of(world, form, seed=1, dim=dim), lambda: [world.pack], world.totals, config)
    space, true = (np.linalg.qr(each)[0] for each in
                   (model.matrix.reshape(12, dim), world.matrix.reshape(12, 2)))
    assert np.linalg.svd(space.T @ true, compute_uv=False).min() > np.cos(np.radians(3))
    np.testing.assert_allclose(model.covariances, world.covariances, atol=0.1)
    vectors = extract(model, [world.pack]).vectors
    fitted = vectors @ np.linalg.lstsq(vectors, world.factors, rcond=None)[0]
    assert np.square(world.factors - fitted).mean() < 0.05


@pytest.mark.parametrize("form", FORMS)
def test_order_of_utterances_and_number_of_tasks_change_nothing(world, form):
    config, model = config_of(form), model_of(world, form)
    whole = em.update(model, em.accumulate(model, [world.pack], config), world.totals, config)
    order = np.random.default_rng(5).permutation(len(world.features))
    shuffled = [world.statistics[place] for place in order]
    packs = [Pack.of(shuffled[begin:begin + 4], 5, 4) for begin in range(0, len(shuffled), 4)]
    shares = [em.accumulate(model, packs[task::3], config_of(form, batch=3)) for task in range(3)]
    shares = [em.Accumulators.from_arrays(share.to_arrays()) for share in shares]
    parts = em.update(model, em.sum_accumulators(shares), world.totals, config)
    for name in ("matrix", "means", "covariances", "offset"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10, atol=1e-11)


def test_a_resumed_run_ends_with_the_same_bits(world):
    config = config_of(iterations=5)
    stored = {}
    whole = em.fit(model_of(world), lambda: [world.pack], world.totals, config,
                   after=lambda iteration, _, model: stored.update({iteration: model.to_arrays()}))
    resumed = em.fit(TotalVariability.from_arrays(stored[2]), lambda: [world.pack], world.totals, config, done=2)
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(resumed.to_arrays()[name], array)


def test_the_seed_alone_decides_the_start(world):
    np.testing.assert_array_equal(model_of(world, seed=4).matrix, model_of(world, seed=4).matrix)
    assert np.abs(model_of(world, seed=4).matrix - model_of(world, seed=5).matrix).max() > 0.1


def test_kaldis_first_column_holds_the_means(world):
    np.testing.assert_allclose(model_of(world, "offset").matrix[:, :, 0] * 100.0, world.means)
    np.testing.assert_allclose(model_of(world, "offset").centers, world.means)


@pytest.mark.parametrize("form", FORMS)
def test_no_statistics_give_the_prior_mean_and_are_flagged(world, form):
    model = model_of(world, form)
    nothing = Statistics(np.empty(0, np.int32), np.empty(0), np.empty((0, 4)))
    got = extract(model, [Pack.of([world.statistics[0], nothing], 5, 4)], covariances=True)
    assert got.empty.tolist() == [False, True]
    assert not got.vectors[1].any() and got.vectors[0].any()
    np.testing.assert_allclose(got.covariances[1], np.eye(3))


@pytest.mark.parametrize("form", FORMS)
def test_utterances_without_statistics_do_not_train(world, form):
    config, model = config_of(form), model_of(world, form)
    nothing = Statistics(np.empty(0, np.int32), np.empty(0), np.empty((0, 4)))
    padded = Pack.of([nothing, *world.statistics, nothing], 5, 4)
    sums = em.accumulate(model, [padded], config)
    assert (sums.utterances, sums.empty) == (30, 2)
    wanted = em.update(model, em.accumulate(model, [world.pack], config), world.totals, config)
    np.testing.assert_allclose(em.update(model, sums, world.totals, config).matrix, wanted.matrix, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_single_precision_stays_near_double(world, form):
    model = model_of(world, form)
    single, double = (extract(model, [world.pack], covariances=True, arithmetic=each) for each in ("single", "double"))
    deviations = np.sqrt(np.diagonal(double.covariances, axis1=1, axis2=2))
    assert 0 < (np.abs(single.vectors - double.vectors) / deviations).max() < 1e-4
    sums = [em.accumulate(model, [world.pack], config_of(form, arithmetic=each)) for each in ("single", "double")]
    objectives = [em.objective(model, each, world.totals) for each in sums]
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-6)


def test_the_covariance_floor_holds(world):
    config = config_of(covariance_floor=0.6)
    model = model_of(world, covariance_floor=0.6)
    model = em.update(model, em.accumulate(model, [world.pack], config), world.totals, config)
    assert min(np.linalg.eigvalsh(each - model.floor).min() for each in model.covariances) > -1e-9


def test_a_component_without_frames_keeps_its_matrix(world):
    model = model_of(world)
    statistics = [Statistics(each.components[each.components != 2], each.n[each.components != 2],
                             each.f[each.components != 2]) for each in world.statistics]
    totals = Totals.from_arrays(world.totals.to_arrays())
    for array in (totals.n, totals.f, totals.s):
        array[2] = 0
    config = config_of(minimum_divergence=False)
    got = em.update(model, em.accumulate(model, [Pack.of(statistics, 5, 4)], config), totals, config)
    np.testing.assert_array_equal(got.matrix[2], model.matrix[2])
    assert np.abs(got.matrix[1] - model.matrix[1]).max() > 0.01


def test_statistics_of_another_shape_are_refused(world):
    with pytest.raises(UserError, match="statistics of 6 components x 4 features; .* 5 x 4"):
        extract(model_of(world), [Pack.of(world.statistics, 6, 4)])


def test_nothing_to_train_on_is_refused(world):
    model = model_of(world)
    empty = em.accumulate(model, [Pack.of([], 5, 4)], config_of())
    with pytest.raises(UserError, match="no utterance has statistics"):
        em.update(model, empty, Totals.zeros(5, 4), config_of())


def test_a_diagonal_ubm_is_refused(world):
    with pytest.raises(UserError, match="diagonal"):
        initialize(Gmm(np.full(5, 0.2), world.means, np.ones((5, 4))), config_of())
