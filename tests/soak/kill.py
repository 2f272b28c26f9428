"""kill -9 at chosen moments of the tiny mini recipe; the same command again must end with the same scores.

Process cases (the whole tree, run.sh alone, one worker, on Slurm the dispatcher or the tree), spread over the stages,
and cases of write-to-rename windows: every kind of file that a tiny run writes is killed once between its
write and its rename, a few kinds after each other in one case.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.workshop import Run, Workshop, kind, kinds, pattern
from tests.utils.slurm_cluster import SlurmCluster, missing_programs

TASKLESS = (2, 3, 42, 61, 62, 63)
"""Stages of the mini recipe that run no tasks."""
SLURM_WINDOWS = ["tiny/exp/svm_is10/official/log/.done/train.JOB.log.emotion_*.tasks",
                 "tiny/exp/svm_is10/official/log/.done/train.JOB.log.job.json"]
"""Files that only a run on Slurm writes; patterns as for EMOTION_FAULT."""
OPTIONS = ("--size", "tiny", "--asr", "none", "--set",
           " ".join(f"{name}:training.checkpoint_every_epochs=1" for name in ("dnn", "multitask_dnn", "attention_rnn")))
"""A checkpoint after every epoch, so that networks are taken up in the middle of their training."""
TRIES = 6


@dataclasses.dataclass
class Case:
    """What is killed, where.

    Attributes:
        what: tree, run.sh, worker, slurm dispatcher, slurm tree, window.
        stage: the stage that runs then; of windows the first one.
        moment: fraction of the stage's undisturbed duration after which the kill comes.
        paths: windows, in the order in which a run meets them.
    """

    what: str
    stage: int
    moment: float = 0.5
    paths: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.what} {', '.join(map(kind, self.paths))}" if self.paths else f"{self.what} in stage {self.stage}"


@dataclasses.dataclass
class Verdict:
    """How a case ended: `problems` is empty if all is well."""

    problems: list[str]
    kills: int = 0
    begun: int = 0
    note: str = ""


def spread(stages: list[int], count: int, rng: random.Random) -> list[int]:
    """`count` stages, one out of each of as many equal strata."""
    bounds = [round(k * len(stages) / count) for k in range(count + 1)]
    return [rng.choice(stages[min(low, len(stages) - 1):max(high, low + 1)])
            for low, high in zip(bounds, bounds[1:], strict=False)]


def choose_windows(windows: list[str], rng: random.Random) -> list[str]:
    """One window of each kind, in the order of a run."""
    chosen = {rng.choice(sorted(set(paths))) for paths in kinds(windows).values()}
    return [path for path in dict.fromkeys(windows) if path in chosen]


def plan(count: int, stages: list[int], windows: list[str], stage_of: dict[str, int],
         rng: random.Random) -> list[Case]:
    """The cases: of 20 four trees, three run.sh, three workers, four on Slurm, six chains of windows."""
    shares = {"window": 6, "tree": 4, "run.sh": 3, "worker": 3, "slurm dispatcher": 2, "slurm tree": 1,
              "slurm window": 1}
    numbers = {what: count * share // 20 for what, share in shares.items()}
    for what in shares:
        if sum(numbers.values()) < count:
            numbers[what] += 1
    cases = []
    for what in ("tree", "run.sh", "worker", "slurm dispatcher", "slurm tree"):
        among = [stage for stage in stages if what in ("tree", "run.sh") or stage not in TASKLESS]
        if numbers[what]:
            cases += [Case(what, stage, rng.random()) for stage in spread(among, numbers[what], rng)]
    if numbers["slurm window"]:
        cases.append(Case("slurm window", 31, paths=SLURM_WINDOWS))
    chosen, chains = choose_windows(windows, rng), numbers["window"]
    for k in range(chains):
        paths = chosen[k * len(chosen) // chains:(k + 1) * len(chosen) // chains]
        if paths:
            cases.append(Case("window", stage_of[paths[0]], paths=paths))
    return cases


class Killer:
    """Runs cases in a workshop that has its reference."""

    def __init__(self, shop: Workshop):
        self.shop = shop
        self.slurm: SlurmCluster | None = None

    def run(self, case: Case) -> Verdict:
        """One case: kill, then the same command again, then look."""
        options = []
        if case.what.startswith("slurm"):
            if missing_programs():
                return Verdict([], note=f"SKIPPED: Slurm is not installed ({', '.join(missing_programs())})")
            if self.slurm is None:
                self.slurm = SlurmCluster(cores=2, memory=9000).start()
            options = ["--cluster", "slurm"]
        verdict = Verdict([])
        try:
            kill = self._windows if case.paths else self._process
            verdict.kills = kill(case, options, verdict)
            last = self.shop.run(*options, **self._cluster())
            self._look(last, verdict)
        except subprocess.TimeoutExpired:
            verdict.problems.append("a run hangs")
        finally:
            self.shop.kill_all(scheduled=True)
        return verdict

    def close(self) -> None:
        """Stop what was started."""
        if self.slurm is not None:
            self.slurm.stop()

    def _cluster(self) -> dict[str, str]:
        return self.slurm.environment if self.slurm is not None else {}

    def _process(self, case: Case, options: list[str], verdict: Verdict) -> int:
        """Kill one process or the tree at the moment of the case; the run must end by it."""
        delay = case.moment * self.shop.seconds[str(case.stage)]
        for _ in range(TRIES):
            self.shop.restore(case.stage)
            run = self.shop.start(*options, **self._cluster())
            if self._kill(case, run, delay):
                run.wait()
                if run.status == 0:
                    verdict.problems.append("a killed run ended with exit status 0")
                if case.what in ("run.sh", "tree", "slurm tree") and run.status != -signal.SIGKILL:
                    verdict.problems.append(f"the killed run ended with {run.status}")
                return 1
            run.wait()
            delay *= 0.5
        verdict.problems.append("the stage was always faster than the kill")
        return 0

    def _kill(self, case: Case, run: Run, delay: float) -> bool:
        """Wait for the moment and kill; False if the stage was over before."""
        shop = self.shop
        tasks = case.what == "worker" or case.what.startswith("slurm")

        def there() -> bool:
            return any(begun.stage == case.stage and ("-task-" in begun.task or not tasks) for begun in shop.begun())

        if not shop.wait_until(there, run):
            return False
        time.sleep(delay)
        if run.process.poll() is not None or any(begun.stage > case.stage for begun in shop.begun()):
            run.kill_tree()
            return False
        if case.what == "run.sh":
            run.process.kill()
            return True
        if case.what.endswith("tree"):
            return run.kill_tree() > 0
        mark = "utils.jobs.dispatch" if case.what.endswith("dispatcher") else None
        alive = {begun.pid for begun in shop.begun() if "-task-" in begun.task}
        if run.kill_one(lambda pid, line: mark in line if mark else pid in alive):
            return True
        run.kill_tree()
        return False

    def _windows(self, case: Case, options: list[str], verdict: Verdict) -> int:
        """Die in one window after the other, each time in the run that takes the former up."""
        self.shop.restore(case.stage)
        kills = 0
        for number, path in enumerate(case.paths):
            once = self.shop.directory / f"fired.{number}"
            once.unlink(missing_ok=True)
            wanted = path if "*" in path else pattern(path)
            fault = {"EMOTION_FAULT": wanted, "EMOTION_FAULT_ONCE": str(once)}
            run = self.shop.run(*options, **fault, **self._cluster())
            if not once.exists() and run.status == 0:
                # a task in parallel had passed this window before the former kill came: die in it from the start
                self.shop.restore(case.stage)
                run = self.shop.run(*options, **fault, **self._cluster())
            if not once.exists():
                verdict.problems.append(f"window of {path} was not met")
                if run.status:
                    verdict.problems.append(f"exit status {run.status}: {run.text()[-300:]}")
            elif run.status == 0:
                verdict.problems.append(f"killed in the window of {path}, yet exit status 0")
            else:
                kills += 1
        return kills

    def _look(self, last: Run, verdict: Verdict) -> None:
        """Everything that must hold after the last run."""
        if last.status:
            verdict.problems.append(f"the same command again: exit status {last.status}: {last.text()[-400:]}")
        left = self.shop.wait_quiet()
        if left:
            verdict.problems.append(f"still running: {left[:3]}")
        verdict.problems += [f"{name} differs" for name in self.shop.different()]
        verdict.problems += [f"twice at once: {line}" for line in self.shop.twice()]
        verdict.begun = len([begun for begun in self.shop.begun() if "-task-" in begun.task])
        if not self.shop.begun() and not verdict.problems:
            verdict.problems.append("the audit saw nothing")
        temporary = [path for path in self.shop.work.rglob("*.tmp*") if path.name.startswith(".")]
        if temporary:
            verdict.note = f"{len(temporary)} temporary files left: {temporary[0].relative_to(self.shop.work)}"
        attached = "attached to" in last.text()
        verdict.note += "the live Slurm tasks were taken over" if attached else ""


def first_stages(shop: Workshop) -> dict[str, int]:
    """The stage in whose undisturbed run each window was first met, from the log of that run."""
    found: dict[str, int] = {}
    stage = 1
    for path in shop.windows:
        found.setdefault(path, stage)
        name = Path(path).name.split(".")
        if Path(path).parent.name == ".stages" and name[-1] == "json" and name[-2].isdigit():
            stage = next((number for number in shop.stages if number > int(name[-2])), stage)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the cases; 1 if one went wrong."""
    parser = argparse.ArgumentParser(prog="tests/soak/kill.sh", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="chooses stages, moments and windows")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--directory", type=Path, help="work here and keep it, with its clone and its reference, "
                        "for the next time (default: a temporary directory)")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = arguments.directory or Path(tempfile.mkdtemp(prefix="emotion-soak-"))
    shop, began = Workshop(directory, options=OPTIONS), time.monotonic()
    killer = Killer(shop)
    wrong = kills = skipped = begun = ran = 0
    met: set[str] = set()
    try:
        if not shop.read_reference():
            shop.clone()
            shop.make_reference(say=lambda line: print(line, flush=True))
        cases = plan(arguments.cases, shop.stages, shop.windows, first_stages(shop), random.Random(arguments.seed))
        for number, case in enumerate(cases, 1):
            if arguments.only not in f"{number:2d} {case}":
                continue
            started = time.monotonic()
            verdict = killer.run(case)
            ran += 1
            wrong += bool(verdict.problems)
            skipped += verdict.note.startswith("SKIPPED")
            kills, begun = kills + verdict.kills, begun + verdict.begun
            if verdict.kills == len(case.paths) and case.what == "window":
                met |= set(map(kind, case.paths))
            result = "DIFFERENT" if verdict.problems else verdict.note if verdict.note.startswith("SKIPPED") else "same"
            note = "; ".join([*verdict.problems, *([verdict.note] if verdict.note and result != verdict.note else [])])
            print(f"case {number:2d}: {case}: {result}, {verdict.begun} task starts, "
                  f"{time.monotonic() - started:.0f} s{': ' + note if note else ''}", flush=True)
    finally:
        killer.close()
        if not arguments.directory and not wrong:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{ran} cases with {kills} kills: {ran - wrong - skipped} ended with the same {len(shop.scores)} score files "
          f"and no task twice at once ({begun} task starts), {wrong} did not, {skipped} skipped; "
          f"killed in {len(met)} of {len(kinds(shop.windows))} kinds of windows; {time.monotonic() - began:.0f} s")
    if wrong:
        print(f"kept: {directory}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
