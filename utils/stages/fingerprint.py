"""The fingerprint of a stage: everything that its results depend on, each part under a key that a person can read.

Parts, key -> text:
    command, option --NAME, argument I   the command line without what never changes results
    config NAME                          conf/NAME.yaml of the top level or of the recipe, by content
    file PATH                            an input: by content up to 8 MB (gzip decompressed), else by size and time
    files PATH                           a directory that no stage makes
    audio PATH                           path, size and time of every file below
    sound PATH                           of a manifest, what features are made of (manifest.py)
    images PATH                          of a manifest, the images that it names
    late PATH                            an input of the stage's end by content; finished tasks do not depend on it
    code PATH                            a module of this repository and what it imports, without comments
    stage N                              fingerprint with which stage N made the inputs
    recordings PATH                      the files that an output names, as they were when the stage ended
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat as modes
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from utils.errors import UsageError
from utils.stages.code_hash import Code
from utils.stages.command import CONFIGURATION, SETTINGS
from utils.stages.graph import Recipe, Stage
from utils.stages.manifest import images, sound
from utils.stages.number import StageNumber
from utils.stages.outputs import files_below

SMALL = 8 * 1024 * 1024
"""Bytes up to which an input counts by its content."""

LARGE = 64 * 1024 * 1024
"""Bytes up to which a manifest is read for what it says of sound (a million utterances, some ten seconds)."""

TINY = re.compile(rb"^tiny:.*\n?(?:(?:[ \t].*|)\n|[ \t].*\Z)*", re.MULTILINE)
"""The group `tiny:` of a configuration: what `--set size=tiny` stands for (utils/config.py)."""

OWN, LATE = "recordings ", "late "
"""Parts that finished tasks of the stage do not depend on."""


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
    made: dict[str, list[StageNumber]] = field(default_factory=dict)

    def put(self, key: str, text: str, producers: list[StageNumber] | None) -> None:
        """Set a part that describes an input."""
        self.parts[key] = text
        self.made[key] = producers or []

    @property
    def fingerprint(self) -> str:
        """Hash over all parts but what the stage's own outputs say."""
        return _hash_parts({key: text for key, text in self.parts.items() if not key.startswith(OWN)})

    def inputs_hash(self, generation: str) -> str:
        """EMOTION_STAGE_INPUTS: hash over the parts that are not the command line and that tasks depend on.

        Args:
            generation: identifier of the run that began from scratch, so that markers of single tasks lose their value
                with the outputs that they speak of.
        """
        others = ("command", "option", "argument", LATE, OWN)
        parts = {key: text for key, text in self.parts.items() if not key.startswith(others)}
        return _hash_parts({**parts, "generation": generation})


