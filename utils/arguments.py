"""argparse whose mistakes end as every other mistake of a user: one line on standard error, exit status 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from utils.errors import UsageError


class ArgumentParser(argparse.ArgumentParser):
    """Use it inside `utils.errors.run_main`. Options cannot be abbreviated."""

    def __init__(self, *positional: object, **options: object):
        super().__init__(*positional, **{"allow_abbrev": False, **options})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """
        Raises:
            UsageError: always; argparse would print its usage over several lines first.
        """
        raise UsageError(f"{self.prog}: {message}; see --help")


def count(text: str) -> int:
    """The type of an option that says how many: 1 or more."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 999_999:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: 1 or more")
    return int(text)
