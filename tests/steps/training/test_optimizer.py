"""A trunk that learns at a rate of its own: the model says which layers these are."""

from types import SimpleNamespace

import pytest
from torch import nn

from steps.training.config import OptimizerConfig
from steps.training.optimizer import make_optimizer
from utils.errors import UsageError


class Network(nn.Module):
    """The attribute `trunk` is a decoy: only what trunk_layers says counts."""

    def __init__(self, layers):
        super().__init__()
        self.trunk, self.body, self.heads = nn.Linear(2, 2), nn.Linear(3, 3), nn.Linear(4, 4)
        self.layers = layers

    def trunk_layers(self):
        return getattr(self, self.layers) if self.layers else None


def groups(layers, rate):
    """[(share of the learning rate, widths of the layers in the group)]."""
    model = Network(layers)
    made = make_optimizer(model, SimpleNamespace(optimizer=OptimizerConfig(), backbone_lr_scale=rate))
    return [(group.get("share", 1.0), sorted({len(one) for one in group["params"]})) for group in made.param_groups]


def test_the_model_says_which_layers_learn_at_the_rate_of_the_trunk():
    assert groups("body", 0.1) == [(0.1, [3]), (1.0, [2, 4])]
    assert groups("body", 1.0) == [(1.0, [2, 3, 4])]


def test_a_rate_for_the_trunk_of_a_network_that_has_none_is_refused():
    with pytest.raises(UsageError, match="backbone_lr_scale is 0.1, but Network has no trunk"):
        groups(None, 0.1)