class Inputs:
    """Reads inputs; remembers file contents within this process by (size, times, inode)."""

    def __init__(self, recipe: Recipe, code: Code):
        self.recipe, self.code = recipe, code
        self._digests: dict[tuple[object, ...], str] = {}

    def state(self, stage: Stage, records: dict[StageNumber, dict | None], first_format: bool = False) -> State:
        """The stage's present state.

        Args:
            records: markers of finished earlier stages (None: never finished).
            first_format: as the first format of markers had it: every input as `--in`, every run of a stage counts.
        """
        state = State(stage.command.components(stage.conf))
        tiny = "size=tiny" in stage.command.values(SETTINGS)
        for name in sorted({*stage.command.values(*CONFIGURATION), *(() if first_format else stage.conf)}):
            self._add_configuration(state, name, tiny)
        for path in [*stage.inputs, *(dict.fromkeys([*stage.sound, *stage.late]) if first_format else ())]:
            self._add_input(state, stage, path)
        for path in stage.audio:
            self._add_audio(state, stage, path)
        if not first_format:
            self._add_by_content(state, stage)
        for number in stage.upstream if first_format else stage.follows:
            marker = records.get(number) or {}
            seen = marker.get("same_as", marker)
            state.parts[f"stage {number}"] = seen.get("fingerprint", "none")
            state.runs[str(number)] = seen.get("run", "none")
        return state

    def _add_by_content(self, state: State, stage: Stage) -> None:
        """What counts whichever run made it."""
        for kind, paths, digest in (("sound", stage.sound, self.sound),
                                    ("images", stage.images, self.images),
                                    ("late", stage.late, self.tree)):
            for path in paths:
                where = os.path.join(self.recipe.directory, path)
                there = bool(path) and os.path.exists(where)
                if not there and not stage.producers.get(path):
                    state.missing.append(self._missing(stage, f"--in-{kind}", path))
                state.put(f"{kind} {self.shown(path)}", digest(where) if there else "absent", stage.producers.get(path))
        for path in stage.code:
            state.parts[f"code {self.shown(path)}"] = self.code.digest(path)
        state.parts |= self.own_parts(stage)

    def own_parts(self, stage: Stage) -> dict[str, str]:
        """What the stage's own outputs say that it has read."""
        places = {path: os.path.join(self.recipe.directory, path) for path in stage.names}
        return {f"{OWN}{self.shown(path)}": self.sound(where) if os.path.exists(where) else "absent"
                for path, where in places.items()}

    def _add_configuration(self, state: State, name: str, tiny: bool) -> None:
        if name.endswith((".yaml", ".yml")):
            state.parts[f"config {name}"] = self._configuration(os.path.join(self.recipe.directory, name), tiny)
            return
        top = self._configuration(self.recipe.root / "conf" / f"{name}.yaml", tiny)
        own = self._configuration(self.recipe.directory / "conf" / f"{name}.yaml", tiny)
        if top != "absent":
            state.parts[f"config conf/{name}.yaml (top level)"] = top
        if own != "absent":
            state.parts[f"config conf/{name}.yaml"] = own

    def _configuration(self, path: str | os.PathLike[str], tiny: bool) -> str:
        """A configuration by its content; the group `tiny:` counts where the stage reads it alone."""
        found = self.content(path)
        if tiny or found == "absent" or os.stat(path).st_size > SMALL:
            return found
        return self._once("config", path, os.stat(path), _digest_without_tiny)

    def _add_input(self, state: State, stage: Stage, path: str) -> None:
        where = os.path.join(self.recipe.directory, path)
        shown = self.shown(path)
        if not path or not os.path.exists(where):
            if not stage.producers.get(path):
                state.missing.append(self._missing(stage, "--in", path))
            state.put(f"file {shown}", "absent", stage.producers.get(path))
        elif not os.path.isdir(where):
            if not os.path.isfile(where):
                state.missing.append(self._missing(stage, "--in", path))
                return
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
            if len(names) > 1 and not names[0].endswith(likely):  # which of them is not known
                return f"{stage} needs {what}, but its path is empty, and so are --{', --'.join(names)}"
        elif not names:
            names = [name for name, value in self.recipe.options.items() if any(
                f"{path}/".startswith(f"{word.rpartition('=')[2]}/") for word in (value, *value.split()) if word)]
        hint = f"give it with --{names[0]}" if names and not path else f"check --{names[0]}" if names else ""
        if not path:
            return f"{stage} needs {what}, but its path is empty" + (f"; {hint}" if hint else "")
        if empty_directory:
            return f"{stage} needs {path}, which holds no files" + (f"; {hint}" if hint else "")
        if os.path.exists(os.path.join(self.recipe.directory, path)):
            wanted = "directory" if kind == "--in-audio" else "regular file or a directory, no pipe and no device"
            return f"{stage} needs {path} to be a {wanted}" + (f"; {hint}" if hint else "")
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
        """A small file by its content, a large one by size and time, "absent" if there is none.

        Raises:
            UsageError: it is neither a file nor a directory: opening a pipe would never end.
        """
        try:
            stat = os.stat(path)
        except OSError:
            return "absent"
        if not modes.S_ISREG(stat.st_mode):
            raise UsageError(f"{os.fspath(path)} is a pipe, a device or a directory; expected a regular file")
        if stat.st_size > SMALL:
            return f"{stat.st_size} bytes of {stat.st_mtime_ns}"
        return self._once("content", path, stat, _digest)

    def sound(self, path: str) -> str:
        """A manifest by what features are made of; what is none, and a very large one, as `content` has it."""
        return self._of_manifest("sound", path, sound)

    def images(self, path: str) -> str:
        """A manifest by the files of images that it names; otherwise as `sound`."""
        return self._of_manifest("images", path, images)

    def _of_manifest(self, kind: str, path: str, make: Callable[[str], str | None]) -> str:
        if not os.path.isfile(path) or os.stat(path).st_size > LARGE:
            return self.tree(path)
        return self._once(kind, path, os.stat(path), make) or self.content(path)

    def tree(self, path: str) -> str:
        """A file by its content, a directory by that of the files below."""
        if not os.path.isdir(path):
            return self.content(path)
        return _hash_parts({name: self.content(os.path.join(path, name)) for name, _ in files_below(path)})

    def _once(self, kind: str, path: str | os.PathLike[str], stat: os.stat_result, make: Callable[..., str]) -> str:
        key = (kind, os.fspath(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if key not in self._digests:
            self._digests[key] = make(path)
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


def _digest_without_tiny(path: str | os.PathLike[str]) -> str:
    """As `_digest` of the same file without its group `tiny:`."""
    with open(path, "rb") as stream:
        return hashlib.sha256(TINY.sub(b"", stream.read())).hexdigest()[:24]


def _hash_parts(parts: dict[str, str]) -> str:
    text = "\0".join(f"{key}\0{parts[key]}" for key in sorted(parts))
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]
