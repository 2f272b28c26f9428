"""One clone with an undisturbed run of the tiny mini recipe, for every test that breaks something in it."""

from collections.abc import Iterator

import pytest

from tests.soak.kill import OPTIONS
from tests.soak.workshop import Workshop


@pytest.fixture(scope="session")
def broken_shop(tmp_path_factory) -> Iterator[Workshop]:
    """The workshop; each test begins with `restore` or replaces the work directory itself."""
    shop = Workshop(tmp_path_factory.mktemp("shop"), options=OPTIONS)
    try:
        shop.clone()
        shop.make_reference()
        yield shop
    finally:
        shop.kill_all(scheduled=True)
