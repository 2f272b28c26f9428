"""Run the stages of a recipe: lock, plan, run what is missing or stale, record it, and end well whatever happens."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time

from utils.errors import UsageError
from utils.leash import Leash, wait_for_leashes
from utils.loaded import DIRECTORY
from utils.loaded import write as write_loaded
from utils.stages.attempt import Attempt
from utils.stages.choose import choose, trust
from utils.stages.explain import announce_code, dry_run, explain, name, say, say_done, show, table
from utils.stages.graph import Recipe, Stage
from utils.stages.lock import Lock
from utils.stages.number import StageNumber
from utils.stages.plan import Decision, Planner
from utils.stages.runner import Runner

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks this process to end.

    Args:
        number: the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class StageFailed(Exception):
    """A stage did not succeed.

    Args:
        text: what happened, for the closing line.
        status: exit status for run.sh.
    """

    def __init__(self, stage: Stage, text: str, status: int):
        super().__init__(text)
        self.stage, self.status = stage, status


class Engine:
    """Runs the stages of one recipe."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.planner = Planner(recipe)
        self._in_work: Stage | None = None

    def main(self) -> int:
        """Do what run.sh was asked to do; returns the exit status."""
        switches, lines = self.recipe.switches, choose(self.planner)
        chosen, asked = self.planner.selection()
        if switches.trust_earlier and switches.stage is not None:
            chosen, left = trust(self.planner, chosen, asked)
            lines += left
        for line in lines:
            say(line)
        if switches.why is not None:
            explain(self.planner, switches.why)
            return 0
        if switches.show is not None:
            show(self.recipe, self.recipe.stages[switches.show])
            return 0
        if switches.stages:
            table(self.planner)
            return 0
        if switches.dry_run:
            dry_run(self.planner, chosen, asked)
            return 0
        guard = self.recipe.markers / "leash"
        lock = Lock(self.recipe.directory / self.recipe.work / ".lock", guard, shlex.join(self.recipe.command))
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, _interrupt)
        try:
            note = lock.acquire()
            if note:
                say(note)
            return self._run(chosen, asked, lock)
        except StageFailed as failure:
            sys.stdout.flush()
            print(f"error: {failure.stage} {failure}; after mending the cause take it up again with: {self._again()}",
                  file=sys.stderr)
            return failure.status
        except Interrupted as interrupt:
            what = signal.Signals(interrupt.number).name + (f" in {self._in_work}" if self._in_work else "")
            newline = "\n" if sys.stderr.isatty() else ""  # the terminal shows ^C
            print(f"{newline}interrupted by {what}; take it up again with: {self._again()}", file=sys.stderr)
            return 128 + interrupt.number
        finally:
            _ignore_signals()
            lock.release()

    def _run(self, chosen: list[Stage], asked: dict[StageNumber, str], lock: Lock) -> int:
        outer = os.environ.pop(DIRECTORY, "")
        self.planner.adopt()
        decisions = self.planner.predict(chosen, asked)
        self.planner.check(chosen, decisions)
        announce_code(decisions)
        began, ran = time.monotonic(), 0
        if any(decision.run for decision in decisions.values()):
            leash = Leash(str(lock.guard))
            try:
                ran = self._run_stages(chosen, asked, decisions, Runner(self.recipe, leash, lock))
            finally:
                leash.kill()  # only what an interrupt in the wrong moment may have left
                wait_for_leashes(str(lock.guard))  # those of job dispatchers: now the next run may begin
        else:
            for stage in chosen:
                say_done(self.recipe, stage)
        if ran:
            say(f"{ran} of {len(chosen)} stages ran in {time.monotonic() - began:.1f} s")
        if outer:  # this recipe is a stage of another one, whose code is that of all of these
            markers = [self.planner.records.marker(stage.number) or {} for stage in chosen]
            write_loaded(outer, {name for marker in markers for name in marker.get("code", {})},
                         {name for marker in markers for name in marker.get("packages", {})})
        return 0

    def _run_stages(self, chosen: list[Stage], asked: dict[StageNumber, str], decisions: dict[StageNumber, Decision],
                    runner: Runner) -> int:
        """Run what is missing or stale; returns how many stages ran."""
        for stage in chosen:
            if decisions[stage.number].run:
                runner.program(stage)
        ran = 0
        for stage in chosen:
            decision = decisions[stage.number]
            if ran:  # what ran before may have changed the answer
                decision = self.planner.decide(stage, (), asked.get(stage.number, ""))
            if decision.run:
                self._run_stage(stage, decision, runner, stage.number in asked)
                ran += 1
            else:
                say_done(self.recipe, stage)
            self._check_made(stage, chosen)
        return ran

    def _check_made(self, stage: Stage, chosen: list[Stage]) -> None:
        """What a later stage needs and this finished one did not make is told now, not hours later: a protocol that
        the data do not have."""
        for later in chosen:
            for path, makers in later.producers.items():
                if makers == [stage.number] and not os.path.exists(self.recipe.directory / path):
                    raise self.planner.not_made(later, path, makers, status=1)

    def _run_stage(self, stage: Stage, decision: Decision, runner: Runner, asked: bool) -> None:
        self._in_work = stage
        say(f"{name(self.recipe, stage)}: runs: {decision.why}")
        if decision.state.missing:
            raise UsageError(decision.state.missing[0])
        for path, producers in stage.producers.items():
            if not os.path.exists(self.recipe.directory / path):
                raise StageFailed(stage, f"needs {path}, which stage {producers[0] if producers else '?'} "
                                         "did not make", 1)
        attempt = Attempt(self.recipe, self.planner, stage, decision)
        attempt.begin()
        for there in attempt.moved:
            say(f"    former output moved to {os.path.relpath(there, self.recipe.directory)}")
        log = self.recipe.directory / self.recipe.work / "log" / f"stage{stage.number}.log"
        began = time.monotonic()
        status = runner.run(stage, attempt.environment, log, decision.fresh)
        shown = os.path.relpath(log, self.recipe.directory)
        if status:
            if status < 128 and not asked and attempt.give_back():  # what was asked for is still to be done
                say("    nothing was written: the former output is back")
            killed = f"was ended by {signal.Signals(status - 128).name}" if 128 < status < 160 else \
                f"failed with exit status {status}"
            raise StageFailed(stage, f"{killed} (log: {shown})", 2 if status == 2 else 1)
        seconds = time.monotonic() - began
        absent = attempt.finish(seconds, asked)
        if absent is not None:
            raise StageFailed(stage, f"ended with exit status 0 but did not write {absent} (log: {shown})", 1)
        self._in_work = None
        say(f"{name(self.recipe, stage)}: ran {seconds:.1f} s")

    def _again(self) -> str:
        """The command that goes on from here: what was asked to run from scratch must not do so twice."""
        words, switches = list(self.recipe.command), self.recipe.switches
        kept, index = words[:1], 1
        while index < len(words):
            if words[index] == "--stage":
                index += 2
            elif words[index] == "--force" or words[index].startswith("--stage="):
                index += 1
            else:
                kept.append(words[index])
                index += 1
        if switches.trust_earlier and self._in_work:
            kept += ["--stage", str(self._in_work.number)]
        return shlex.join(kept)


def _ignore_signals() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, _: object) -> None:
    _ignore_signals()  # cleaning up is short; a second Ctrl-C must not break it off
    raise Interrupted(number)
