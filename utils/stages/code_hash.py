"""Which files of this repository a stage's command runs, and whether they have changed since.

What a stage has loaded, its processes tell when they end (utils/loaded.py). Before it has ended once, and of commands
that load nothing of ours, the closure of imports stands for it: the stage's script names its programs with
`python -m x.y` or `front_end_python x.y`; from there `import` lines are followed, also those inside functions, and
modules that a table names in strings. Shell scripts count always.

A file counts by its content; where that differs, by what is left without comments, docstrings and formatting.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from utils.loaded import counts
from utils.stages.command import Command

PACKAGES = ("utils", "steps", "local")
_NAME = r"(?:utils|steps|local)(?:\.\w+)+"
_MODULE = re.compile(rf"(?:-m|front_end_python)\s+({_NAME})")
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)|import[ \t]+([\w., \t]+))",
                     re.MULTILINE)
_TABLE = re.compile(rf"""["']({_NAME})(?::\w+)?["']""")
_PACKAGE = re.compile(rf"""f["']({_NAME})\.\{{""")
_BESIDE = re.compile(r"""["'](\w+\.py)["']""")
_SCRIPT = re.compile(r"\b((?:steps|local|utils)/\w+\.sh)\b")
_USAGE = re.compile(r"^usage\(\) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)


class Code:
    """Reads each state of a source file once in this process."""

    def __init__(self, root: Path):
        self.root = root
        self._content: dict[Path, tuple[tuple[int, int, int], bytes, str]] = {}
        self._imports: dict[Path, list[Path]] = {}
        self._bare: dict[bytes, str] = {}

    def of(self, words: list[str], command: Command, directory: Path | None = None) -> dict[str, str]:
        """File below the top level -> hash of its content, for everything that a stage's command may run.

        Args:
            directory: from which it runs.
        """
        scripts = self.scripts(words, directory)
        texts = [" ".join(words), *(self._read(path).decode("utf-8", "replace") for path in scripts)]
        todo = [self._module(name) for text in texts for name in _MODULE.findall(text)]
        todo += [self.root / "local" / f"{name}.py" for name in command.values("corpus")]
        found = self._closure(todo)
        return {name: self._hash(self.root / name) for name in sorted({*found, *map(self._name, scripts)})}

    def scripts(self, words: list[str], directory: Path | None = None) -> list[Path]:
        """The shell scripts of a command, and those that they name."""
        first = [self.root / name for name in _SCRIPT.findall(words[0])]
        if directory is not None and "/" in words[0] and words[0].endswith(".sh"):
            first.append(Path(os.path.normpath(directory / words[0])))
        scripts: list[Path] = []
        while first:
            path = first.pop()
            if path in scripts or not path.is_file() or not path.is_relative_to(self.root) \
                    or not counts(self._name(path)):
                continue
            scripts.append(path)
            named = _SCRIPT.findall(_bare_shell(self._read(path).decode("utf-8", "replace")))
            first += [self.root / name for name in named]
        return scripts

    def beside(self, names: Iterable[str]) -> set[str]:
        """Programs that modules start by the name of a file next to them."""
        return {self._name(path) for name in names if name.endswith(".py")
                for path in self._follow(self.root / name) if path.parent == (self.root / name).parent
                and path.name in _BESIDE.findall(self._read(self.root / name).decode("utf-8", "replace"))}

    def digest(self, name: str) -> str:
        """One hash over a module and what it imports of its own room, without comments and docstrings."""
        path = Path(name) if os.path.isabs(name) else self.root / name
        if not path.is_file():
            return "absent"
        room = os.path.relpath(path, self.root).split(os.sep)[0]
        files = [found for found in self._closure([path]) if found.startswith(f"{room}/")]
        text = "".join(f"{found} {self.bare(self.root / found)}\n" for found in sorted(files))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def record(self, started: dict[str, str]) -> dict[str, str]:
        """What a marker holds of files with these hashes: `content:bare`, where the content is still that one."""
        return {name: f"{content}:{self.bare(self.root / name)}" if self._hash(self.root / name) == content else content
                for name, content in started.items()}

    def changed(self, recorded: dict[str, str]) -> list[str]:
        """Files with other code than the marker says, sorted."""
        found = []
        for name, value in recorded.items():
            content, _, bare = value.partition(":")
            path = self.root / name
            if self._hash(path) != content and not (bare and path.is_file() and self.bare(path) == bare):
                found.append(name)
        return sorted(found)

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """File -> hash of its content, for those that are there."""
        return {name: found for name in sorted(names) if (found := self._hash(self.root / name))}

    def bare(self, path: Path) -> str:
        """Hash of a file without comments, docstrings and formatting."""
        content = self._read(path)
        if content not in self._bare:
            text = content.decode("utf-8", "replace")
            left = _bare_python(text) if path.suffix == ".py" else _bare_shell(text)
            self._bare[content] = hashlib.sha256(left.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return self._bare[content]

    def _hash(self, path: Path) -> str:
        """Of a file's content; "" of what is none."""
        return self._look(path)[1]

    def _read(self, path: Path) -> bytes:
        return self._look(path)[0]

    def _look(self, path: Path) -> tuple[bytes, str]:
        """Content and its hash, read again when the file was written again: a run may take days."""
        try:
            about = path.stat()
        except OSError:
            return b"", ""
        key = (about.st_mtime_ns, about.st_size, about.st_ino)
        known = self._content.get(path)
        if known is None or known[0] != key:
            content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
            known = self._content[path] = key, content, hashlib.sha256(content).hexdigest()[:16]
            self._imports.pop(path, None)
        return known[1], known[2]

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.root)

    def _closure(self, todo: list[Path | None]) -> set[str]:
        files: set[str] = set()
        while todo:
            path = todo.pop()
            if path is None or not path.is_file() or (name := self._name(path)) in files:
                continue
            files.add(name)
            todo += self._follow(path)
        return {name for name in files if counts(name)}

    def _follow(self, path: Path) -> list[Path]:
        """The files of this repository that a file names."""
        if path not in self._imports:
            text = self._read(path).decode("utf-8", "replace")
            modules = _TABLE.findall(text)
            for base, names, plain in _IMPORT.findall(text):
                modules += re.split(r"[\s,]+", plain.strip()) if plain else [base]
                if base.split(".")[0] in PACKAGES:
                    modules += [f"{base}.{name}" for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", names)]
            found = [place for name in modules if (place := self._module(name)) is not None]
            for package in _PACKAGE.findall(text):
                found += sorted(self.root.joinpath(*package.split(".")).glob("*.py"))
            found += [place for name in _BESIDE.findall(text) if (place := path.with_name(name)).is_file()]
            self._imports[path] = found
        return self._imports[path]

    def _module(self, name: str) -> Path | None:
        """File of a module of this repository; None if it is none."""
        parts = name.split(".")
        if parts[0] not in PACKAGES:
            return None
        base = self.root.joinpath(*parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        return None


def _bare_python(text: str) -> str:
    """The syntax tree as text, without docstrings; of what is no Python the text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # any string that stands alone: it does nothing
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _bare_shell(text: str) -> str:
    """The lines that are no comment, without the text of --help."""
    lines = [line.strip() for line in _USAGE.sub("", text).splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))
