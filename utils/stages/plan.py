"""Decide which stages run, and say because of what in plain words."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from utils import loaded
from utils.errors import UsageError, UserError
from utils.stages.changes import FORMAT, differences
from utils.stages.code_hash import Code
from utils.stages.fingerprint import Inputs, State
from utils.stages.graph import Recipe, Stage
from utils.stages.markers import Records, record_name
from utils.stages.number import StageNumber
from utils.stages.outputs import damage
from utils.stages.versions import Versions


@dataclass
class Decision:
    """Whether a stage runs.

    Attributes:
        run: whether it is missing or stale (or was asked for).
        fresh: whether it begins from scratch (its outputs move away); otherwise it goes on from what is there.
        reasons: why it runs.
        whole: whether there is a finished output in its place (perhaps with an extension that broke off).
        code: files of the repository that changed since it ran. packages: packages that did, with their versions.
        perhaps: why it may run in the end; an earlier stage will tell.
    """

    run: bool
    fresh: bool
    reasons: list[str]
    state: State
    whole: bool = False
    code: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    perhaps: str = ""

    @property
    def why(self) -> str:
        """The reasons on one line."""
        more = f" and {len(self.reasons) - 3} more" if len(self.reasons) > 3 else ""
        return "; ".join(self.reasons[:3]) + more


class Planner:
    """Looks at records and files; changes nothing."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        names = {stage.number: record_name(stage.number, [*stage.outputs, *stage.updates])
                 for stage in recipe.stages.values()}
        self.records = Records(recipe.markers, names)
        self.code, self.versions = Code(recipe.root), Versions()
        self.inputs = Inputs(recipe, self.code)

    def decide(self, stage: Stage, ran: Collection[StageNumber] = (), asked: str = "",
               perhaps: Collection[StageNumber] = ()) -> Decision:
        """Whether a stage must run, by its records and the files that are there.

        Args:
            ran: earlier stages that will have run by then (in a prediction). perhaps: those that may have, or may make
                what they had made before.
            asked: why it runs in any case ("" if it does not).
        """
        marker, started = self.records.marker(stage.number), self.records.started(stage.number)
        state = self._state(stage, marker or started)
        sure = [number for number in stage.follows if number in ran and number not in perhaps]
        again = [f"stage {number} would run first" for number in sure]
        reasons = [asked] if asked else []
        if marker is not None:
            changes, tasks_hold = differences(marker, state, ran)
            damaged = self._damaged(stage, marker)
            broken = [f"output {path} is new in run.sh" for path in (*stage.outputs, *stage.updates)
                      if path not in marker.get("outputs", {})] + damaged
            code = self.code.changed(marker.get("code", {}))
            packages = self.versions.changed(marker.get("packages", {}))
            if self.recipe.switches.strict_code:
                broken += _told(code, packages)
            resumes = tasks_hold and changes and not (again or broken or reasons)
            reasons += [*again, *changes, *broken]
            first = [number for number in stage.upstream if number in ran or number in perhaps]
            maybe = f"stage {', '.join(map(str, first))} will tell" if first and not reasons else ""
            return Decision(bool(reasons), not resumes, reasons, state, not damaged, code, packages, maybe)
        if started is not None:
            changes, tasks_hold = differences(started, state, ran)
            other = self._made_otherwise(stage, started) if self.recipe.switches.strict_code else []
            fresh = bool(again or other) or bool(changes and not tasks_hold) or self.recipe.switches.force
            reasons += ["it was begun and did not finish", *again, *changes, *other]
            return Decision(True, fresh or "moving" in started, reasons, state, started.get("whole", False))
        return Decision(True, True, [*reasons, "not done yet"], state)

    def _made_otherwise(self, stage: Stage, started: dict) -> list[str]:
        """What has changed of the code and packages that the processes of an unfinished stage have loaded."""
        files, packages = loaded.read(self.records.loaded(stage.number))
        code = {name: value for name, value in started.get("code", {}).items() if name in files}
        versions = {name: value for name, value in started.get("packages", {}).items() if name in packages}
        return _told(self.code.changed(code), self.versions.changed(versions))

    def is_whole(self, stage: Stage) -> bool:
        """Whether a stage has finished, with outputs that are as it left them."""
        marker = self.records.marker(stage.number)
        return marker is not None and not self._damaged(stage, marker)

    def current(self, stage: Stage) -> State:
        """The present state of a stage."""
        return self._state(stage, None)

    def _state(self, stage: Stage, record: dict | None) -> State:
        """The present state, in the format of a record."""
        markers = {number: self.records.marker(number) for number in stage.upstream}
        return self.inputs.state(stage, markers, record is not None and record.get("format", 1) < FORMAT)

    def adopt(self) -> None:
        """Write markers of the first format anew where nothing has changed, so that from now on they tell more."""
        for stage in self.recipe.stages.values():
            marker = self.records.marker(stage.number)
            if marker is not None and marker.get("format", 1) < FORMAT and not self.decide(stage).run:
                state, former = self.current(stage), self._state(stage, marker)
                self.records.finish(stage.number, {**marker, "format": FORMAT, "parts": state.parts, "runs": state.runs,
                                                   "inputs": former.inputs_hash(marker.get("generation", ""))})

    def _damaged(self, stage: Stage, marker: dict) -> list[str]:
        """Recorded outputs that are not whole any more, in plain words."""
        recorded = marker.get("outputs", {})
        harms = [damage(os.path.join(self.recipe.directory, path), recorded[path])
                 for path in (*stage.outputs, *stage.updates) if path in recorded]
        return [harm.replace(f"{self.recipe.directory}/", "") for harm in harms if harm is not None]

    def selection(self) -> tuple[list[Stage], dict[StageNumber, str]]:
        """The stages that may run, and for those that run in any case the reason.

        Raises:
            UsageError: --stage, --stop-stage or --why names no stage.
        """
        switches, stages = self.recipe.switches, self.recipe.stages
        for name, number in (("stage", switches.stage), ("stop-stage", switches.stop_stage), ("why", switches.why),
                             ("show", switches.show)):
            if number is not None and number not in stages:
                known = ", ".join(map(str, stages))
                if number in self.recipe.left_out:
                    raise UsageError(f"--{name} {number}: --only leaves out {self.recipe.left_out[number]}")
                raise UsageError(f"--{name} {number}: this recipe has no stage {number}; it has {known}")
        last = switches.stop_stage or max(stages)
        if switches.stage is not None and not last.reaches(switches.stage):
            raise UsageError(f"--stage {switches.stage} comes after --stop-stage {last}")
        chosen = [stage for stage in stages.values() if last.reaches(stage.number)]
        asked: dict[StageNumber, str] = {}
        if switches.stage is not None:
            wanted = {switches.stage, *self.recipe.dependents(switches.stage)}
            chosen = [stage for stage in chosen if stage.number in wanted]
            asked[switches.stage] = f"--stage {switches.stage}"
        if switches.force:
            asked.update({stage.number: asked.get(stage.number, "--force") for stage in chosen})
        return chosen, asked

    def predict(self, chosen: list[Stage], asked: dict[StageNumber, str]) -> dict[StageNumber, Decision]:
        """Decisions as they would fall if every chosen stage succeeded."""
        ran, perhaps = set[StageNumber](), set[StageNumber]()
        decisions = {}
        for stage in chosen:
            decisions[stage.number] = decision = self.decide(stage, ran, asked.get(stage.number, ""), perhaps)
            if decision.run:
                ran.add(stage.number)
            if decision.perhaps or (decision.run and stage.same and stage.number not in asked):
                perhaps.add(stage.number)
        return decisions

    def check(self, chosen: list[Stage], decisions: dict[StageNumber, Decision]) -> None:
        """Refuse a run that would fail for want of something.

        Raises:
            UsageError: an input is missing, or an earlier stage that will not run is missing or stale.
        """
        chosen_numbers = {stage.number for stage in chosen}
        relies = {number for stage in chosen for number in stage.upstream}
        relies -= {*chosen_numbers, *self.recipe.left_out}
        if self.recipe.switches.trust_earlier:
            relies = set()
        everything = self.predict(list(self.recipe.stages.values()), {}) if relies else {}
        for stage in chosen:
            if not (decisions[stage.number].run or decisions[stage.number].perhaps):
                continue
            if decisions[stage.number].state.missing:
                raise UsageError(decisions[stage.number].state.missing[0])
            for number in stage.upstream:
                if number in relies and everything[number].run:
                    raise UsageError(self._stale(stage, number, everything))
            self._check_made_inputs(stage, {number for number in chosen_numbers if decisions[number].run})

    def _stale(self, stage: Stage, number: StageNumber, everything: dict[StageNumber, Decision]) -> str:
        """The line that says which earlier stage is missing or stale, and the root of it."""
        culprit = self.recipe.stages[number]
        text = f"{stage} needs {culprit}"
        while (first := next((n for n in culprit.upstream if everything[n].run), None)) is not None \
                and everything[culprit.number].reasons[0].startswith("stage "):
            culprit = self.recipe.stages[first]
            text += f", which needs {culprit}"
        done = "stale" if self.records.marker(culprit.number) else "not done"
        return (f"{text}, which is {done}: {everything[culprit.number].why}; "
                "leave out --stage to run what is missing, or give --trust-earlier")

    def _check_made_inputs(self, stage: Stage, running: set[StageNumber]) -> None:
        """An input that an earlier stage should have made must be there unless that stage runs now."""
        for path, producers in stage.producers.items():
            if producers and not running.intersection(producers) \
                    and not os.path.exists(os.path.join(self.recipe.directory, path)):
                if not any(self.records.marker(number) for number in producers):
                    makers = " or ".join(f"stage {number}" for number in producers)
                    raise UsageError(f"{stage} needs {path}, which {makers} makes and has not made; "
                                     "leave out --stage to run what is missing")
                raise self.not_made(stage, path, producers)

    def not_made(self, stage: Stage, path: str, producers: list[StageNumber], status: int = 2) -> UserError:
        """The error that finished stages did not make an input of `stage`: what is there instead, and whose option it
        is."""
        wanted = self.recipe.directory / path
        there = ", ".join(sorted(other.stem for other in wanted.parent.glob(f"*{wanted.suffix}"))) or "none"
        makers = " or ".join(f"stage {number}" for number in producers)
        text = f"{stage} needs {path}, which {makers} did not make"
        for name, value in self.recipe.options.items():
            if value == wanted.stem:
                return UsageError(f"--{name} is {value!r}, but {text}; there are: {there}")
        return UserError(f"{text}; run {makers} again with --stage {producers[0]}, or correct run.sh", status)


def _told(code: list[str], packages: list[str]) -> list[str]:
    """The reasons that --strict-code adds."""
    return [*([f"the code in {_few(code)} changed"] if code else ()),
            *([f"it ran with {_few(packages)}"] if packages else ())]


def _few(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
