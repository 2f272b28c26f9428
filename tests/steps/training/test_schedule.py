"""Learning-rate schedules against their closed forms."""

import math

import pytest

from steps.training.config import ScheduleConfig
from steps.training.schedule import factor


def values(kind, steps, steps_per_epoch=10, epochs=10, **options):
    return [factor(ScheduleConfig(kind=kind, **options), step, steps_per_epoch, epochs) for step in steps]


def test_constant():
    assert values("constant", [0, 5, 99]) == [1.0, 1.0, 1.0]


def test_step_falls_every_so_many_epochs():
    assert values("step", [0, 19, 20, 39, 40], step_epochs=2, step_factor=0.1) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_cosine_goes_from_one_to_its_end():
    assert values("cosine", [0, 50, 100], final=0.2) == pytest.approx([1.0, 0.6, 0.2])


def test_warmup_rises_linearly_then_falls_with_the_root():
    assert values("warmup", [0, 1, 3, 15], warmup_steps=4) == pytest.approx([0.25, 0.5, 1.0, math.sqrt(4 / 16)])


@pytest.mark.parametrize("kind", ["constant", "step", "cosine"])
def test_every_kind_can_warm_up(kind):
    assert values(kind, [0, 1], warmup_steps=4) == pytest.approx([0.25, 0.5])
