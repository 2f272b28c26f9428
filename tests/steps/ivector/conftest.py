"""Frames with occupancies, for the tests of what is made of them."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def posteriors(rng):
    dense = rng.dirichlet(np.full(6, 0.3), size=40)
    dense[[3, 11]] = 0.0
    return dense
