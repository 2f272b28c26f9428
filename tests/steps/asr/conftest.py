"""One suite for every engine that imports."""

import importlib.util

import pytest


@pytest.fixture(params=["torch", "k2"])
def engine_name(request):
    if request.param == "k2" and importlib.util.find_spec("k2") is None:
        pytest.skip("k2 is not installed here: the k2 engine is NOT tested in this environment")
    return request.param
