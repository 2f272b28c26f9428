"""One run of one stage as its records and outputs see it: room is made, a start is recorded, then success, or what was
there comes back."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from utils.loaded import DIRECTORY
from utils.loaded import read as read_loaded
from utils.stages.changes import FORMAT
from utils.stages.fingerprint import OWN
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

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the stage's processes."""
        return {"EMOTION_STAGE_INPUTS": self.start["inputs"],
                DIRECTORY: str(self.planner.records.loaded(self.stage.number))}

    def begin(self) -> None:
        """Make room if the stage begins from scratch, and record its start."""
        records, number, fresh = self.planner.records, self.stage.number, self.decision.fresh
        earlier = records.started(number) or self.former or {}
        run, now = new_identifier(), self.planner.current(self.stage)
        generation = run if fresh else earlier.get("generation", run)
        inputs = now.inputs_hash(run) if fresh else earlier.get("inputs", self.decision.state.inputs_hash(generation))
        kept = {} if fresh else earlier
        self.start = {
            "stage": str(number), "title": self.stage.title, "format": FORMAT, "run": run, "generation": generation,
            "inputs": inputs, "fingerprint": now.fingerprint, "parts": now.parts, "runs": now.runs,
            "command": self.stage.words, "code": self._code() | kept.get("code", {}),
            "packages": self.planner.versions.now | kept.get("packages", {}),
            "began": time.strftime("%Y-%m-%d %H:%M:%S")}
        if self.stage.same:
            self.start["before"] = self._before() or earlier.get("before")
        if fresh:
            suffix = earlier.get("moving") or (OLD if self.decision.whole else PARTIAL)
            # Said before it is done: whoever takes up after a kill between two moves goes on with the same name.
            records.begin(number, {**self.start, "moving": suffix})
            records.forget_marker(number)
            shutil.rmtree(records.loaded(number), ignore_errors=True)
            self.moved = move_away((self._path(path) for path in self.stage.outputs), suffix)
        elif self.decision.whole:
            self.start["whole"] = True
        records.begin(number, self.start)

    def finish(self, seconds: float, asked: bool) -> str | None:
        """Record success.

        Args:
            asked: whether what depends on the stage must run again in any case.

        Returns:
            a declared output that is not there: then nothing is recorded.
        """
        outputs = {path: record(self._path(path)) for path in (*self.stage.outputs, *self.stage.updates)}
        absent = next((path for path, sizes in outputs.items() if sizes is None), None)
        if absent is None:
            before, said = self.start.pop("before", None), self.planner.inputs.own_parts(self.stage)
            if before is not None and not asked and (before["contents"], before["said"]) == (self._contents(), said):
                self.start["same_as"] = {"run": before["run"], "fingerprint": before["fingerprint"]}
            files, packages = read_loaded(self.planner.records.loaded(self.stage.number))
            self.planner.records.finish(self.stage.number, {
                **self.start, "parts": {**self.start["parts"], **said}, "code": self._ran(files),
                "packages": {name: self.start["packages"][name] for name in sorted(packages)
                             if name in self.start["packages"]},
                "outputs": outputs, "seconds": round(seconds, 3), "finished": time.strftime("%Y-%m-%d %H:%M:%S")})
        return absent

    def _code(self) -> dict[str, str]:
        code = self.planner.code
        return code.record(code.of(self.stage.words, self.stage.command, self.recipe.directory))

    def _ran(self, files: set[str]) -> dict[str, str]:
        """What the stage ran, as it was when it began: what its processes loaded, and its scripts."""
        code, known = self.planner.code, self.start["code"]
        if not files:
            return known
        scripts = {os.path.relpath(path, self.recipe.root)
                   for path in code.scripts(self.stage.words, self.recipe.directory)}
        names = files | code.beside(files) | scripts
        new = code.record(code.hashes(name for name in names if name not in known))
        return new | {name: known[name] for name in names if name in known}

    def _before(self) -> dict[str, Any] | None:
        """What a finished stage has made, and the run that those who depend on it know; None of an unfinished one."""
        if self.former is None:
            return None
        seen = self.former.get("same_as", self.former)
        said = {key: text for key, text in self.former.get("parts", {}).items() if key.startswith(OWN)}
        return {"contents": self._contents(), "said": said, "run": seen.get("run"),
                "fingerprint": seen.get("fingerprint")}

    def _contents(self) -> dict[str, str]:
        """The outputs that may come out as they were."""
        return {path: self.planner.inputs.tree(self._path(path)) for path in self.stage.same
                if os.path.lexists(self._path(path))}

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
