"""Which Python files a stage runs, and their hashes: the static closure of imports within this repository.

The stage's shell script names its programs with `python -m x.y`; from there `import` lines are followed, found by a
regular expression (also those inside functions, where heavy imports stand). `--corpus NAME` adds local/NAME.py.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from utils.stages.command import Command

PACKAGES = ("utils", "steps", "local")
_MODULE = re.compile(r"-m\s+((?:utils|steps|local)(?:\.\w+)+)")
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)|import[ \t]+([\w., \t]+))",
                     re.MULTILINE)
_SCRIPT = re.compile(r"\b((?:steps|local)/\w+\.sh)\b")


class Code:
    """Reads each source file once in this process."""

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[Path, tuple[str, list[Path]]] = {}

    def of(self, words: list[str], command: Command) -> dict[str, str]:
        """File below the top level -> hash, for everything that a stage's command runs."""
        todo = [self._module(name) for name in _MODULE.findall(" ".join(words))]
        scripts = [self.root / name for name in _SCRIPT.findall(words[0])]
        for script in scripts:
            if script.is_file():
                text = script.read_text(encoding="utf-8", errors="replace")
                todo += [self._module(name) for name in _MODULE.findall(text)]
                scripts += [path for path in map(self.root.joinpath, _SCRIPT.findall(text)) if path not in scripts]
        todo += [self.root / "local" / f"{name}.py" for name in command.values("corpus")]
        files: dict[str, str] = {}
        while todo:
            path = todo.pop()
            if path is None or not path.is_file() or (name := str(path.relative_to(self.root))) in files:
                continue
            files[name], imports = self._read(path)
            todo += imports
        return {name: files[name] for name in sorted(files)}

    def _read(self, path: Path) -> tuple[str, list[Path]]:
        if path not in self._known:
            data = path.read_bytes()
            imports: list[Path] = []
            for base, names, plain in _IMPORT.findall(data.decode("utf-8", errors="replace")):
                for module in re.split(r"[\s,]+", plain.strip()) if plain else [base]:
                    imports += self._candidates(module)
                if base.split(".")[0] in PACKAGES:
                    for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", names):
                        imports += self._candidates(f"{base}.{name}")
            self._known[path] = hashlib.sha256(data).hexdigest()[:16], imports
        return self._known[path]

    def _candidates(self, module: str) -> list[Path]:
        path = self._module(module)
        return [path] if path is not None else []

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


def changed_files(recorded: dict[str, str], now: dict[str, str]) -> list[str]:
    """Files whose code differs between two closures, sorted."""
    return sorted(name for name in {*recorded, *now} if recorded.get(name) != now.get(name))
