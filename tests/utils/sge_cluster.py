"""A real Grid Engine on this machine, for tests: its own root, spool and ports below /tmp, up in about ten seconds.

As a script it runs one command inside the cluster: `python tests/utils/sge_cluster.py -- command ...`.
As a module it gives `GridEngineCluster`. Debian: `apt-get install gridengine-master gridengine-exec gridengine-client`.
Grid Engine starts jobs as their owner, so its daemons need root; without root there is only the stand-in.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 200.0  # seconds; also when the machine is busy
LIBRARY = Path("/usr/lib/gridengine")
SHARE = Path("/usr/share/gridengine")

BOOTSTRAP = """\
admin_user              none
default_domain          none
ignore_fqdn             true
spooling_method         berkeleydb
spooling_lib            libspoolb
spooling_params         {root}/spooldb
binary_path             /usr/sbin
qmaster_spool_dir       {root}/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
"""
PARALLEL_ENVIRONMENT = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
EXEC_HOST = """\
hostname localhost
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""


def why_not() -> str:
    """Why a real Grid Engine cannot be started here; "" if it can be tried."""
    missing = [str(path) for path in (LIBRARY / "sge_qmaster", LIBRARY / "sge_execd", SHARE / "default-configuration")
               if not path.exists()]
    if missing:
        return f"Grid Engine is not installed (no {missing[0]})"
    return "" if os.geteuid() == 0 else "Grid Engine's daemons need root"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GridEngineCluster:
    """qmaster and one execd.

    Args:
        slots: tasks that may run at once.
    """

    def __init__(self, slots: int = 4):
        self.slots, self.root = slots, Path()
        self.environment: dict[str, str] = {}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> GridEngineCluster:
        """Start it.

        Raises:
            RuntimeError: it did not come up; carries the daemons' messages.
        """
        self.root = Path(tempfile.mkdtemp(prefix="sge-", dir="/tmp"))
        self.root.chmod(0o755)
        common = self.root / "default" / "common"
        for directory in (common, self.root / "qmaster" / "job_scripts", self.root / "spooldb", self.root / "execd"):
            directory.mkdir(parents=True)
        for name in ("bin", "lib", "utilbin"):
            (self.root / name).mkdir()
            (self.root / name / "lx-amd64").symlink_to(LIBRARY)
        (self.root / "util").symlink_to(SHARE / "util")
        (common / "bootstrap").write_text(BOOTSTRAP.format(root=self.root))
        (common / "act_qmaster").write_text("localhost\n")
        # Without this the loopback address is not the host that a client says it is.
        names = dict.fromkeys(["localhost", socket.gethostname(), *_names_of_loopback()])
        (common / "host_aliases").write_text(" ".join(names) + "\n")
        self.environment = {"SGE_ROOT": str(self.root), "SGE_CELL": "default", "SGE_CLUSTER_NAME": "emotion",
                            "SGE_QMASTER_PORT": str(_free_port()), "SGE_EXECD_PORT": str(_free_port()), "SGE_ND": "1"}
        configuration = (SHARE / "default-configuration").read_text()
        for old, new in (("execd_spool_dir        /var/spool/gridengine/execd", f"execd_spool_dir {self.root}/execd"),
                         ("min_uid                1000", "min_uid 0"), ("min_gid                1000", "min_gid 0"),
                         ("flush_time=00:00:15", "flush_time=00:00:01 accounting_flush_time=00:00:01"),
                         ("load_report_time       00:00:40", "load_report_time 00:00:02")):
            if old not in configuration:
                raise RuntimeError(f"{SHARE}/default-configuration has no line {old!r}")
            configuration = configuration.replace(old, new)
        (self.root / "configuration").write_text(configuration)
        self.command(f"{LIBRARY}/spoolinit", "berkeleydb", "libspoolb", f"{self.root}/spooldb", "init")
        for what, path in (("configuration", self.root / "configuration"),
                           ("complexes", SHARE / "util/resources/centry"),
                           ("usersets", SHARE / "util/resources/usersets"), ("managers", "root")):
            self.command(f"{LIBRARY}/spooldefaults", what, str(path))
        self._daemon("sge_qmaster")
        self._until(lambda: self.command("qconf", "-sh", check=False).returncode == 0)
        self._configure()
        self._daemon("sge_execd")
        self._until(self._reports_load)
        return self

    def _reports_load(self) -> bool:
        """Whether the execd has told its load; before that no job is given to it."""
        words = (self.command("qhost", check=False).stdout.splitlines() or [""])[-1].split()
        return len(words) > 6 and words[0] == "localhost" and words[6] != "-"

    def _configure(self) -> None:
        self.command("qconf", "-ah", "localhost", check=False)
        self.command("qconf", "-as", "localhost", check=False)
        self._from_file("-Ae", EXEC_HOST)
        self._from_file("-Ap", PARALLEL_ENVIRONMENT)
        queue = self.command("qconf", "-sq").stdout.splitlines()
        wanted = {"qname": "all.q", "hostlist": "localhost", "load_thresholds": "NONE", "slots": str(self.slots),
                  "pe_list": "make smp"}
        self._from_file("-Aq", "".join(f"{line.split()[0]} {wanted.get(line.split()[0], ' '.join(line.split()[1:]))}\n"
                                       for line in queue if line.strip()))
        fast = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        self._from_file("-Msconf", "".join(
            f"{line.split()[0]} {fast.get(line.split()[0], ' '.join(line.split()[1:]))}\n"
            for line in self.command("qconf", "-ssconf").stdout.splitlines() if line.strip()))

    def _from_file(self, option: str, content: str) -> None:
        path = self.root / "input"
        path.write_text(content)
        self.command("qconf", option, str(path))

    def _daemon(self, name: str) -> None:
        with open(self.root / f"{name}.out", "ab") as output:
            self.processes.append(subprocess.Popen([str(LIBRARY / name)], env={**os.environ, **self.environment},
                                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                                   start_new_session=True))

    def command(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of its commands."""
        done = subprocess.run(argv, env={**os.environ, **self.environment}, capture_output=True, text=True,
                              timeout=PATIENCE)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout} {done.stderr}\n{self.messages()}")
        return done

    def messages(self) -> str:
        """Ends of the daemons' messages."""
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-1500:]}"
                         for path in [*self.root.glob("*.out"), *self.root.rglob("messages")])

    def _until(self, ready) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Grid Engine did not start within {PATIENCE:.0f} s\n{self.messages()}")
            time.sleep(0.3)

    def stop(self) -> None:
        """Delete every job, stop the daemons, remove the directory."""
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            self.command("qdel", "-f", "-u", "*", check=False)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.root, ignore_errors=True)


def _names_of_loopback() -> list[str]:
    with contextlib.suppress(OSError):
        name, aliases, _ = socket.gethostbyaddr("127.0.0.1")
        return [name, *aliases]
    return []


def main(argv: list[str]) -> int:
    """Run one command inside a fresh cluster."""
    if why_not():
        print(f"SKIPPED: {why_not()}", file=sys.stderr)
        return 77
    command = argv[1:] if argv[:1] == ["--"] else argv
    cluster = GridEngineCluster()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cluster.start()
        return subprocess.run(command, env={**os.environ, **cluster.environment}).returncode
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
