"""Stages as a recipe declares them, and the graph that their inputs and outputs form."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import UsageError
from utils.stages.command import Command, parse_command
from utils.stages.number import StageNumber

LEFT_OUT = "{left-out}"
"""Word of a command in whose place the names of absent members stand; without any it goes, and the option before it."""

OTHERS = ("--needs", "--name", "--in-if-there", "--in-member", "--at-least")


@dataclass
class Stage:
    """One declared stage. Paths are as written in the recipe, relative to its directory.

    Attributes:
        name: of the subsystem that it trains, for --only; "" of all other stages.
        inputs, audio, sound, images, late, code, conf: what it reads; see utils/stage.sh.
        updates: outputs that the command changes in place.
        names: outputs that name recordings. same: outputs that may come out as they were.
        optional: inputs that it can do without. members: those of them that are subsystems, with their names.
        absent: names of members that are not there.
        at_least: members without which it has nothing to do. declared: the words with the place for absent members.
        producers: declared input path -> numbers of the stages that make it.
        upstream: numbers of all stages that this one needs directly, ascending.
        follows: those of them whose every run counts; of the others only what they made does.
    """

    number: StageNumber
    title: str
    words: list[str]
    inputs: list[str] = field(default_factory=list)
    audio: list[str] = field(default_factory=list)
    sound: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    conf: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    updates: list[str] = field(default_factory=list)
    name: str = ""
    optional: list[str] = field(default_factory=list)
    members: dict[str, str] = field(default_factory=dict)
    at_least: int = 0
    declared: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    needs: list[StageNumber] = field(default_factory=list)
    producers: dict[str, list[StageNumber]] = field(default_factory=dict)
    upstream: list[StageNumber] = field(default_factory=list)
    follows: list[StageNumber] = field(default_factory=list)
    command: Command = field(default_factory=lambda: Command(""))

    def __str__(self) -> str:
        return f"stage {self.number} ({self.title})"


@dataclass
class Switches:
    """The standard options of a recipe."""

    stage: StageNumber | None
    stop_stage: StageNumber | None
    why: StageNumber | None
    show: StageNumber | None
    dry_run: bool
    force: bool
    strict_code: bool
    trust_earlier: bool
    debug: bool
    only: str
    stages: bool


@dataclass
class Recipe:
    """Everything that run.sh hands over.

    Attributes:
        directory: the recipe's directory, working directory of every stage.
        work: directory of markers and lock, relative to `directory`.
        command: run.sh as the user called it.
        options: name -> value of the recipe's own options.
        left_out: stages that --only has taken out of `stages`.
    """

    root: Path
    directory: Path
    work: Path
    free: list[str]
    command: list[str]
    switches: Switches
    options: dict[str, str]
    stages: dict[StageNumber, Stage]
    left_out: dict[StageNumber, Stage] = field(default_factory=dict)

    @property
    def markers(self) -> Path:
        """Directory of the stage markers."""
        return self.directory / self.work / ".stages"

    def dependents(self, number: StageNumber) -> set[StageNumber]:
        """Numbers of the stages that need stage `number`, directly or not."""
        found: set[StageNumber] = set()
        for other in self.stages.values():
            if any(upstream == number or upstream in found for upstream in other.upstream):
                found.add(other.number)
        return found


def read_recipe(data: bytes) -> Recipe:
    """Decode what `_o_words` of utils/stage.sh wrote and build the graph.

    Raises:
        UsageError: a declaration is malformed or contradicts another.
    """
    words = [os.fsdecode(word) for word in data.split(b"\0")[:-1]]
    records = list(_records(words))
    root, directory, work, free = next(words for tag, words in records if tag == "recipe")
    switches = next(words for tag, words in records if tag == "switches")
    numbers = [StageNumber.parse(word) if word else None for word in switches[:4]]
    flags = [word == "true" for word in switches[4:9]]
    recipe = Recipe(Path(root), Path(directory), Path(work), [name for name in free.split(",") if name],
                    next(words for tag, words in records if tag == "command"),
                    Switches(*numbers, *flags, switches[9], switches[10] == "true"),
                    {words[0]: words[1] for tag, words in records if tag == "option"}, {})
    last = StageNumber()
    for stage in (_read_stage(words) for tag, words in records if tag == "stage"):
        if stage.number in recipe.stages:
            raise UsageError(f"stage {stage.number} is declared twice")
        if stage.number < last:
            raise UsageError(f"stage {stage.number} is declared after stage {last}; the numbers must ascend")
        last = stage.number
        stage.command = parse_command(stage.words, recipe.free)
        recipe.stages[last] = stage
    if not recipe.stages:
        raise UsageError("this recipe declares no stage")
    _connect(recipe)
    return recipe


def _records(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    index = 0
    while index < len(words):
        tag, count = words[index], int(words[index + 1])
        yield tag, words[index + 2:index + 2 + count]
        index += 2 + count


def _read_stage(words: list[str]) -> Stage:
    name = f"stage {words[0] if words else ''}".strip()
    try:
        number = StageNumber.parse(words[0] if words else "")
        if not all(number):
            raise ValueError("0")
    except ValueError as error:
        raise UsageError(f"{name}: a declaration reads: stage N \"title\" [--in P] [--out P] -- command ...; "
                         "N is 1 or more, or N.M of a sub-stage") from error
    if len(words) < 2 or words[1].startswith("--"):
        raise UsageError(f"{name}: the title is missing")
    if "--" not in words:
        raise UsageError(f"{name}: no -- before its command")
    split = words.index("--")
    if split + 1 == len(words):
        raise UsageError(f"{name}: no command after --")
    stage = Stage(number, words[1], filled(words[split + 1:], []), declared=words[split + 1:])
    lists = {"--in": stage.inputs, "--in-audio": stage.audio, "--in-sound": stage.sound,
             "--in-images": stage.images, "--in-late": stage.late, "--in-code": stage.code,
             "--conf": stage.conf, "--out": stage.outputs, "--update": stage.updates,
             "--out-names": stage.names, "--out-same": stage.same}
    declared = words[2:split]
    for index in range(0, len(declared), 2):
        option, value = declared[index], declared[index + 1:index + 2]
        if option not in (*lists, *OTHERS):
            raise UsageError(f"{name}: unknown word {option} in its declaration; "
                             f"accepted: {', '.join((*lists, *OTHERS))}")
        if not value:
            raise UsageError(f"{name}: {option} needs a value")
        if option in ("--needs", "--at-least"):
            try:
                found = StageNumber.parse(value[0])
            except ValueError as error:
                raise UsageError(f"{name}: {option} takes a number, not {value[0]!r}") from error
            if option == "--needs":
                stage.needs.append(found)
            else:
                stage.at_least = found[0]
        elif option == "--name":
            stage.name = value[0]
        elif option in ("--in-member", "--in-if-there"):
            member, _, path = value[0].partition("=") if option == "--in-member" else ("", "", value[0])
            stage.inputs.append(path)
            stage.optional.append(path)
            stage.members |= {path: member} if member else {}
        elif not value[0] and option.startswith(("--out", "--update")):
            raise UsageError(f"{name}: {option} is empty")
        else:
            lists[option].append(value[0])
    also = dict.fromkeys([*stage.names, *stage.same])
    stage.outputs += [path for path in also if path not in stage.outputs]
    return stage


def filled(words: list[str], names: list[str]) -> list[str]:
    """Words of a command with these names in their place."""
    if LEFT_OUT not in words:
        return words
    place = words.index(LEFT_OUT)
    return [*words[:place - 1], *([words[place - 1], " ".join(names)] if names else ()), *words[place + 1:]]


def _connect(recipe: Recipe) -> None:
    """Find for every input the stages that make it; refuse contradictions."""
    made: list[tuple[str, StageNumber, str]] = []
    for stage in recipe.stages.values():
        for path in (*stage.outputs, *stage.updates):
            absolute = _absolute(recipe, path)
            for other, number, written in made:
                if _inside(absolute, other) or _inside(other, absolute):
                    what = "is an output" if absolute == other else f"and the output {written}"
                    where = f"of stages {number} and {stage.number}" if absolute == other else \
                        f"of stage {number} lie in one another (stage {stage.number})"
                    raise UsageError(f"{path} {what} {where}; each output belongs to one stage")
            made.append((absolute, stage.number, path))
    for stage in recipe.stages.values():
        for number in stage.needs:
            if number not in recipe.stages or number >= stage.number:
                raise UsageError(f"{stage}: --needs {number} is not an earlier stage")
        for path in (*stage.inputs, *stage.audio, *stage.sound, *stage.images, *stage.late):
            if path:
                stage.producers[path] = _producers(recipe, stage, path, made)
        derive(stage)


def derive(stage: Stage) -> None:
    """Set the stages before this one, from the producers of its inputs."""
    stage.upstream = sorted({*stage.needs, *(n for numbers in stage.producers.values() for n in numbers)})
    stage.follows = sorted({*stage.needs, *(number for path in (*stage.inputs, *stage.audio) if path
                                            for number in stage.producers[path])})


def _producers(recipe: Recipe, stage: Stage, path: str, made: list[tuple[str, StageNumber, str]]) -> list[StageNumber]:
    absolute = _absolute(recipe, path)
    producers = set()
    for output, number, _ in made:
        if _inside(absolute, output):
            if number == stage.number:
                raise UsageError(f"{stage}: {path} is its input and its output")
            if number > stage.number:
                raise UsageError(f"{stage} needs {path}, which only the later stage {number} makes")
            producers.add(number)
        elif _inside(output, absolute) and number < stage.number:
            producers.add(number)
    return sorted(producers)


def _absolute(recipe: Recipe, path: str) -> str:
    return os.path.normpath(os.path.join(recipe.directory, path))


def _inside(path: str, directory: str) -> bool:
    """Whether absolute `path` is `directory` or lies in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
