"""One clone with an undisturbed run of the tiny mini recipe, for every test that breaks something in it."""

import pytest

from tests.soak.kill import OPTIONS
from tests.soak.workshop import Workshop


@pytest.fixture(scope="session")
def broken_shop(tmp_path_factory) -> Workshop:
    """The workshop; each test begins with `restore` or replaces the work directory itself."""
    shop = Workshop(tmp_path_factory.mktemp("shop"), options=OPTIONS)
    shop.clone()
    shop.make_reference()
    return shop
