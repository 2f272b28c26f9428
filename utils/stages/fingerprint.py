"""The fingerprint of a stage: everything that its results depend on, each part under a key that a person can read.

Parts, key -> text:
    command, option --NAME, argument I   the command line without what never changes results
    config NAME                          conf/NAME.yaml of the top level or of the recipe, by content
    file PATH                            an input: by content up to 8 MB (gzip decompressed), else by size and time
    files PATH                           a directory that no stage makes
    audio PATH                           path, size and time of every file below
    stage N                              fingerprint with which stage N made the inputs
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field

from utils.stages.command import CONFIGURATION, is_extent
from utils.stages.graph import Recipe, Stage
from utils.stages.outputs import files_below

SMALL = 8 * 1024 * 1024
"""Bytes up to which an input counts by its content."""


@dataclass
class State:
    """What a stage would run on now.

    Attributes:
        parts: see the module's text.
        runs: stage number (text) -> identifier of the run that made its outputs.
        missing: inputs that are not there and that no stage makes, in plain words.
        made: key of a part -> stages that make this input.
    """

    parts: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    made: dict[str, list[int]] = field(default_factory=dict)

    def put(self, key: str, text: str, producers: list[int] | None) -> None:
        """Set a part that describes an input."""
        self.parts[key] = text
        self.made[key] = producers or []

    @property
    def fingerprint(self) -> str:
        """Hash over all parts."""
        return _hash_parts(self.parts)

    def inputs_hash(self, generation: str) -> str:
        """EMOTION_STAGE_INPUTS: hash over the parts that are not the command line.

        Args:
            generation: identifier of the run that began from scratch, so that markers of single tasks lose their value
                with the outputs that they speak of.
        """
        parts = {key: text for key, text in self.parts.items() if not key.startswith(("command", "option", "argument"))}
        return _hash_parts({**parts, "generation": generation})


class Inputs:
    """Reads inputs; remembers file contents within this process by (size, times, inode)."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._digests: dict[tuple[object, ...], str] = {}

    def state(self, stage: Stage, records: dict[int, dict | None]) -> State:
        """The stage's present state.

        Args:
            records: markers of finished earlier stages (None: never finished).
        """
        state = State(stage.command.components())
        for name in sorted(set(stage.command.values(*CONFIGURATION))):
            self._add_configuration(state, name)
        for path in stage.inputs:
            self._add_input(state, stage, path)
        for path in stage.audio:
            self._add_audio(state, stage, path)
        for number in stage.upstream:
            marker = records.get(number) or {}
            state.parts[f"stage {number}"] = marker.get("fingerprint", "none")
            state.runs[str(number)] = marker.get("run", "none")
        return state

    def _add_configuration(self, state: State, name: str) -> None:
        if name.endswith((".yaml", ".yml")):
            state.parts[f"config {name}"] = self.content(os.path.join(self.recipe.directory, name))
            return
        top = self.content(self.recipe.root / "conf" / f"{name}.yaml")
        own = self.content(self.recipe.directory / "conf" / f"{name}.yaml")
        if top != "absent":
            state.parts[f"config conf/{name}.yaml (top level)"] = top
        if own != "absent":
            state.parts[f"config conf/{name}.yaml"] = own

    def _add_input(self, state: State, stage: Stage, path: str) -> None:
        where = os.path.join(self.recipe.directory, path)
        shown = self.shown(path)
        if not path or not os.path.exists(where):
            if not stage.producers.get(path):
                state.missing.append(self._missing(stage, "--in", path))
            state.put(f"file {shown}", "absent", stage.producers.get(path))
        elif not os.path.isdir(where):
            state.put(f"file {shown}", self.content(where), stage.producers.get(path))
        elif not stage.producers[path]:
            state.parts[f"files {shown}"] = self._listing(where)

    def _add_audio(self, state: State, stage: Stage, path: str) -> None:
        where = os.path.join(self.recipe.directory, path)
        text = "absent"
        if path and os.path.isdir(where):
            text = self._listing(where, everything=not stage.producers.get(path))
        if (text == "absent" or text.startswith("0 files")) and not stage.producers.get(path):
            state.missing.append(self._missing(stage, "--in-audio", path, text != "absent"))
        state.put(f"audio {self.shown(path)}", text, stage.producers.get(path))

    def _missing(self, stage: Stage, kind: str, path: str, empty_directory: bool = False) -> str:
        what = "a directory of recordings" if kind == "--in-audio" else "an input file"
        names = [name for name, value in self.recipe.options.items() if value == path]
        if not path:
            likely = ("dir", "path", "file", "tsv", "table", "corpus")
            names = [name for name in names if name.endswith(likely)] or names
        elif not names:
            names = [name for name, value in self.recipe.options.items() if any(
                f"{path}/".startswith(f"{word.rpartition('=')[2]}/") for word in (value, *value.split()) if word)]
        hint = f"give it with --{names[0]}" if names and not path else f"check --{names[0]}" if names else ""
        if not path:
            return f"{stage} needs {what}, but its path is empty" + (f"; {hint}" if hint else "")
        if empty_directory:
            return f"{stage} needs {path}, which holds no files" + (f"; {hint}" if hint else "")
        if kind == "--in-audio" and os.path.exists(os.path.join(self.recipe.directory, path)):
            return f"{stage} needs {path} to be a directory" + (f"; {hint}" if hint else "")
        seen = "" if os.path.isabs(path) else f" as seen from {self.shown(str(self.recipe.directory))}"
        return f"{stage} needs {path}, which does not exist{seen} and no stage makes" + (f"; {hint}" if hint else "")

    def shown(self, path: str) -> str:
        """A path as a person wants to read it: below the top level relative to it, else as written."""
        absolute, root = os.path.normpath(path), f"{self.recipe.root}/"
        return absolute[len(root):] if absolute.startswith(root) else path

    @staticmethod
    def _listing(directory: str, everything: bool = True) -> str:
        """Number, bytes and a hash over path, size and time of the files below a directory."""
        digest, count, size = hashlib.sha256(), 0, 0
        for name, stat in files_below(directory, everything):
            digest.update(os.fsencode(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0"))
            count, size = count + 1, size + stat.st_size
        return f"{count} files, {size} bytes, {digest.hexdigest()[:24]}"

    def content(self, path: str | os.PathLike[str]) -> str:
        """A small file by its content, a large one by size and time, "absent" if there is none."""
        try:
            stat = os.stat(path)
        except OSError:
            return "absent"
        if stat.st_size > SMALL:
            return f"{stat.st_size} bytes of {stat.st_mtime_ns}"
        key = (os.fspath(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if key not in self._digests:
            self._digests[key] = _digest(path)
        return self._digests[key]


def _digest(path: str | os.PathLike[str]) -> str:
    """Hash of a file's content; of the decompressed content if it is gzip (its header holds a time)."""
    if os.fspath(path).endswith(".gz"):
        digest = hashlib.sha256()
        try:
            with gzip.open(path, "rb") as stream:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
            return digest.hexdigest()[:24]
        except (OSError, EOFError, zlib.error):  # not gzip, or damaged: as it is
            pass
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()[:24]


def _hash_parts(parts: dict[str, str]) -> str:
    text = "\0".join(f"{key}\0{parts[key]}" for key in sorted(parts))
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]


def differences(old: dict, state: State, ran: Collection[int] = ()) -> tuple[list[str], bool]:
    """What changed since a recorded run.

    Args:
        old: a marker with "parts" and "runs".
        ran: stages that will have run by then; what they make is not compared.

    Returns:
        (reasons in plain words, whether only the extent changed).
    """
    parts, runs = old.get("parts", {}), old.get("runs", {})
    again = {number for number in {*runs, *state.runs}
             if runs.get(number) != state.runs.get(number) and int(number) not in ran}
    reasons = [f"stage {number} ran again" for number in sorted(again, key=int)]
    only_extent = not reasons
    for key in [*state.parts, *(key for key in parts if key not in state.parts)]:
        before, now = parts.get(key), state.parts.get(key)
        if before == now or any(number in ran for number in state.made.get(key, ())):
            continue
        if key.startswith("stage ") and int(key[6:]) in ran:
            continue
        only_extent = only_extent and is_extent(key)
        if not (key.startswith("stage ") and key[6:] in again):
            reasons.append(_difference(key, before, now))
    return reasons, only_extent


def _difference(key: str, before: str | None, now: str | None) -> str:
    kind, _, name = key.partition(" ")
    if kind in ("option", "argument", "command"):
        if before is None:
            return f"{key} is new: {now}"
        if now is None:
            return f"{key} was {before}, is gone"
        before, now = _apart(before, now)
        return f"{key} was {before}, is {now}"
    if before in (None, "absent"):
        return f"{name} is new"
    if now in (None, "absent"):
        return f"{name} is gone"
    if kind in ("audio", "files"):
        count, had = now.split(",")[0], before.split(",")[0]
        return f"files under {name} changed ({count}{'' if count == had else f', were {had}'})"
    if kind == "stage":
        return f"stage {name} ran with other settings"
    return f"{name} changed"


def _apart(before: str, now: str) -> tuple[str, str]:
    """Two long values without the words that they begin and end with alike."""
    old, new = before.split(" "), now.split(" ")
    if len(before) + len(now) <= 200:
        return before, now
    head = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - head
    tail = next((k for k, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b or k == rest), rest)

    def shown(words: list[str]) -> str:
        middle = words[head:len(words) - tail] or ["(nothing)"]
        return " ".join([*(["..."] if head else []), *middle, *(["..."] if tail else [])])

    return shown(old), shown(new)
