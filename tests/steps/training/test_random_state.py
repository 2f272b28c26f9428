"""Random choices depend on seed, epoch and id alone."""

import random

import numpy as np
import torch

from steps.training.random_state import derive, generator, seed_everything, shuffled

IDS = [f"utterance {n}" for n in range(200)]


def test_the_order_of_an_epoch_does_not_depend_on_the_order_given():
    assert shuffled(IDS, 3, 7) == shuffled(reversed(IDS), 3, 7)


def test_each_epoch_and_each_seed_has_its_own_order():
    orders = {tuple(shuffled(IDS, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(order) == sorted(IDS) for order in orders)


def test_leaving_an_utterance_out_keeps_the_order_of_the_others():
    whole = shuffled(IDS, 1, 1)
    assert shuffled(IDS[:100] + IDS[101:], 1, 1) == [key for key in whole if key != IDS[100]]


def test_positions_are_uniform():
    first = [shuffled(IDS, 0, epoch)[:20] for epoch in range(200)]
    counts = [sum(key in chosen for chosen in first) for key in IDS]
    # Binomial(200, 0.1): mean 20, standard deviation 4.2; 6 deviations over 200 ids.
    assert min(counts) > 0 and max(counts) < 46


def test_parts_are_kept_apart():
    assert derive(1, "a", "bc") != derive(1, "ab", "c")
    assert 0 <= derive(1, "x") < 2**63


def test_seeding_covers_python_numpy_and_torch():
    def draw():
        seed_everything(5, "batch", 1)
        return random.random(), np.random.rand(), torch.rand(1).item(), generator(5, "x").random()

    first = draw()
    torch.rand(10)
    assert draw() == first
