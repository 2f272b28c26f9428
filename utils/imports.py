"""Classes that a table names by text, "package.module:Name": imported when first asked for."""

from __future__ import annotations

import importlib
from typing import Any


def imported(name: str) -> Any:
    """What `name`, "package.module:Name", stands for. Only for names in tables of the code, never of a user's file."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
