"""Tasks on a real Slurm that these tests start on this machine."""

import json
import os
import signal
import time

import pytest

from tests.patience import PATIENCE, read_until, wait_until
from tests.utils.jobs.toolbox import DIARY, HARD_ARGUMENTS, WRITE_ARGUMENTS, Desk, expected_arguments, one_error_line
from tests.utils.slurm_cluster import SlurmCluster, slurm  # noqa: F401  (fixture)

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path, slurm: SlurmCluster):  # noqa: F811
    (tmp_path / "diary.py").write_text(DIARY)
    (tmp_path / "lab.yaml").write_text("backend: slurm\npoll_seconds: 0.5\nrecord_seconds: 3\nmax_array: 3\n"
                                       'prologue: ["export FROM_PROLOGUE=yes"]\n')
    return Desk(tmp_path, "lab.yaml", slurm.environment)


def submitted(desk):
    """Rows of each array that was submitted, from the diary of a wrapped sbatch."""
    return [int(line) for line in desk.read("sbatch.log").split()]


def log_submissions(desk, after="", before=""):
    """Put a sbatch in front of the real one that notes the array's size, and does something before or after."""
    real = next(os.path.join(directory, "sbatch") for directory in desk.environment["PATH"].split(":")
                if os.path.exists(os.path.join(directory, "sbatch")))
    (desk.directory / "bin").mkdir(exist_ok=True)
    script = desk.directory / "bin" / "sbatch"
    script.write_text('#!/bin/bash\nfor word; do case $word in --array=1-*) rows=${word#--array=1-};; esac; done\n'
                      f'echo "${{rows%%%*}}" >> {desk.directory}/sbatch.log\n{before}\n'
                      f'{real} "$@"; status=$?\n{after}\nexit $status\n')
    script.chmod(0o755)
    return {"PATH": f"{desk.directory}/bin:{desk.environment['PATH']}"}


def test_arguments_arrive_byte_for_byte(desk):
    done = desk.run("JOB=1:2", "log/a.{JOB}.log", "python", "-c", WRITE_ARGUMENTS, "out {JOB}", *HARD_ARGUMENTS)
    assert done.returncode == 0, done.stderr
    for index in (1, 2):
        assert (desk.directory / f"out {index}").read_bytes() == expected_arguments(index)


def test_needs_reach_slurm_and_the_task(desk):
    done = desk.run("--mem", "300M", "--num-threads", "2", "--time", "90s", "JOB=1:1", "log/n.{JOB}.log", "bash", "-c",
                    "scontrol show job $SLURM_JOB_ID; echo $OMP_NUM_THREADS $EMOTION_NO_INSTALL $FROM_PROLOGUE")
    assert done.returncode == 0, done.stderr
    log = desk.read("log/n.1.log")
    for text in ("MinMemoryNode=300M", "CPUs/Task=2", "TimeLimit=00:02:00", "\n2 1 yes\n"):
        assert text in log


def test_a_dispatcher_inside_a_job_does_not_pass_that_jobs_needs_on(desk):
    done = desk.run("--mem", "300M", "JOB=1:1", "log/i.{JOB}.log", "true", SLURM_MEM_PER_CPU="3000000",
                    SLURM_JOB_ID="77", SLURM_NTASKS="64")
    assert done.returncode == 0, done.stderr


def test_chunks_cover_every_task_within_the_limit_on_parallel_ones(desk):
    path = log_submissions(desk)
    done = desk.run("--max-jobs-run", "2", "JOB=1:7", "log/c.{JOB}.log", "bash", "-c",
                    "touch on.$1; ls on.* | wc -l >> counts; echo $1 >> ran; sleep 0.3; rm on.$1", "x", "{JOB}", **path)
    assert done.returncode == 0, done.stderr
    assert submitted(desk) == [3, 3, 1]
    assert sorted(desk.read("ran").split()) == list("1234567")
    assert max(int(line) for line in desk.read("counts").split()) <= 2


