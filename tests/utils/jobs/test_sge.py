"""Tasks on Grid Engine: a real one that these tests start where they can, and a stand-in everywhere."""

import json
import signal
from pathlib import Path

import pytest

from tests.patience import PATIENCE, read_until, wait_until
from tests.utils.jobs.toolbox import DIARY, HARD_ARGUMENTS, WRITE_ARGUMENTS, Desk, expected_arguments, one_error_line
from tests.utils.sge_cluster import GridEngineCluster, why_not

STAND_IN = Path(__file__).resolve().parents[1] / "sge_stand_in" / "grid_engine.py"


@pytest.fixture(scope="module", params=[pytest.param("real", marks=pytest.mark.slow), "stand-in"])
def grid(request, tmp_path_factory):
    """Environment with which qsub and the others are found."""
    if request.param == "stand-in":
        directory = tmp_path_factory.mktemp("sge")
        for name in ("qsub", "qstat", "qacct", "qdel"):
            (directory / name).symlink_to(STAND_IN)
        (directory / "state").mkdir()
        yield {"SGE_STAND_IN": str(directory / "state"), "stand-in": str(directory)}
        return
    if why_not():
        pytest.skip(f"{why_not()}: only the stand-in is tested")
    cluster = GridEngineCluster()
    try:
        yield cluster.start().environment
    finally:
        cluster.stop()


@pytest.fixture
def desk(tmp_path, grid):
    (tmp_path / "diary.py").write_text(DIARY)
    (tmp_path / "lab.yaml").write_text("backend: sge\npoll_seconds: 0.3\nrecord_seconds: 3\nmax_array: 2\n"
                                       'prologue: ["export FROM_PROLOGUE=yes"]\n')
    desk = Desk(tmp_path, "lab.yaml")
    desk.environment |= {name: value for name, value in grid.items() if name != "stand-in"}
    if "stand-in" in grid:
        desk.environment["PATH"] = f"{grid['stand-in']}:{desk.environment['PATH']}"
    return desk


def test_arguments_arrive_byte_for_byte(desk):
    done = desk.run("JOB=1:1", "log/a.{JOB}.log", "python", "-c", WRITE_ARGUMENTS, "out {JOB}", *HARD_ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert (desk.directory / "out 1").read_bytes() == expected_arguments(1)


def test_needs_reach_the_task_and_only_the_failed_one_is_submitted_again(desk):
    command = ("--num-threads", "2", "--time", "1h", "JOB=1:3", "log/f.{JOB}.log", "bash", "-c",
               "echo $OMP_NUM_THREADS $EMOTION_NO_INSTALL $FROM_PROLOGUE; echo x >> runs.$1; "
               "[ $1 != 2 ] || [ -e ok ] || exit 9", "x", "{JOB}")
    done = desk.run(*command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 3 tasks failed (task 2: exit code 9); log: log/f.2.log"
    assert "\n2 1 yes\n" in desk.read("log/f.3.log")
    (desk.directory / "ok").touch()
    assert desk.run(*command).returncode == 0
    assert [desk.read(f"runs.{index}") for index in (1, 2, 3)] == ["x\n", "x\nx\n", "x\n"]


def test_a_task_above_its_memory_is_killed(desk):
    done = desk.run("--mem", "150M", "JOB=1:1", "log/m.{JOB}.log", "python", "-c",
                    "x = bytearray(b'1') * (400 << 20); import time; time.sleep(1000)")
    assert done.returncode == 1
    assert "task 1 failed: memory: " in done.stderr


def test_a_deleted_task_is_a_failed_one(desk):
    import subprocess

    process = desk.start("JOB=1:1", "log/x.{JOB}.log", "python", "diary.py", "d", "1000")
    wait_until(lambda: desk.diary("d") == ["start"])
    record = json.loads(desk.read("log/.done/x.JOB.log.job.json"))
    subprocess.run(["qdel", record["arrays"][0]["id"]], env=desk.environment, check=True, capture_output=True,
                   executable=_which("qdel", desk))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "1 of 1 tasks failed" in err


def _which(name, desk):
    import shutil

    return shutil.which(name, path=desk.environment["PATH"])


def test_a_refused_submission_is_one_line(desk):
    (desk.directory / "lab.yaml").write_text('backend: sge\nextra: ["-q nowhere.q"]\n')
    done = desk.run("JOB=1:1", "log/g.{JOB}.log", "true")
    assert done.returncode == 1
    assert "nowhere.q" in one_error_line(done.stderr)


def test_a_killed_dispatcher_is_followed_by_one_that_attaches(desk):
    command = ("JOB=1:2", "log/k.{JOB}.log", "python", "diary.py", "d.{JOB}", "go")
    first = desk.start(*command)
    wait_until(lambda: desk.diary("d.1") == ["start"])
    first.kill()
    first.communicate()
    second = desk.start(*command)
    read_until(second.stderr, "attached to")
    (desk.directory / "go").touch()
    _, told = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, told
    assert desk.diary("d.1") == desk.diary("d.2") == ["start", "end"]


def test_a_polite_end_deletes_the_array(desk):
    process = desk.start("JOB=1:1", "log/e.{JOB}.log", "python", "diary.py", "d", "1000")
    wait_until(lambda: desk.diary("d") == ["start"])
    pid = int(desk.read("d").split()[1])
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "cancelling 1 tasks" in err
    wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
