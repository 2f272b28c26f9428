"""One node's part of a training over several nodes: meet, run torchrun, stay until the first node is done.

    job.sh JOB=1:4 log/train.{JOB}.log python -m steps.asr.train.launch --nodes 4 --node {JOB} --processes 8 \\
        --meeting exp/asr/log -- -m steps.asr.train.train ...

A scheduler gives tasks, not addresses. Node 1 writes the address of its rendezvous into MEETING/meeting.json; the
others wait until somebody listens there, so that the file of a killed run is never believed. A node other than the
first ends only when the first has ended well: tasks of one array are all done or all run again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main
from utils.files import read_json, write_json

MEETING = "meeting.json"  # {"host": ..., "port": ..., "command": hash, "done": false}
POLL = 0.5  # seconds
FAREWELL = 900.0  # seconds that the first node may take after the last batch: averaging, writing


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if "--" in words else len(words)
    parser = ArgumentParser(prog="steps.asr.train.launch", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=count, required=True, metavar="N", help="nodes that train together")
    parser.add_argument("--node", type=count, required=True, metavar="J", help="this one, from 1 on")
    parser.add_argument("--processes", type=count, default=1, metavar="N", help="on each node (%(default)s)")
    parser.add_argument("--meeting", type=Path, required=True, metavar="DIR", help="that all nodes see")
    parser.add_argument("--wait", type=float, default=7200, metavar="SECONDS", help="for the other nodes (%(default)s)")
    arguments = parser.parse_args(words[:cut])
    arguments.command = words[cut + 1:]
    if not arguments.command:
        raise UsageError("steps.asr.train.launch: no command after --; see --help")
    if arguments.node > arguments.nodes:
        raise UsageError(f"steps.asr.train.launch: --node is {arguments.node}, --nodes {arguments.nodes}")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    code = hashlib.sha256(json.dumps(arguments.command).encode()).hexdigest()[:16]
    path, first = arguments.meeting / MEETING, arguments.node == 1
    if read_meeting(path, code).get("done"):
        print(f"launch: this training is done ({path})")
        return 0
    if first:
        meeting = {"host": socket.gethostname(), "port": free_port(), "command": code, "done": False}
        write_json(path, meeting)
    else:
        meeting = find_meeting(path, code, arguments.wait)
    print(f"launch: node {arguments.node} of {arguments.nodes} at {meeting['host']}:{meeting['port']}", flush=True)
    status = run(torchrun(arguments, meeting))
    if status == 0 and first:
        write_json(path, {**meeting, "done": True})
    elif status == 0:
        wait_for_first(path, code)
    return status


def torchrun(arguments: argparse.Namespace, meeting: dict[str, Any]) -> list[str]:
    """The command of this node. The rendezvous is static, so that rank 0 is on node 1, which writes the files."""
    return [sys.executable, "-m", "torch.distributed.run", f"--nnodes={arguments.nodes}",
            f"--nproc-per-node={arguments.processes}", f"--node-rank={arguments.node - 1}", "--rdzv-backend=static",
            f"--master-addr={meeting['host']}", f"--master-port={meeting['port']}",
            f"--rdzv-conf=timeout={int(arguments.wait)}", *arguments.command]


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def read_meeting(path: Path, code: str) -> dict[str, Any]:
    """What the first node wrote for this command; {} if nothing."""
    try:
        meeting = read_json(path)
    except (OSError, ValueError):
        return {}
    return meeting if meeting.get("command") == code else {}


def find_meeting(path: Path, code: str, wait: float) -> dict[str, Any]:
    """Wait until the first node listens.

    Raises:
        UserError: it did not within `wait` seconds.
    """
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        meeting = read_meeting(path, code)
        if meeting:
            with contextlib.suppress(OSError), socket.create_connection((meeting["host"], meeting["port"]), timeout=5):
                return meeting
        time.sleep(POLL)
    raise UserError(f"node 1 has not come to {path} within {wait:.0f} s: all nodes must run at once; give --cmd a "
                    "--max-jobs-run of at least --nodes, or ask for fewer nodes")


def wait_for_first(path: Path, code: str) -> None:
    """
    Raises:
        UserError: the first node did not end well.
    """
    deadline = time.monotonic() + FAREWELL
    while time.monotonic() < deadline:
        if read_meeting(path, code).get("done"):
            return
        time.sleep(POLL)
    raise UserError(f"node 1 did not end within {FAREWELL:.0f} s of this node ({path}); see its log, then run the same "
                    "command again")


def run(command: Sequence[str]) -> int:
    """Run it to its end; a signal to this process goes to it too, so that no rank outlives its task."""
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(run_main(main))
