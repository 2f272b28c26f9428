"""argparse whose mistakes end as every other mistake of a user: one line on standard error, exit status 2."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from utils.errors import UsageError


class ArgumentParser(argparse.ArgumentParser):
    """Use it inside `utils.errors.run_main`. Options cannot be abbreviated."""

    def __init__(self, *positional: object, **options: object):
        super().__init__(*positional, **{"allow_abbrev": False, **options})  # type: ignore[arg-type]
        self.add_argument("--debug", action="store_true", help="show Python tracebacks")  # run_main takes it out
        self._now: dict[str, str] = {}

    def add_renamed(self, old: str, new: str) -> None:
        """Accept the earlier name `old` ("--label") of the option `new` ("--targets"), with a note that says so."""
        self._now[old] = new

    def present(self, words: Sequence[str]) -> list[str]:
        """The words with the present names of options; for a program that gives them to another one, too."""
        end = words.index("--") if "--" in words else len(words)
        return [*map(self._present, words[:end]), *words[end:]]

    def _present(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if name not in self._now:
            return word
        print(f"note: {name} is called {self._now[name]} now", file=sys.stderr)
        return f"{self._now[name]}{equals}{value}"

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """An option that does not exist is told before an argument that is missing."""
        words = self.present(list(sys.argv[1:] if args is None else args))
        end = words.index("--") if "--" in words else len(words)
        for word in words[:end]:
            name = word.partition("=")[0]
            if name.startswith("--") and " " not in word and name not in self._option_string_actions:
                near = difflib.get_close_matches(name, self._option_string_actions, n=1)
                raise UsageError(f"{self.prog}: unknown option {name}; "
                                 + (f"did you mean {near[0]}?" if near else "see --help"))
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """
        Raises:
            UsageError: always; argparse would print its usage over several lines first.
        """
        raise UsageError(f"{self.prog}: {message}; see --help")


def add_leave_out(parser: argparse.ArgumentParser) -> None:
    """--leave-out, of programs that gather what was trained."""
    parser.add_argument("--leave-out", type=str.split, default=[], metavar='"NAME ..."',
                        help="subsystems below EXP that are not looked at, because they are unfinished, say")


def count(text: str) -> int:
    """The type of an option that says how many: 1 or more."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 999_999:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: 1 or more")
    return int(text)


def whole(text: str) -> int:
    """The type of an option that is a number from 0 on, such as a seed."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: 0 to 999999999")
    return int(text)


def paths(text: str) -> list[Path]:
    """The type of an option that names several files or directories in one word; at least one."""
    if not text.split():
        raise argparse.ArgumentTypeError("it is empty; accepted: one path or more")
    return [Path(word) for word in text.split()]


def directory_or_none(text: str) -> Path | None:
    """As `directory`; empty, as a recipe passes an option without a value: None."""
    return directory(text) if text else None


def directory(text: str) -> Path:
    """The type of an option that names a directory that is there."""
    if not text or not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: no such directory")
    return Path(text)
