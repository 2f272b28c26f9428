"""The GRU on frames: exactness under padding, its losses against formulas, units."""

import numpy as np
import pytest
import torch

from steps.models.config import TrackGruConfig
from steps.models.track_gru import TrackGru
from steps.training.track_objective import OBJECTIVES, concordance, squared_error

SCALES = {"arousal": {"mean": 2.0, "std": 0.5}, "valence": {"mean": -1.0, "std": 3.0}}


def small():
    torch.manual_seed(0)
    return TrackGru(5, SCALES, TrackGruConfig(projection=[6], hidden=4, layers=2)).eval()


def loss_of(model, given, loss="mse"):
    return OBJECTIVES[loss](model, list(SCALES)).loss(given)


def batch(lengths, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths), 5, generator=rng)
    targets = {name: torch.randn(len(lengths), max(lengths) + 3, generator=rng) for name in SCALES}
    for row, length in enumerate(lengths):
        x[row, length:] = 1e4  # padding must not be looked at
        for labels in targets.values():
            labels[row, length:] = torch.nan
    return {"x": x, "lengths": torch.tensor(lengths), "targets": targets}


def test_values_do_not_depend_on_the_companions_and_are_in_the_targets_units():
    model, given = small(), batch([9, 1, 5])
    with torch.no_grad():
        together = model.values(given["x"], given["lengths"])
        standardized = model(given["x"], given["lengths"])
        for row, length in enumerate([9, 1, 5]):
            alone = model.values(given["x"][row : row + 1, :length], torch.tensor([length]))
            torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-5, atol=1e-6)
    assert together.shape == (3, 9, 2)
    torch.testing.assert_close(together[..., 1], -1.0 + 3.0 * standardized[..., 1])


def test_the_squared_error_is_the_mean_over_real_steps_however_items_fall_into_batches():
    model, given = small(), batch([9, 1, 5])
    given["targets"]["valence"][2] = torch.nan  # unlabelled: an error of 0
    whole = loss_of(model, given)
    with torch.no_grad():
        z = model(given["x"], given["lengths"]).numpy()
    errors = []
    for number, (name, scale) in enumerate(SCALES.items()):
        wanted = (given["targets"][name].numpy()[:, :9] - scale["mean"]) / scale["std"]
        errors.append(np.nansum((z[:, :, number] - wanted) ** 2) / 15)
    assert whole["items"] == 15 and float(whole["loss"].detach()) == pytest.approx(
        np.mean(errors), rel=1e-5
    )
    halves = [
        loss_of(
            model,
            {
                "x": given["x"][rows],
                "lengths": given["lengths"][rows],
                "targets": {name: labels[rows] for name, labels in given["targets"].items()},
            },
        )
        for rows in ([0], [1, 2])
    ]
    joined = sum(float(half["loss"].detach()) * half["items"] for half in halves) / 15
    assert joined == pytest.approx(float(whole["loss"].detach()), rel=1e-5)


def test_concordance_is_that_of_the_steps_of_all_items_together():
    given = batch([9, 1, 5])
    y, p = (
        given["targets"]["arousal"],
        torch.randn(3, 12, generator=torch.Generator().manual_seed(1)),
    )
    known = ~torch.isnan(y)
    a, b = y[known].numpy().astype(np.float64), p[known].numpy().astype(np.float64)
    lin = 2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    assert float(concordance(p, y)) == pytest.approx(lin, rel=1e-6)
    assert float(concordance(y, y)) == pytest.approx(1.0)
    assert float(squared_error(p, y)) == pytest.approx(((a - b) ** 2).sum(), rel=1e-6)


def test_without_a_label_the_losses_have_a_gradient_of_zero():
    p = torch.randn(2, 4, requires_grad=True)
    (
        concordance(p, torch.full((2, 4), torch.nan))
        + squared_error(p, torch.full((2, 4), torch.nan))
    ).backward()
    assert p.grad is not None and not p.grad.any()


@pytest.mark.parametrize("loss", ["mse", "ccc"])
def test_a_few_steps_learn_to_follow_a_feature(loss):
    model, given = small().train(), batch([30, 25, 20])
    for name, scale in SCALES.items():
        follow = scale["mean"] + scale["std"] * given["x"][:, :, 0].clamp(-2, 2)
        given["targets"][name][:, :30] = torch.where(
            torch.isnan(given["targets"][name][:, :30]), torch.nan, follow
        )
    model.dropout.p = model.projection[2].p = 0.0
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    before = float(loss_of(model, given, loss)["loss"].detach())
    for _ in range(30):
        optimizer.zero_grad()
        loss_of(model, given, loss)["loss"].backward()
        optimizer.step()
    assert float(loss_of(model, given, loss)["loss"].detach()) < before / 3


def test_concordance_is_refused_where_a_batch_is_cut_in_pieces():
    from steps.training.config import TrainingConfig
    from steps.training.distributed import World
    from steps.training.gradients import check_additive
    from utils.errors import UsageError

    objectives = {name: kind(small(), list(SCALES)) for name, kind in OBJECTIVES.items()}
    check_additive(objectives["ccc"], TrainingConfig(), World())
    for config, world in ((TrainingConfig(accumulate=2), World()), (TrainingConfig(), World(0, 2))):
        check_additive(objectives["mse"], config, world)
        with pytest.raises(UsageError):
            check_additive(objectives["ccc"], config, world)
