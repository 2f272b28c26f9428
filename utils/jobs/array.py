"""Tasks as arrays at a scheduler: submit, wait, find out how each ended. Slurm and SGE differ only in their `Queue`."""

from __future__ import annotations

import collections
import contextlib
import os
import shlex
import sys
import time
from pathlib import Path

from utils.files import write_text
from utils.jobs.config import ClusterConfig, submit_options
from utils.jobs.files import JobFiles, module_environment, native, read_or_none
from utils.jobs.options import Job
from utils.jobs.progress import Progress
from utils.jobs.report import Outcome, cause_of, tail
from utils.jobs.submissions import Array, Queue, Refused, State, Unreachable, forget, live_rows, save

SUBMIT_ATTEMPTS = 6
FIRST_POLL = 0.3
SILENCE_SECONDS = 120.0
"""After so long without an answer from the scheduler the user is told."""


class ArrayBackend:
    """Runs tasks as arrays over a table of their numbers.

    Attributes:
        scheduler_output: what the scheduler itself wrote for a task (a failed prologue, its memory guard).
    """

    def __init__(self, job: Job, config: ClusterConfig, queue: Queue):
        self.job, self.config, self.queue, self.threads = job, config, queue, job.threads
        self.scheduler_output: dict[int, Path] = {}
        self.lock = -1
        self.arrays: list[Array] = []
        self.open: dict[int, tuple[Array, int]] = {}
        self.missing_since: dict[int, float] = {}

    def adopt(self, files: JobFiles, arrays: list[Array]) -> None:
        """Wait for the live rows of arrays that an earlier dispatcher submitted, instead of submitting them again."""
        live = live_rows(self.queue, arrays)
        for array in arrays:
            for row, task in enumerate(array.tasks, 1):
                if (array.name, row) in live:
                    self.open[task] = (array, row)
                    self.scheduler_output[task] = self._output(files, array, row)
        self.arrays = list(arrays)
        if self.open:
            print(f"{files.name}: attached to {len(self.open)} tasks that are at {self.queue.kind} already "
                  f"({', '.join(array.id or array.name for array in arrays)})", file=sys.stderr)

    def run(self, files: JobFiles, spec_path: Path, tasks: list[int], progress: Progress) -> list[Outcome]:
        """Run these tasks once each; one outcome each."""
        self.open = {task: place for task, place in self.open.items() if task in tasks}
        waiting = [task for task in tasks if task not in self.open]
        outcomes: list[Outcome] = []
        finished_before, pause, heard = progress.done, FIRST_POLL, time.monotonic()
        try:
            while waiting or self.open:
                # With a limit on tasks at once one array is at the scheduler at a time, since its throttle knows
                # only its own tasks.
                while waiting and not (self.open and self.job.parallel):
                    chunk, waiting = waiting[:self.config.max_array], waiting[self.config.max_array:]
                    self._submit(files, spec_path, chunk)
                time.sleep(pause)
                try:
                    states = self.queue.states(self.arrays)
                    heard = time.monotonic()
                except Unreachable as error:
                    if time.monotonic() - heard > SILENCE_SECONDS:
                        progress.say(f"{self.queue.kind} does not answer ({error}); waiting")
                        heard = time.monotonic()
                    continue
                resolved = self._look(files, states)
                outcomes += resolved
                pause = FIRST_POLL if resolved else min(1.3 * pause, self.config.poll_seconds)
                pause = min(pause, self.config.poll_seconds)
                self._tell(progress, finished_before + sum(not outcome.cause for outcome in outcomes), states)
        except KeyboardInterrupt:
            progress.say(f"{files.name}: stopped; cancelling {len(self.open)} tasks at {self.queue.kind}")
            with contextlib.suppress(Unreachable):
                self.queue.cancel(self.arrays)
            raise
        self._clean(files)
        return outcomes

    def _look(self, files: JobFiles, states: dict[tuple[str, int], State]) -> list[Outcome]:
        """Outcomes of the tasks that ended since the last look."""
        # Listing the directory makes an NFS client ask its server anew.
        os.listdir(files.directory)
        resolved = []
        for task, (array, row) in list(self.open.items()):
            state = states.get((array.name, row))
            if state is not None and state.phase == "pending":
                self.missing_since.pop(task, None)
                continue
            outcome = self._judge(files, task, array, row, state)
            if outcome is not None:
                resolved.append(outcome)
                del self.open[task]
                self.missing_since.pop(task, None)
        return resolved

    def _judge(self, files: JobFiles, task: int, array: Array, row: int, state: State | None) -> Outcome | None:
        """How a task ended; None while it runs, or while its record may still appear."""
        record = read_or_none(files.record(task))
        told = record is not None and record.get("state") == "finished"
        if told and files.finished(task):
            return Outcome(task)
        if told and record["status"] == 0 and not record["cause"]:
            told = False
        if told and (record["cause"] in ("memory", "time limit") or 0 <= record["status"] <= 128):
            return Outcome(task, cause_of(record, files))
        if state is not None and state.phase == "running":
            return None
        first = self.missing_since.setdefault(task, time.monotonic())
        if time.monotonic() - first < self.config.record_seconds and not told:
            return None
        if files.finished(task):
            return Outcome(task)
        if record is not None and record.get("state") == "finished" and not told:
            return Outcome(task, "it succeeded, but a file it used as input or output changed meanwhile")
        return Outcome(task, self._cause(files, task, array, row, state, record))

    def _cause(self, files: JobFiles, task: int, array: Array, row: int, state: State | None, record) -> str:
        reason = state.reason if state is not None and state.reason else self.queue.explain(array, row)
        output = tail(self._output(files, array, row))
        if any("memory limit" in line or "oom" in line.lower().replace("_", "-").split("-") or "oom-kill" in line
               for line in output):
            reason = "memory"
        if state is not None and state.phase == "stuck":
            with contextlib.suppress(Unreachable):
                self.queue.cancel([Array(array.name, [], f"{array.id}_{row}" if array.id else "")])
        if record is None:
            said = f": {output[-1]}" if output else ""
            return {"": f"it did not start{said}", "memory": "memory: killed by the scheduler; ask for more with --mem"
                    }.get(reason, f"{reason}{said}")
        return cause_of(record, files, reason)

    def _submit(self, files: JobFiles, spec_path: Path, tasks: list[int]) -> None:
        array = Array.new(tasks)
        table, script = files.path(f"{array.name}.tasks"), files.path(f"{array.name}.sh")
        write_text(table, "".join(f"{task}\n" for task in tasks))
        script.write_bytes(self._script(files, spec_path, table))
        for row, task in enumerate(tasks, 1):
            files.record(task).unlink(missing_ok=True)
            self.open[task] = (array, row)
            self.scheduler_output[task] = self._output(files, array, row)
        self.arrays.append(array)
        save(files, self.queue.kind, self.arrays)
        output = self._output(files, array, 0).with_suffix("")
        for attempt in range(1, SUBMIT_ATTEMPTS + 1):
            try:
                array.id = self.queue.submit(script, array, submit_options(self.config, self.job), self.job.parallel,
                                             output, self.lock)
                break
            except Refused:
                self._withdraw(files, array)
                raise
            except Unreachable as error:
                # Taken or not? The name tells, once the scheduler answers again.
                time.sleep(2 ** attempt * 0.5)
                with contextlib.suppress(Unreachable):
                    if self.queue.states([array]):
                        break
                if attempt == SUBMIT_ATTEMPTS:
                    raise Refused(f"{self.queue.kind} does not answer: {error}") from error
        save(files, self.queue.kind, self.arrays)

    def _withdraw(self, files: JobFiles, array: Array) -> None:
        """Forget an array that was refused; what else is at the scheduler stays there for the next attempt."""
        refused, self.arrays = [array], self.arrays[:-1]
        for suffix in ("tasks", "sh"):
            files.path(f"{array.name}.{suffix}").unlink(missing_ok=True)
        self.open = {task: place for task, place in self.open.items() if place[0] not in refused}
        if self.open:
            save(files, self.queue.kind, self.arrays)
        else:
            forget(files)

    def _script(self, files: JobFiles, spec_path: Path, table: Path) -> bytes:
        """The batch script. Bytes, since paths are bytes."""
        quoted = [shlex.quote(word) for word in (sys.executable, str(spec_path), str(table))]
        lines = ["#!/bin/bash", *self.config.prologue,
                 f"cd -- {shlex.quote(native(files.spec.cwd))} || exit 1",
                 *(f"export {name}={shlex.quote(value)}" for name, value in module_environment().items()),
                 f'exec {quoted[0]} -m utils.jobs.task {quoted[1]} --row {quoted[2]} "${self.queue.row_variable}"', ""]
        return os.fsencode("\n".join(lines))

    @staticmethod
    def _output(files: JobFiles, array: Array, row: int) -> Path:
        return files.path(f"{array.name}.{row}")

    def _tell(self, progress: Progress, done: int, states: dict[tuple[str, int], State]) -> None:
        mine = [states[place[0].name, place[1]] for place in self.open.values()
                if (place[0].name, place[1]) in states]
        running = sum(state.phase == "running" for state in mine)
        reasons = collections.Counter(state.reason for state in mine if state.phase == "pending" and state.reason)
        progress.update(done, running, f"pending: {reasons.most_common(1)[0][0]}" if reasons and not running else "")

    def _clean(self, files: JobFiles) -> None:
        """Remove tables, scripts and the scheduler's own output of finished tasks."""
        for array in self.arrays:
            for row, task in enumerate(array.tasks, 1):
                output = self._output(files, array, row)
                if files.finished(task) or (output.exists() and not output.stat().st_size):
                    output.unlink(missing_ok=True)
            for suffix in ("tasks", "sh"):
                files.path(f"{array.name}.{suffix}").unlink(missing_ok=True)
        self.arrays = []
        forget(files)
