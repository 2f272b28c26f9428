"""One run of one stage as its records and outputs see it: room is made, a start is recorded, then success, or what was
there comes back."""

from __future__ import annotations

import os
import time
from typing import Any

from utils.stages.graph import Recipe, Stage
from utils.stages.markers import new_identifier
from utils.stages.outputs import OLD, PARTIAL, move_away, record
from utils.stages.plan import Decision, Planner


class Attempt:
    """A stage that is about to run.

    Attributes:
        start: the record of its start; its `generation` stays while finished tasks of the stage count.
        moved: new names of what made room for it.
    """

    def __init__(self, recipe: Recipe, planner: Planner, stage: Stage, decision: Decision):
        self.recipe, self.planner, self.stage, self.decision = recipe, planner, stage, decision
        self.former = planner.records.marker(stage.number)
        self.start: dict[str, Any] = {}
        self.moved: list[str] = []

    def begin(self) -> None:
        """Make room if the stage begins from scratch, and record its start."""
        records, state, number = self.planner.records, self.decision.state, self.stage.number
        earlier = records.started(number) or self.former or {}
        run = new_identifier()
        self.start = {
            "stage": number, "title": self.stage.title, "run": run,
            "generation": run if self.decision.fresh else earlier.get("generation", run),
            "fingerprint": state.fingerprint, "parts": state.parts, "runs": state.runs, "command": self.stage.words,
            "code": self.planner.code.of(self.stage.words, self.stage.command),
            "began": time.strftime("%Y-%m-%d %H:%M:%S")}
        if self.decision.fresh:
            suffix = earlier.get("moving") or (OLD if self.decision.whole else PARTIAL)
            # Said before it is done: whoever takes up after a kill between two moves goes on with the same name.
            records.begin(number, {**self.start, "moving": suffix})
            records.forget_marker(number)
            self.moved = move_away((self._path(path) for path in self.stage.outputs), suffix)
        elif self.decision.whole:
            self.start["whole"] = True
        records.begin(number, self.start)

    def finish(self, seconds: float) -> str | None:
        """Record success.

        Returns:
            a declared output that is not there: then nothing is recorded.
        """
        outputs = {path: record(self._path(path)) for path in (*self.stage.outputs, *self.stage.updates)}
        absent = next((path for path, sizes in outputs.items() if sizes is None), None)
        if absent is None:
            self.planner.records.finish(self.stage.number, {
                **self.start, "outputs": outputs, "seconds": round(seconds, 3),
                "finished": time.strftime("%Y-%m-%d %H:%M:%S")})
        return absent

    def give_back(self) -> bool:
        """A stage that refused its options before it wrote anything leaves what they had replaced: with the former
        options nothing has to run again."""
        if self.former is None or not self.moved \
                or any(os.path.lexists(self._path(path)) for path in self.stage.outputs):
            return False
        for there in self.moved:
            os.rename(there, there.removesuffix(OLD).removesuffix(PARTIAL))
        self.planner.records.finish(self.stage.number, self.former)
        return True

    def _path(self, path: str) -> str:
        return os.path.join(self.recipe.directory, path)
