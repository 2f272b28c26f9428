"""The command line of a stage, split into what changes results and what does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

FREE = ("nj", "tasks", "cmd", "device", "num-workers", "max-jobs-run")
"""Options of stage commands that never change results; each has a value."""

EXTENT = ("seeds", "folds", "norms")
"""Options that say how much is computed: if only these change, what is there stays and the stage goes on from it."""

CONFIGURATION = ("config", "features", "inputs")
"""Options whose value NAME stands for conf/NAME.yaml of the top level and of the recipe."""

SETTINGS = "set"
"""The option over configurations; a word NAME:KEY=VALUE concerns conf/NAME.yaml alone."""

WORDS = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*"|['"])+\s*|\s+""")


@dataclass
class Command:
    """Parsed words of a stage's command.

    Attributes:
        program: first word.
        options: name without -- -> its values in order; None for an option without a value.
        positional: the other words.
    """

    program: str
    options: dict[str, list[str | None]] = field(default_factory=dict)
    positional: list[str] = field(default_factory=list)

    def values(self, *names: str) -> list[str]:
        """The words in the values of some options."""
        return [word for name in names for value in self.options.get(name, ()) if value for word in value.split()]

    def components(self, conf: Iterable[str] = ()) -> dict[str, str]:
        """What of the command enters the fingerprint: key -> text.

        Args:
            conf: configurations that the command reads beside those of its options.
        """
        parts, known = {"command": self.program}, {*self.values(*CONFIGURATION), *conf}
        for name in sorted(self.options):
            values = self.options[name]
            if name == SETTINGS:
                values = [value and own_settings(value, known) for value in values]
            parts[f"option --{name}"] = "precomputed" if values == [None] else " ".join(repr(value) for value in values)
        for index, word in enumerate(self.positional, 1):
            parts[f"argument {index}"] = repr(word)
        return parts


def own_settings(text: str, configurations: Collection[str]) -> str:
    """`--set "KEY=VALUE NAME:KEY=VALUE ..."` without the words that concern other configurations."""
    kept, word = [], ""
    for piece in WORDS.findall(text):
        word += piece
        if any(word.count(opening) > word.count(closing) for opening, closing in ("[]", "{}")):
            continue  # a value in brackets may hold spaces
        scope, colon, _ = word.strip().strip("'\"").partition("=")[0].partition(":")
        if not colon or scope in configurations:
            kept.append(word)
        word = ""
    return "".join(kept) + word


def parse_command(words: list[str], free: Iterable[str] = ()) -> Command:
    """Split a command into options and positional words; free options are left out.

    A word after `--name` counts as its value unless it starts with `--`. That a flag before a positional word looks
    like an option with a value changes the wording of a message at most, never what is compared.
    """
    unimportant = {*FREE, *free}
    command = Command(words[0])
    index = 1
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("--") or word == "--":
            command.positional.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        given: str | None = value if equals else None
        if not equals and index < len(words) and (name in unimportant or not words[index].startswith("--")):
            given = words[index]
            index += 1
        if name not in unimportant:
            command.options.setdefault(name, []).append(given)
    return command


def is_extent(key: str) -> bool:
    """Whether a component's key is an option of extent."""
    return key in {f"option --{name}" for name in EXTENT}
