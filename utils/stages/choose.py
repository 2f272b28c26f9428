"""What a run leaves out: with --only the subsystems that are not named, and what only they need; with --trust-earlier
what was never made. Stages that gather (fusion, scores, audit, report) then do so over what is there.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from utils.errors import UsageError
from utils.stages.command import parse_command
from utils.stages.graph import Recipe, Stage, derive, filled
from utils.stages.number import StageNumber
from utils.stages.plan import Planner


def choose(planner: Planner) -> list[str]:
    """Take out of the recipe what --only leaves out.

    Returns:
        lines about it.

    Raises:
        UsageError: no subsystem of such a name.
    """
    recipe = planner.recipe
    stages, only = dict(recipe.stages), _wanted(recipe)
    if not only:
        return []
    gone = {number for number, stage in stages.items() if stage.name and stage.name not in only}
    whole = {number for number in stages if planner.is_whole(stages[number])}
    for number, stage in stages.items():  # what cannot do without one that is not there
        absent = gone - whole
        there = [path for path in stage.members if not absent.intersection(stage.producers[path])]
        if absent.intersection(_required(stage)) or len(there) < stage.at_least:
            gone.add(number)
    for number in reversed(stages):  # what nothing needs that is left
        after = [other for other in stages.values() if number in other.upstream]
        if after and stages[number].name not in only and not stages[number].members \
                and not any(number in _required(other) for other in after if other.number not in gone):
            gone.add(number)
    for number in sorted(gone):
        recipe.left_out[number] = recipe.stages.pop(number)
    for stage in recipe.stages.values():
        do_without(recipe, stage, gone - whole)
    lines = [f"--only leaves out stage {', '.join(map(str, sorted(gone)))}"] if gone else []
    for number in sorted(gone & whole):
        decision = planner.decide(stages[number])
        if stages[number].name and decision.run:
            lines.append(f"note: {stages[number]} is taken as it is, although {decision.why}")
    return lines


def trust(planner: Planner, chosen: list[Stage], asked: Collection[StageNumber]) -> tuple[list[Stage], list[str]]:
    """With --trust-earlier: of the stages that depend on the one asked for, those that have what they need.

    Returns:
        (stages, a line about each of the others).
    """
    recipe, kept, lines = planner.recipe, dict[StageNumber, Stage](), list[str]()
    for stage in chosen:
        absent = {number for number in stage.upstream if number not in kept and not _is_there(planner, number)}
        do_without(recipe, stage, absent)
        lacks = next(((path, makers) for path, makers in stage.producers.items() if makers
                      and not kept.keys() & set(makers) and not os.path.exists(recipe.directory / path)), None)
        if lacks is None or stage.number in asked:
            kept[stage.number] = stage
        else:
            lines.append(f"note: {stage} is left out: it needs {lacks[0]}, which stage {lacks[1][0]} has not made")
    return list(kept.values()), lines


def do_without(recipe: Recipe, stage: Stage, absent: Collection[StageNumber]) -> None:
    """Take what absent stages would make out of the inputs that a stage can do without, and out of its command."""
    lost = [path for path in stage.optional if absent_input(recipe, stage, path, absent)]
    if not lost:
        return
    words: list[str] = []
    for word in stage.declared:
        if word not in lost:
            words.append(word)
        elif words and words[-1].startswith("--"):
            words.pop()  # the option of this value
    stage.absent += [stage.members[path] for path in lost if path in stage.members]
    stage.declared, stage.words = words, filled(words, stage.absent)
    stage.command = parse_command(stage.words, recipe.free)
    stage.inputs = [path for path in stage.inputs if path not in lost]
    stage.optional = [path for path in stage.optional if path not in lost]
    for path in lost:
        stage.producers.pop(path, None)
    derive(stage)


def absent_input(recipe: Recipe, stage: Stage, path: str, absent: Collection[StageNumber]) -> bool:
    """Whether an input is not there, and will not be."""
    makers = stage.producers.get(path, [])
    if makers:
        return bool(set(makers) & set(absent))
    return path in stage.producers and not os.path.exists(recipe.directory / path)


def _wanted(recipe: Recipe) -> list[str]:
    """The names in --only.

    Raises:
        UsageError: no subsystem of such a name.
    """
    only, names = recipe.switches.only.split(), [stage.name for stage in recipe.stages.values() if stage.name]
    for name in only:
        if name not in names:
            there = f"it trains {', '.join(names)}" if names else "it has no subsystems to choose from"
            raise UsageError(f"--only: this recipe trains no {name}; {there}")
    return only


def _required(stage: Stage) -> set[StageNumber]:
    """The stages that one cannot do without."""
    return {*stage.needs, *(number for path, makers in stage.producers.items() if path not in stage.optional
                            for number in makers)}


def _is_there(planner: Planner, number: StageNumber) -> bool:
    """Whether what a stage makes is there: finished, or of unknown origin."""
    stage = planner.recipe.stages.get(number) or planner.recipe.left_out[number]
    if planner.records.marker(number) is not None:
        return True
    return planner.records.started(number) is None and any(
        os.path.exists(planner.recipe.directory / path) for path in stage.outputs)
