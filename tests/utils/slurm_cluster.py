"""A real Slurm on this machine, for tests: own munge key and socket, loopback only, up in seconds, no root needed.

As a script it runs one command inside the cluster and gives back that command's exit status:

    python tests/utils/slurm_cluster.py [--cores 4] [--memory 4000] [--array-limit 1001] -- command ...

As a module it gives `SlurmCluster` and the pytest fixture `slurm` (import it in a test file); the fixture skips,
aloud, where Slurm is not installed (Debian: `apt-get install slurm-wlm munge`).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 200.0  # seconds; also when the machine is busy
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONFIG = """\
ClusterName=emotion
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={directory}/munge.socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout={slurmd_timeout}
InactiveLimit=0
KillWait=2
MinJobAge={min_job_age}
DefMemPerCPU=400
MaxArraySize={array_limit}
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,sched_interval=1,bf_interval=1
OverTimeLimit=0
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Programs of Slurm that this machine lacks."""
    return [name for name in NEEDED if shutil.which(name, path=SBIN) is None]


def free_port() -> int:
    """A TCP port of the loopback device that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    """Runs in the child: a harness that is killed takes its daemons along (PR_SET_PDEATHSIG = 1)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class SlurmCluster:
    """munged, slurmctld and one slurmd in a temporary directory.

    Args:
        cores: what the node claims to have; may exceed the real number.
        memory: MB that the node claims to have.
        array_limit: MaxArraySize; an array index must stay below it.
        min_job_age: seconds for which slurmctld remembers a finished job.
        slurmd_timeout: seconds after which a silent node is called down.
    """

    def __init__(self, cores: int = 4, memory: int = 4000, array_limit: int = 1001, min_job_age: int = 300,
                 slurmd_timeout: int = 30):
        self.settings = {"cores": cores, "memory": memory, "array_limit": array_limit, "min_job_age": min_job_age,
                         "slurmd_timeout": slurmd_timeout}
        self.host = socket.gethostname().split(".")[0]
        self.directory = Path()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which sbatch and the others find this cluster."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    def start(self) -> SlurmCluster:
        """Start the daemons and wait until the node is idle.

        Raises:
            RuntimeError: it did not come up within 30 s; carries the ends of the daemons' logs.
        """
        # munged refuses a socket below a directory that others can write to, unless it is sticky; /tmp is.
        self.directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        os.chmod(self.directory, 0o755)
        for name in ("state", "spool"):
            (self.directory / name).mkdir()
        (self.directory / "slurm.conf").write_text(CONFIG.format(
            host=self.host, directory=self.directory, user=getpass.getuser(), ctld_port=free_port(),
            slurmd_port=free_port(), **self.settings))
        key = self.directory / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        self.start_daemon("munged", "-F", "--force", f"--key-file={key}", f"--socket={self.directory}/munge.socket",
                          f"--pid-file={self.directory}/munged.pid", f"--log-file={self.directory}/munged.log",
                          f"--seed-file={self.directory}/munged.seed")
        self._wait(lambda: (self.directory / "munge.socket").exists(), "munged")
        self.start_daemon("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self.start_slurmd()
        self._wait(lambda: "idle" in self.command("sinfo", "-h", "-o", "%t"), "slurmctld and slurmd")
        return self

    def start_daemon(self, name: str, *arguments: str) -> None:
        """Start one daemon in the foreground; its output goes to <name>.out."""
        with open(self.directory / f"{name}.out", "ab") as output:
            self.processes[name] = subprocess.Popen(
                [str(shutil.which(name, path=SBIN)), *arguments], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, **self.environment}, start_new_session=True,
                preexec_fn=_die_with_parent)

    def start_slurmd(self) -> None:
        """Start (again) the daemon of the one node."""
        self.start_daemon("slurmd", "-D", "-N", self.host, "-f", self.environment["SLURM_CONF"])

    def command(self, *argv: str) -> str:
        """Run a Slurm command in this cluster; its output, or "" if it failed."""
        done = subprocess.run(argv, env={**os.environ, **self.environment}, capture_output=True, text=True,
                              timeout=PATIENCE)
        return done.stdout if done.returncode == 0 else ""

    def stop(self) -> None:
        """Cancel every job, stop the daemons, remove the directory."""
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            self.command("scancel", "--full", f"--user={getpass.getuser()}")
            deadline = time.monotonic() + 5
            while self.command("squeue", "-h").strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait(self, ready, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.1)
        logs = "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}"
                         for path in sorted(self.directory.iterdir()) if path.suffix in (".log", ".out"))
        raise RuntimeError(f"{what} did not start within {PATIENCE:.0f} s\n{logs}")


@pytest.fixture(scope="module")
def slurm(pytestconfig: pytest.Config) -> Iterator[SlurmCluster]:
    """A running cluster of 4 cores and 4000 MB for one test module."""
    yield from _cluster_or_skip()


@pytest.fixture(scope="module")
def roomy_slurm(pytestconfig: pytest.Config) -> Iterator[SlurmCluster]:
    """A running cluster with room for two tasks of a recipe at once."""
    yield from _cluster_or_skip(cores=2, memory=9000)


def _cluster_or_skip(**settings: int) -> Iterator[SlurmCluster]:
    if missing_programs():
        pytest.skip(f"Slurm is not installed (no {', '.join(missing_programs())}): apt-get install slurm-wlm munge")
    cluster = SlurmCluster(**settings)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


def main(argv: list[str] | None = None) -> int:
    """Run one command inside a fresh cluster."""
    parser = argparse.ArgumentParser(description="Run a command inside a one-machine Slurm.", allow_abbrev=False)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--memory", type=int, default=4000, help="MB")
    parser.add_argument("--array-limit", type=int, default=1001)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args(argv)
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if missing_programs():
        print(f"SKIPPED: Slurm is not installed (no {', '.join(missing_programs())})", file=sys.stderr)
        return 77
    cluster = SlurmCluster(arguments.cores, arguments.memory, arguments.array_limit)
    # A terminated harness still runs its `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = time.monotonic()
        cluster.start()
        print(f"Slurm is up after {time.monotonic() - started:.1f} s in {cluster.directory}", file=sys.stderr)
        return subprocess.run(command, env={**os.environ, **cluster.environment}).returncode
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
