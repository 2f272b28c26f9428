"""Imports run downward only: a room imports rooms below it, types and lazy imports included; there is no circle."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the top down. A room may import any room that stands after it.
ROOMS = (
    "audit", "noise", "inference",
    "experiments",
    "subsystems",
    "semi_supervised",
    "examples",
    "inputs",
    "report", "fusion", "ivector",
    "asr/transcripts", "asr/train", "asr/decode", "asr/phones", "asr/recognizers", "asr/large", "asr/lm", "asr",
    "scoring", "features", "text", "data",
    "components", "models", "training",
)
# The table of extractors names the one of i-vectors, which itself reads the features below it.
NAMED_UPWARD = {("steps/features/registry.py", "steps.ivector.extract")}


def room_of(module: str) -> str:
    """The room of a dotted module below steps: `steps.asr.lm.ngram` -> asr/lm, `steps.asr.units` -> asr."""
    parts = module.split(".")[1:]
    inner = len(parts) > 1 and (ROOT / "steps" / parts[0] / parts[1]).is_dir() and f"{parts[0]}/{parts[1]}" in ROOMS
    return "/".join(parts[:2]) if inner else parts[0]


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def named(path: Path) -> Iterator[str]:
    """Every module that a table of the file names: "steps.a.b:Class"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^(steps(?:\.\w+)+):\w+$", node.value)


def files(top: str) -> list[Path]:
    return sorted((ROOT / top).rglob("*.py"))


def test_every_room_is_in_the_table():
    here = {room_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in files("steps")
            if path.parent != ROOT / "steps"}
    assert here == set(ROOMS) & here, sorted(here - set(ROOMS))


def test_steps_import_rooms_below_their_own_alone():
    wrong = []
    for path in files("steps"):
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module in (*imported(path), *named(path)):
            if not module.startswith("steps.") or own not in ROOMS:
                continue
            room = room_of(module)
            if room != own and room in ROOMS and ROOMS.index(room) < ROOMS.index(own):
                wrong.append((str(path.relative_to(ROOT)), module))
    assert set(wrong) == NAMED_UPWARD


@pytest.mark.parametrize(("top", "forbidden"), [
    ("utils", ("steps", "local", "torch", "lhotse")), ("local", ("steps", "torch", "lhotse")),
    ("steps", ("local", "egs", "tests"))])
def test_what_stands_below_knows_nothing_of_what_stands_above(top, forbidden):
    wrong = [f"{path.relative_to(ROOT)} imports {module}" for path in files(top) for module in imported(path)
             if module.split(".")[0] in forbidden]
    assert not wrong, "\n".join(wrong)


def test_no_circle_of_files():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
               for top in ("steps", "utils", "local") for path in files(top)}
    graph = {name: {next((part for part in (module, module.rpartition(".")[0]) if part in modules), name)
                    for module in imported(path)} - {name} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > len(graph), "the imports were not read"
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
