"""What the user reads about a plan: --dry-run, --why N, and the note on changed code."""

from __future__ import annotations

import os
import shlex

from utils.stages.graph import Recipe, Stage
from utils.stages.number import StageNumber
from utils.stages.plan import Decision, Planner


def say(text: str) -> None:
    """One line for the user, at once."""
    print(text, flush=True)


def name(recipe: Recipe, stage: Stage) -> str:
    """Number and title, the numbers of a recipe below one another."""
    return f"{stage.number:>{max(len(str(number)) for number in recipe.stages)}}  {stage.title}"


def say_done(recipe: Recipe, stage: Stage) -> None:
    """The line of a stage that need not run."""
    say(f"{name(recipe, stage)}: done already")


def dry_run(planner: Planner, chosen: list[Stage], asked: dict[StageNumber, str]) -> None:
    """Print what would run and because of what.

    Raises:
        UsageError: the run would be refused.
    """
    decisions = planner.predict(chosen, asked)
    for stage in chosen:
        decision = decisions[stage.number]
        if decision.run:
            how = "" if decision.fresh else " (goes on from what is there)"
            say(f"{name(planner.recipe, stage)}: would run{how}: {decision.why}")
        elif decision.perhaps:
            say(f"{name(planner.recipe, stage)}: may run: {decision.perhaps}")
        else:
            say_done(planner.recipe, stage)
    planner.check(chosen, decisions)
    announce_code(decisions)


def explain(planner: Planner, number: StageNumber) -> None:
    """--why: every reason for a stage, and for the earlier stages that it waits for."""
    stages, switches = planner.recipe.stages, planner.recipe.switches
    asked = dict.fromkeys(stages, "--force") if switches.force else {}
    if switches.stage is not None:
        asked[switches.stage] = f"--stage {switches.stage}"
    decisions = planner.predict(list(stages.values()), asked)
    todo, shown = [(number, "")], set()
    while todo:
        current, indent = todo.pop()
        if current in shown:
            continue
        shown.add(current)
        stage, decision = stages[current], decisions[current]
        if decision.run:
            say(f"{indent}{stage} would run{'' if decision.fresh else ' on from what is there'}, because")
        elif decision.perhaps:
            say(f"{indent}{stage} may run: {decision.perhaps}")
        else:
            marker = planner.records.marker(current) or {}
            say(f"{indent}{stage} would not run: done since {marker.get('finished', '?')}")
        for reason in [*decision.reasons, *decision.state.missing]:
            say(f"{indent}  - {reason}")
        if decision.code:
            say(f"{indent}  - code changed since it ran: {', '.join(decision.code)} (counts with --strict-code)")
        if decision.packages:
            say(f"{indent}  - it ran with {', '.join(decision.packages)} (counts with --strict-code)")
        todo += [(upstream, indent + "  ") for upstream in reversed(stage.upstream)
                 if upstream in decisions and (decisions[upstream].run or decisions[upstream].perhaps)]


def show(recipe: Recipe, stage: Stage) -> None:
    """--show: the command of a stage as a line for a shell, in the recipe's directory."""
    words = list(stage.words)
    if words[0].startswith(("steps/", "utils/", "local/")):
        words[0] = str(recipe.root / words[0])
    told = {"EMOTION_RECIPE": str(recipe.directory), "EMOTION_CLUSTER": os.environ.get("EMOTION_CLUSTER", "")}
    variables = [f"{key}={shlex.quote(value)}" for key, value in told.items() if value]
    say(f"cd {shlex.quote(str(recipe.directory))} && {' '.join(variables)} {shlex.join(words)}")


def table(planner: Planner) -> None:
    """--stages: number, title, name of the subsystem, and whether it is done."""
    stages = list(planner.recipe.stages.values())
    decisions = planner.predict(stages, {})
    width = max(len(stage.title) for stage in stages)
    for stage in stages:
        decision = decisions[stage.number]
        begun = planner.records.started(stage.number) is not None
        state = "done" if not decision.run else "begun" if begun else (
            "stale" if planner.records.marker(stage.number) else "to do")
        say(f"{name(planner.recipe, stage):<{width + 8}} {state:<6} {stage.name}".rstrip())


def announce_code(decisions: dict[StageNumber, Decision]) -> None:
    """A line about the stages that stay although their code changed, and one about packages."""
    stay = {number: decision for number, decision in decisions.items() if not decision.run}
    _announce("the code of stage {} changed since it ran ({})", {n: stay[n].code for n in stay})
    _announce("stage {} ran with other versions: {}", {n: stay[n].packages for n in stay})


def _announce(what: str, changed: dict[StageNumber, list[str]]) -> None:
    """One line, if there is anything to say."""
    stages = [str(number) for number, names in changed.items() if names]
    names = sorted({name for names in changed.values() for name in names})
    if stages:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        say(f"note: {what.format(', '.join(stages), ', '.join(names[:3]) + more)}; --strict-code would run it again")
