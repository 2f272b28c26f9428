"""The stage engine: reads what run.sh declared from file descriptor 3 and runs what is missing or stale.

run.sh becomes this process (utils/stage.sh), so killing run.sh is killing the engine; the leash then kills the stage.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from utils.errors import UsageError, UserError, run_main  # noqa: E402 (the path comes first)
from utils.leash import Leash, wait_for_leashes  # noqa: E402
from utils.stages.graph import Recipe, Stage, read_recipe  # noqa: E402
from utils.stages.lock import Lock  # noqa: E402
from utils.stages.markers import new_identifier  # noqa: E402
from utils.stages.outputs import move_away, record  # noqa: E402
from utils.stages.plan import Decision, Planner  # noqa: E402
from utils.stages.runner import Runner  # noqa: E402

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


def say(text: str) -> None:
    """One line for the user, at once."""
    print(text, flush=True)


class Engine:
    """Runs the stages of one recipe."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.planner = Planner(recipe)
        self._width = len(str(max(recipe.stages)))
        self._in_work: Stage | None = None

    def main(self) -> int:
        """Do what run.sh was asked to do; returns the exit status."""
        switches = self.recipe.switches
        chosen, asked = self.planner.selection()
        if switches.why is not None:
            return self._explain(switches.why)
        if switches.dry_run:
            return self._dry_run(chosen, asked)
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
            where = f" in {self._in_work}" if self._in_work else ""
            name = signal.Signals(interrupt.number).name
            newline = "\n" if sys.stderr.isatty() else ""
            print(f"{newline}interrupted by {name}{where}; take it up again with: {self._again()}", file=sys.stderr)
            return 128 + interrupt.number
        finally:
            _ignore_signals()
            lock.release()

    def _run(self, chosen: list[Stage], asked: dict[int, str], lock: Lock) -> int:
        decisions = self.planner.predict(chosen, asked)
        self.planner.check(chosen, decisions)
        self._announce_code(decisions)
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
                self._say_done(stage)
        if ran:
            say(f"{ran} of {len(chosen)} stages ran in {time.monotonic() - began:.1f} s")
        return 0

    def _run_stages(self, chosen: list[Stage], asked: dict[int, str], decisions: dict[int, Decision],
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
                self._run_stage(stage, decision, runner)
                ran += 1
            else:
                self._say_done(stage)
        return ran

    def _run_stage(self, stage: Stage, decision: Decision, runner: Runner) -> None:
        self._in_work = stage
        say(f"{self._name(stage)}: runs: {decision.why}")
        if decision.state.missing:
            raise UsageError(decision.state.missing[0])
        for path, producers in stage.producers.items():
            if not os.path.exists(self.recipe.directory / path):
                raise StageFailed(stage, f"needs {path}, which stage {producers[0] if producers else '?'} "
                                         "did not make", 1)
        start = self._begin(stage, decision)
        log = self.recipe.directory / self.recipe.work / "log" / f"stage{stage.number}.log"
        began = time.monotonic()
        status = runner.run(stage, decision.state.inputs_hash(start["generation"]), log, decision.fresh)
        shown = os.path.relpath(log, self.recipe.directory)
        if status:
            killed = f"was ended by {signal.Signals(status - 128).name}" if 128 < status < 160 else \
                f"failed with exit status {status}"
            raise StageFailed(stage, f"{killed} (log: {shown})", 2 if status == 2 else 1)
        seconds = time.monotonic() - began
        outputs = {path: record(os.path.join(self.recipe.directory, path)) for path in (*stage.outputs, *stage.updates)}
        for path, sizes in outputs.items():
            if sizes is None:
                raise StageFailed(stage, f"ended with exit status 0 but did not write {path} (log: {shown})", 1)
        self.planner.records.finish(stage.number, {
            **start, "outputs": outputs, "code": self.planner.code.of(stage.words, stage.command),
            "seconds": round(seconds, 3), "finished": time.strftime("%Y-%m-%d %H:%M:%S")})
        self._in_work = None
        say(f"{self._name(stage)}: ran {seconds:.1f} s")

    def _begin(self, stage: Stage, decision: Decision) -> dict[str, object]:
        """Make room if the stage begins from scratch, and record its start."""
        records, state = self.planner.records, decision.state
        generation = run = new_identifier()
        if decision.fresh:
            records.forget(stage.number)
            for old in move_away(os.path.join(self.recipe.directory, path) for path in stage.outputs):
                say(f"{' ' * self._width}  former output moved to {os.path.relpath(old, self.recipe.directory)}")
        else:
            earlier = records.started(stage.number) or records.marker(stage.number) or {}
            generation = earlier.get("generation", run)
        start: dict[str, object] = {
            "stage": stage.number, "title": stage.title, "run": run, "generation": generation,
            "fingerprint": state.fingerprint, "parts": state.parts, "runs": state.runs, "command": stage.words,
            "began": time.strftime("%Y-%m-%d %H:%M:%S")}
        records.begin(stage.number, start)
        return start

    def _dry_run(self, chosen: list[Stage], asked: dict[int, str]) -> int:
        decisions = self.planner.predict(chosen, asked)
        for stage in chosen:
            decision = decisions[stage.number]
            if not decision.run:
                self._say_done(stage)
                continue
            how = "" if decision.fresh else " (goes on from what is there)"
            say(f"{self._name(stage)}: would run{how}: {decision.why}")
        self.planner.check(chosen, decisions)
        self._announce_code(decisions)
        return 0

    def _explain(self, number: int) -> int:
        """--why: every reason for a stage, and for the earlier stages that it waits for."""
        stages = list(self.recipe.stages.values())
        switches = self.recipe.switches
        asked = {stage.number: "--force" for stage in stages} if switches.force else {}
        if switches.stage is not None:
            asked[switches.stage] = f"--stage {switches.stage}"
        decisions = self.planner.predict(stages, asked)
        shown: set[int] = set()

        def explain(stage: Stage, indent: str) -> None:
            decision = decisions[stage.number]
            shown.add(stage.number)
            if not decision.run:
                marker = self.planner.records.marker(stage.number) or {}
                say(f"{indent}{stage} would not run: done since {marker.get('finished', '?')}")
            else:
                say(f"{indent}{stage} would run{'' if decision.fresh else ' on from what is there'}, because")
            for reason in [*decision.reasons, *decision.state.missing]:
                say(f"{indent}  - {reason}")
            if decision.code:
                say(f"{indent}  - code changed since it ran: {', '.join(decision.code)} (counts with --strict-code)")
            for upstream in stage.upstream:
                if decisions[upstream].run and upstream not in shown:
                    explain(self.recipe.stages[upstream], indent + "  ")

        explain(self.recipe.stages[number], "")
        return 0

    def _announce_code(self, decisions: dict[int, Decision]) -> None:
        """One line about stages that stay although their code changed."""
        stages = [number for number, decision in decisions.items() if decision.code and not decision.run]
        if stages:
            files = sorted({name for number in stages for name in decisions[number].code})
            more = f" and {len(files) - 3} more" if len(files) > 3 else ""
            say(f"note: the code of stage {', '.join(map(str, stages))} changed since it ran "
                f"({', '.join(files[:3])}{more}); --strict-code would run it again")

    def _say_done(self, stage: Stage) -> None:
        say(f"{self._name(stage)}: done already")

    def _name(self, stage: Stage) -> str:
        return f"{stage.number:>{self._width}}  {stage.title}"

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


def main(_: object = None) -> int:
    """Read the recipe from descriptor 3 and run it."""
    with os.fdopen(3, "rb") as stream:
        recipe = read_recipe(stream.read())
    os.chdir(recipe.directory)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # file names of any bytes
    try:
        return Engine(recipe).main()
    except BrokenPipeError:  # who read our output has gone (| head): end without a word
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (RuntimeError, subprocess.SubprocessError) as error:
        raise UserError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run_main(main))