def test_a_failing_task_is_reported_and_a_resume_submits_only_it(desk):
    path = log_submissions(desk)
    command = ("JOB=1:3", "log/f.{JOB}.log", "bash", "-c", "echo x >> runs.$1; [ $1 != 2 ] || [ -e ok ] || exit 9", "x",
               "{JOB}")
    done = desk.run(*command, **path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 3 tasks failed (task 2: exit code 9); log: log/f.2.log"
    (desk.directory / "ok").touch()
    assert desk.run(*command, **path).returncode == 0
    assert submitted(desk) == [3, 1]
    assert [desk.read(f"runs.{index}") for index in (1, 2, 3)] == ["x\n", "x\nx\n", "x\n"]


def test_retry_submits_the_failed_task_again(desk):
    path = log_submissions(desk)
    done = desk.run("--retry", "2", "JOB=1:2", "log/r.{JOB}.log", "bash", "-c",
                    'echo x >> runs.{JOB}; [ {JOB} = 1 ] || [ "$(wc -l < runs.2)" = 2 ]', **path)
    assert done.returncode == 0, done.stderr
    assert submitted(desk) == [2, 1]


EAT = "x = bytearray(b'1') * (400 << 20); import time; time.sleep(1000)"


def test_a_task_above_its_memory_is_killed_and_the_report_says_so(desk):
    done = desk.run("--mem", "150M", "JOB=1:1", "log/m.{JOB}.log", "python", "-c", EAT)
    assert done.returncode == 1
    assert "task 1 failed: memory: " in done.stderr and "ask for more with --mem" in done.stderr


def test_slurms_own_memory_limit_is_named_too(desk):
    """The site's limit is lower than what we asked for, so that Slurm kills the step, wrapper and all."""
    (desk.directory / "lab.yaml").write_text(
        'backend: slurm\npoll_seconds: 0.5\nrecord_seconds: 2\nmem: "--mem=100M"\n')
    done = desk.run("--mem", "3G", "JOB=1:1", "log/mm.{JOB}.log", "python", "-c", EAT)
    assert done.returncode == 1
    assert "task 1 failed: memory: " in done.stderr, done.stderr


def test_a_task_above_its_time_is_killed(desk):
    done = desk.run("--time", "1s", "JOB=1:1", "log/t.{JOB}.log", "sleep", "1000")
    assert done.returncode == 1
    assert "task 1 failed: time limit: longer than --time 1 s" in done.stderr


def test_a_cancelled_task_is_a_failed_one(desk, slurm):  # noqa: F811
    process = desk.start("JOB=1:1", "log/x.{JOB}.log", "python", "diary.py", "d", "1000")
    wait_until(lambda: desk.diary("d") == ["start"])
    record = json.loads(desk.read("log/.done/x.JOB.log.job.json"))
    slurm.command("scancel", record["arrays"][0]["id"])
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "cancelled (scancel)" in err


def test_a_failing_prologue_shows_what_it_said(desk):
    (desk.directory / "lab.yaml").write_text(
        'backend: slurm\npoll_seconds: 0.5\nrecord_seconds: 2\nprologue: ["echo no such module >&2; exit 1"]\n')
    done = desk.run("JOB=1:1", "log/p.{JOB}.log", "true")
    assert done.returncode == 1
    assert "task 1 failed: it did not start: no such module" in done.stderr


def test_a_refused_submission_is_one_line_with_slurms_reason(desk):
    done = desk.run("--mem", "100G", "JOB=1:1", "log/g.{JOB}.log", "true")
    assert done.returncode == 1
    assert "--mem=102400M" in one_error_line(done.stderr)
    (desk.directory / "lab.yaml").write_text('backend: slurm\nextra: ["--partition=nowhere"]\n')
    done = desk.run("JOB=1:1", "log/g.{JOB}.log", "true")
    assert done.returncode == 1
    assert "partition" in one_error_line(done.stderr)


def check_diaries(desk, indices):
    """No task ran twice at once, and each was carried to its end once."""
    for index in indices:
        assert desk.diary(f"d.{index}") == ["start", "end"], index


def test_a_killed_dispatcher_is_followed_by_one_that_attaches(desk):
    path = log_submissions(desk)
    command = ("JOB=1:3", "log/k.{JOB}.log", "python", "diary.py", "d.{JOB}", "go")
    first = desk.start(*command, **path)
    wait_until(lambda: desk.diary("d.1") == ["start"])
    first.kill()
    first.communicate()
    second = desk.start(*command, **path)
    read_until(second.stderr, "attached to")
    (desk.directory / "go").touch()
    _, told = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, told
    assert submitted(desk) == [3], "nothing was submitted again"
    check_diaries(desk, (1, 2, 3))


def test_a_kill_between_sbatch_and_the_writing_of_its_id_loses_nothing(desk):
    path = log_submissions(desk, after='kill -9 "$PPID"; sleep 0.3')
    command = ("JOB=1:2", "log/b.{JOB}.log", "python", "diary.py", "d.{JOB}", "4")
    first = desk.start(*command, **path)
    first.communicate(timeout=PATIENCE)
    assert first.returncode == -signal.SIGKILL
    assert json.loads(desk.read("log/.done/b.JOB.log.job.json"))["arrays"][0]["id"] == ""
    done = desk.run(*command, **path)
    assert done.returncode == 0, done.stderr
    assert submitted(desk) == [2]
    check_diaries(desk, (1, 2))


def test_a_kill_before_sbatch_did_its_work_never_runs_a_task_twice(desk):
    """The dispatcher dies while sbatch is still on its way; the next one waits for that sbatch."""
    path = log_submissions(desk, before='kill -9 "$PPID"; sleep 1')
    command = ("JOB=1:2", "log/s.{JOB}.log", "python", "diary.py", "d.{JOB}", "2")
    desk.start(*command, **path).communicate(timeout=PATIENCE)
    done = desk.run(*command)
    assert done.returncode == 0, done.stderr
    assert submitted(desk) == [2]
    check_diaries(desk, (1, 2))


def test_tasks_that_ended_while_no_dispatcher_lived_are_not_run_again(desk):
    path = log_submissions(desk)
    command = ("JOB=1:2", "log/o.{JOB}.log", "python", "diary.py", "d.{JOB}", "1")
    first = desk.start(*command, **path)
    wait_until(lambda: desk.diary("d.1") == ["start"])
    first.kill()
    first.communicate()
    wait_until(lambda: desk.diary("d.1") == desk.diary("d.2") == ["start", "end"])
    time.sleep(1)
    assert desk.run(*command, **path).returncode == 0
    assert submitted(desk) == [2]
    check_diaries(desk, (1, 2))


def test_a_live_array_of_other_arguments_is_cancelled_first(desk):
    first = desk.start("JOB=1:2", "log/v.{JOB}.log", "python", "diary.py", "old.{JOB}", "1000")
    wait_until(lambda: desk.diary("old.1") == ["start"])
    first.kill()
    first.communicate()
    done = desk.run("JOB=1:2", "log/v.{JOB}.log", "python", "diary.py", "new.{JOB}", "0.1")
    assert done.returncode == 0, done.stderr
    assert "cancelling 2 tasks" in done.stderr
    assert desk.diary("old.1") == ["start"] and desk.diary("new.1") == ["start", "end"]


def test_a_polite_end_cancels_the_array(desk, slurm):  # noqa: F811
    process = desk.start("JOB=1:2", "log/e.{JOB}.log", "python", "diary.py", "d.{JOB}", "1000")
    wait_until(lambda: desk.diary("d.1") == ["start"])
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "cancelling 2 tasks" in err
    wait_until(lambda: not slurm.command("squeue", "-h").strip())


def test_a_lost_node_gives_a_clear_cause_or_runs_again(desk, slurm):  # noqa: F811
    """slurmd and the step's daemon die; Slurm is told that the node is down."""
    (desk.directory / "lab.yaml").write_text('backend: slurm\npoll_seconds: 0.5\nrecord_seconds: 2\n'
                                             'extra: ["--no-requeue"]\n')
    process = desk.start("JOB=1:1", "log/l.{JOB}.log", "python", "diary.py", "d", "1000")
    try:
        wait_until(lambda: desk.diary("d") == ["start"])
        slurm.command("scontrol", "update", f"nodename={slurm.host}", "state=down", "reason=test")
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        slurm.command("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    assert process.returncode == 1
    assert "task 1 failed: node lost" in err
