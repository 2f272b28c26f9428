#!/usr/bin/env python3
"""A small stand-in for Grid Engine's qsub, qstat, qacct and qdel, where the real one cannot be started.

Called under one of those names (links to this file). It really runs array tasks, in the background, two at once (or as
many as -tc says), and keeps its state below SGE_STAND_IN: <job>/job.json, <job>/<row>.{pid,exit}. It takes only the
options that the dispatcher uses, spelt as qsub wants them, and refuses others as qsub does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

STATE = Path(os.environ["SGE_STAND_IN"])
WITH_VALUE = {"-S", "-N", "-t", "-tc", "-j", "-o", "-l", "-q", "-P", "-pe"}


def qsub(words: list[str]) -> int:
    """Submit: note the job, start a process that runs its tasks."""
    options: dict[str, str] = {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-terse", "-V"):
            continue
        if option not in WITH_VALUE:
            print(f'qsub: Unknown option "{option}"', file=sys.stderr)
            return 1
        options[option] = words.pop(0)
        if option == "-pe":
            words.pop(0)
        if option == "-q" and options[option] != "all.q":
            print(f"Unable to run job: Job was rejected because job requests unknown queue \"{options[option]}\".",
                  file=sys.stderr)
            return 1
    number = 1 + max((int(path.name) for path in STATE.iterdir()), default=0)
    folder = STATE / str(number)
    folder.mkdir()
    last = int(re.fullmatch(r"1-(\d+)", options["-t"])[1])
    script = Path(words[0]).read_bytes()  # as the real one, it keeps a copy
    (folder / "script").write_bytes(script)
    (folder / "job.json").write_text(json.dumps({"name": options["-N"], "rows": last, "output": options["-o"],
                                                 "parallel": int(options.get("-tc", 2))}))
    # Under its own name: __file__ is the link that was called.
    subprocess.Popen([sys.executable, Path(__file__).resolve(), "run", str(number)], start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{number}.1-{last}:1")
    return 0


def run(words: list[str]) -> int:
    """The engine of one job."""
    folder = STATE / words[0]
    job = json.loads((folder / "job.json").read_text())
    running: dict[int, subprocess.Popen[bytes]] = {}
    row = 0
    while row < job["rows"] or running:
        while row < job["rows"] and len(running) < job["parallel"]:
            row += 1
            if (folder / f"{row}.exit").exists():
                continue
            with open(job["output"].replace("$TASK_ID", str(row)), "ab") as output:
                running[row] = subprocess.Popen(["/bin/bash", folder / "script"], stdout=output, stderr=output,
                                                stdin=subprocess.DEVNULL, start_new_session=True,
                                                env={**os.environ, "JOB_ID": words[0], "SGE_TASK_ID": str(row)})
            (folder / f"{row}.pid").write_text(str(running[row].pid))
        for number, process in list(running.items()):
            if process.poll() is not None:
                (folder / f"{number}.exit").write_text(str(process.returncode))
                del running[number]
        time.sleep(0.05)
    return 0


def jobs() -> list[tuple[Path, dict]]:
    """All jobs ever."""
    return [(path, json.loads((path / "job.json").read_text())) for path in sorted(STATE.iterdir())
            if (path / "job.json").exists()]


def qstat(words: list[str]) -> int:
    """Queue as XML, one entry a task (-g d)."""
    assert words[:3] == ["-xml", "-g", "d"], words
    print("<?xml version='1.0'?><job_info><queue_info></queue_info><job_info>")
    for folder, job in jobs():
        for row in range(1, job["rows"] + 1):
            if not (folder / f"{row}.exit").exists():
                state = "r" if (folder / f"{row}.pid").exists() else "qw"
                print(f"<job_list><JB_job_number>{folder.name}</JB_job_number><JB_name>{escape(job['name'])}</JB_name>"
                      f"<state>{state}</state><tasks>{row}</tasks></job_list>")
    print("</job_info></job_info>")
    return 0


def qacct(words: list[str]) -> int:
    """Entry of one ended task: -j NUMBER -t ROW."""
    ended = STATE / words[1] / f"{words[3]}.exit"
    if not ended.exists():
        print(f"error: job id {words[1]} not found", file=sys.stderr)
        return 1
    status = ended.read_text()
    failed = "0" if not status.startswith("-") else "100 : assumedly after job"
    print(f"jobnumber    {words[1]}\ntaskid       {words[3]}\nfailed       {failed}\nexit_status  {status}")
    return 0


def qdel(words: list[str]) -> int:
    """Delete by number or name, perhaps one task only: WHAT [-t ROW]."""
    found = [(folder, job) for folder, job in jobs() if words[0] in (folder.name, job["name"])]
    if not found:
        print(f'denied: job "{words[0]}" does not exist', file=sys.stderr)
        return 1
    for folder, job in found:
        for row in [int(words[2])] if len(words) > 2 else range(1, job["rows"] + 1):
            if (folder / f"{row}.exit").exists():
                continue
            if (folder / f"{row}.pid").exists():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int((folder / f"{row}.pid").read_text()), signal.SIGKILL)
            else:
                (folder / f"{row}.exit").write_text("-9")
    return 0


if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    if name == "grid_engine.py":
        sys.exit(run(sys.argv[2:]))
    sys.exit({"qsub": qsub, "qstat": qstat, "qacct": qacct, "qdel": qdel}[name](sys.argv[1:]))
