"""Fixtures of the tests of steps."""

from tests.steps.toy_data import make_dataset, toy, toy_frames  # noqa: F401
