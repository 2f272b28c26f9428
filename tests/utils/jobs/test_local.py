"""Tasks on this machine, run through job.sh as a recipe does."""

import json
import os
import shutil
import signal
import time

import pytest

from tests.patience import PATIENCE, least_processor_seconds, read_until, wait_until
from tests.utils.jobs.toolbox import DIARY, HARD_ARGUMENTS, WRITE_ARGUMENTS, Desk, expected_arguments, one_error_line
from utils.leash import start_time


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "diary.py").write_text(DIARY)
    return Desk(tmp_path)


def test_arguments_arrive_byte_for_byte_and_only_JOB_is_replaced(desk):
    done = desk.run("JOB=1:2", "log/a.{JOB}.log", "python", "-c", WRITE_ARGUMENTS, "out {JOB}", *HARD_ARGUMENTS,
                    LC_ALL="C")
    assert done.returncode == 0, done.stderr
    for index in (1, 2):
        assert (desk.directory / f"out {index}").read_bytes() == expected_arguments(index)
    assert not (desk.directory / "hacked").exists()


def test_a_task_sees_its_number_and_exactly_its_threads(desk):
    done = desk.run("--num-threads", "2", "JOB=1:1", "log/e.{JOB}.log", "bash", "-c",
                    "echo $EMOTION_JOB $EMOTION_NUM_THREADS $OMP_NUM_THREADS $MKL_NUM_THREADS $OPENBLAS_NUM_THREADS "
                    "$NUMEXPR_NUM_THREADS $EMOTION_NO_INSTALL ${PWD##*/}", OMP_NUM_THREADS="64")
    assert done.returncode == 0
    assert f"1 2 2 2 2 2 1 {desk.directory.name}\n" in desk.read("log/e.1.log")


@pytest.mark.parametrize(("options", "told"), [(("--mem", "3G"), str(3 << 30)), ((), "nothing")])
def test_a_task_sees_its_memory(desk, options, told):
    done = desk.run(*options, "JOB=1:1", "log/m.{JOB}.log", "bash", "-c", 'echo "memory ${EMOTION_MEMORY:-nothing}"')
    assert done.returncode == 0 and f"memory {told}\n" in desk.read("log/m.1.log")


def test_the_log_starts_with_what_ran_where(desk):
    desk.run("JOB=1:1", "log/h.{JOB}.log", "bash", "-c", "echo out; echo err >&2", "two words")
    log = desk.read("log/h.1.log")
    for text in ("# command: bash -c 'echo out; echo err >&2' 'two words'\n", "# commit: ", "# host: ", "# started: ",
                 "# threads: 1\n", "python 3.", "\nout\nerr\n", "# ended: exit status 0"):
        assert text in log


def test_a_failing_task_is_reported_with_cause_and_end_of_its_log(desk):
    script = 'for i in $(seq 50); do echo "line $i"; done; [ {JOB} != 2 ] || exit 7'
    done = desk.run("JOB=1:3", "log/f.{JOB}.log", "bash", "-c", script)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "task 2 failed: exit code 7; log: log/f.2.log"
    assert done.stderr.splitlines()[-1] == "error: 1 of 3 tasks failed (task 2: exit code 7); log: log/f.2.log"
    shown = [line for line in done.stderr.splitlines() if line.startswith("  | ")]
    assert len(shown) == 20 and "  | line 50" in shown and "  | line 31" not in shown


def test_the_last_line_tells_the_error_that_the_task_itself_told(desk):
    done = desk.run("JOB=1:1", "log/o.{JOB}.log", "bash", "-c", "echo 'error: first'; echo 'error: no x in y'; exit 1")
    assert done.stderr.splitlines()[-1] == ("error: 1 of 1 tasks failed (task 1: exit code 1: no x in y); "
                                            "log: log/o.1.log")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit here (util-linux)")
def test_a_wrapper_that_cannot_write_how_the_task_ended_is_not_called_killed(desk):
    script = "prlimit --pid $PPID --fsize=8192:8192; head -c 20000 /dev/zero | tr '\\0' x; echo; exit 1"
    done = desk.run("JOB=1:1", "log/w.{JOB}.log", "bash", "-c", script)
    assert done.returncode == 1 and "log/w.1.log: File too large" in done.stderr
    assert "could not be written down" in done.stderr.splitlines()[-1] and "SIGKILL" not in done.stderr


@pytest.mark.parametrize(("command", "cause"), [
    (["bash", "-c", "kill -SEGV $$"], "signal 11 (SIGSEGV)"),
    (["bash", "-c", "exit 137"], "exit code 137 (SIGKILL in a shell)"),
    (["./not-there"], "the command was not found"),
    (["/etc/passwd"], "the command could not be executed"),
])
def test_the_cause_says_how_a_command_ended(desk, command, cause):
    done = desk.run("JOB=1:1", "log/c.{JOB}.log", *command)
    assert done.returncode == 1
    assert f"task 1 failed: {cause};" in done.stderr


def test_a_task_above_its_memory_is_killed_with_its_children(desk):
    eat = "x = bytearray(b'1') * (300 << 20); import time; time.sleep(1000)"
    done = desk.run("--mem", "120M", "JOB=1:1", "log/m.{JOB}.log", "bash", "-c",
                    'echo $$ > pid; python -c "$1" & echo $! > child; wait', "x", eat)
    assert done.returncode == 1
    assert "task 1 failed: memory: used " in done.stderr and "120 MB of --mem" in done.stderr
    assert start_time(int(desk.read("child"))) is None


def test_memory_mapped_files_do_not_count_against_the_limit(desk):
    (desk.directory / "big").write_bytes(b"1" * (200 << 20))
    look = ("import mmap, time; f = open('big', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=1)\n"
            "any(m[k] == 0 for k in range(0, len(m), 4096)); time.sleep(0.5)")
    done = desk.run("--mem", "100M", "JOB=1:1", "log/mm.{JOB}.log", "python", "-c", look)
    assert done.returncode == 0, done.stderr


def test_a_task_above_its_time_is_killed(desk):
    done = desk.run("--time", "1s", "JOB=1:1", "log/t.{JOB}.log", "bash", "-c",
                    "sleep 1000 & echo $! > child; sleep 1000")
    assert done.returncode == 1
    assert "task 1 failed: time limit: longer than --time 1 s" in done.stderr
    assert not desk.read("child") or start_time(int(desk.read("child"))) is None


def test_retry_runs_only_the_failed_task_again_and_keeps_its_log(desk):
    script = 'echo x >> runs.{JOB}; echo attempt; [ {JOB} != 2 ] || [ "$(wc -l < runs.2)" = 2 ]'
    done = desk.run("--retry", "1", "JOB=1:2", "log/r.{JOB}.log", "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert desk.read("runs.1") == "x\n" and desk.read("runs.2") == "x\nx\n"
    assert "exit status 1" in desk.read("log/r.2.log.1") and "exit status 0" in desk.read("log/r.2.log")


def test_a_resume_runs_only_what_is_not_finished(desk):
    command = ("JOB=1:3", "log/u.{JOB}.log", "bash", "-c", "echo x >> runs.$1; [ $1 != 2 ] || [ -e ok ]", "x", "{JOB}")
    assert desk.run(*command).returncode == 1
    (desk.directory / "ok").touch()
    assert desk.run(*command).returncode == 0
    assert [desk.read(f"runs.{index}") for index in (1, 2, 3)] == ["x\n", "x\nx\n", "x\n"]
    again = desk.run(*command)
    assert again.returncode == 0 and again.stderr == ""
    assert desk.read("runs.2") == "x\nx\n"


def test_a_task_runs_again_when_what_it_depends_on_changed(desk):
    for index in (1, 2):
        (desk.directory / f"list.{index}").write_text("a\n")

    def runs(tasks="2", log="v", **environment):
        command = ["bash", "-c", 'echo x >> runs; cp "$1" "$2"', "x", "list.{JOB}", "--out=copy.{JOB}"]
        command[2] = 'echo x >> runs; cp "$1" "${2#--out=}"'
        before = len(desk.read("runs"))
        assert desk.run(f"JOB=1:{tasks}", f"log/{log}.{{JOB}}.log", *command, **environment).returncode == 0
        return (len(desk.read("runs")) - before) // 2

    assert runs() == 2
    assert runs() == 0
    (desk.directory / "list.2").write_text("b\n")
    assert runs() == 1, "content of an input"
    assert desk.read("copy.2") == "b\n"
    (desk.directory / "copy.1").unlink()
    assert runs() == 1, "an output that is gone"
    (desk.directory / "copy.1").write_text("torn")
    assert runs() == 1, "an output of another size"
    assert runs("1") == 1, "another number of tasks"
    assert runs(EMOTION_STAGE_INPUTS="abc") == 2, "inputs of the stage"
    assert runs(log="w") == 2, "another log is another job"
    assert runs(log="w") == 0


def test_never_more_threads_than_cores(desk):
    (desk.directory / "four.yaml").write_text("backend: local\ncores: 4\n")
    command = ("JOB=1:4", "log/p.{JOB}.log", "bash", "-c",
               # The first two wait for each other, so that both are counted, whichever comes first.
               "touch on.$1 seen.$1; until [ -e seen.1 -a -e seen.2 ] || [ -e alone ]; do sleep 0.02; done; "
               "ls on.* | wc -l >> counts; sleep 0.1; rm on.$1", "x", "{JOB}")
    desk.run("--cluster", "four.yaml", "--num-threads", "2", "--max-jobs-run", "50", *command)
    assert max(int(line) for line in desk.read("counts").split()) == 2
    (desk.directory / "counts").unlink()
    (desk.directory / "alone").touch()
    desk.run("--cluster", "four.yaml", "--max-jobs-run", "1", *command[:1], "log/p1.{JOB}.log", *command[2:])
    assert desk.read("counts").split() == ["1"] * 4


def test_too_many_threads_are_clamped_with_a_warning(desk):
    (desk.directory / "two.yaml").write_text("backend: local\ncores: 2\n")
    done = desk.run("--cluster", "two.yaml", "--num-threads", "8", "JOB=1:1", "log/n.{JOB}.log", "bash", "-c",
                    "echo has $OMP_NUM_THREADS")
    assert done.returncode == 0
    assert done.stderr == "warning: --num-threads 8, but there are 2 cores: running with 2\n"
    assert "has 2\n" in desk.read("log/n.1.log")


def test_gpus_go_round_and_a_missing_one_is_an_error(desk):
    (desk.directory / "gpus.yaml").write_text("backend: local\ncores: 4\ngpus: 2\n")
    done = desk.run("--cluster", "gpus.yaml", "--gpu", "1", "JOB=1:4", "log/g.{JOB}.log", "bash", "-c",
                    "ls used.$CUDA_VISIBLE_DEVICES 2>&1 && exit 3; touch {used,seen}.$CUDA_VISIBLE_DEVICES; "
                    "until [ -e seen.0 -a -e seen.1 ]; do sleep 0.02; done; "
                    "echo $CUDA_VISIBLE_DEVICES >> devices; sleep 0.1; rm used.$CUDA_VISIBLE_DEVICES")
    assert done.returncode == 0, done.stderr
    devices = desk.read("devices").split()
    assert set(devices) == {"0", "1"} and len(devices) == 4
    done = desk.run("--gpu", "1", "JOB=1:1", "log/g1.{JOB}.log", "true", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2 and "no GPU" in one_error_line(done.stderr)


def test_children_die_with_a_killed_dispatcher_and_the_next_one_finishes(desk):
    command = ("JOB=1:2", "log/k.{JOB}.log", "bash", "-c", "echo $BASHPID > pid.$1; python diary.py d.$1 1; true", "x",
               "{JOB}")
    first = desk.start(*command)
    wait_until(lambda: desk.diary("d.1") == ["start"])
    first.kill()
    first.wait()
    pid = int(desk.read("pid.1"))
    wait_until(lambda: start_time(pid) is None)
    time.sleep(0.3)
    assert desk.diary("d.1") == ["start"]
    assert desk.run(*command).returncode == 0
    assert desk.diary("d.1") == ["start", "start", "end"]


def test_a_killed_wrapper_fails_its_task_and_takes_its_command_along(desk):
    process = desk.start("JOB=1:1", "log/w.{JOB}.log", "bash", "-c", "sleep 1000 & echo $! > pid; wait")
    wait_until(lambda: desk.read("pid").strip())
    os.kill(json.loads(desk.read("log/.done/w.1.log.json"))["pid"], signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "SIGKILL from outside" in err
    assert start_time(int(desk.read("pid"))) is None


def test_a_polite_end_kills_the_children(desk):
    process = desk.start("JOB=1:1", "log/i.{JOB}.log", "bash", "-c", "sleep 1000 & echo $! > pid; wait")
    wait_until(lambda: desk.read("pid").strip())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert start_time(int(desk.read("pid"))) is None


def test_a_second_attempt_waits_while_the_first_one_holds_the_lock(desk):
    """As after a lost node that comes back: the same task is started by two wrappers, once each after the other."""
    command = ("JOB=1:1", "log/l.{JOB}.log", "python", "diary.py", "d", "go")
    first = desk.start(*command)
    wait_until(lambda: desk.diary("d") == ["start"])
    spec = next((desk.directory / "log" / ".done").glob("*.spec.json"))
    import subprocess
    import sys

    from tests.utils.jobs.toolbox import ROOT
    second = subprocess.Popen([sys.executable, "-m", "utils.jobs.task", str(spec), "1"], cwd=desk.directory,
                              env={**desk.environment, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)
    read_until(second.stderr, "still runs")
    (desk.directory / "go").touch()
    assert first.wait(timeout=PATIENCE) == 0
    _, told = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0 and "finished by an earlier" in told
    assert desk.diary("d") == ["start", "end"]


def test_a_kill_while_the_marker_is_written_leaves_the_task_unfinished(desk):
    command = ("JOB=1:1", "log/x.{JOB}.log", "bash", "-c", "echo x >> runs")
    assert desk.run(*command).returncode == 0
    marker = next(path for path in (desk.directory / "log" / ".done").glob("*.json") if path.name[:2] != "x.")
    marker.unlink()
    fault = {"EMOTION_FAULT": marker.name, "EMOTION_FAULT_ONCE": str(desk.directory / "once")}
    done = desk.run(*command, **fault)
    assert done.returncode == 1 and "SIGKILL from outside" in done.stderr
    assert not marker.exists()
    assert desk.run(*command, **fault).returncode == 0
    assert desk.read("runs") == "x\nx\nx\n" and json.loads(marker.read_text())["status"] == 0


@pytest.mark.parametrize("window", [".spec.json", "y.1.log.json"])
def test_a_kill_in_any_other_write_is_mended_by_the_same_command(desk, window):
    command = ("--retry", "1", "JOB=1:1", "log/y.{JOB}.log", "bash", "-c", "echo x >> runs")
    done = desk.run(*command, EMOTION_FAULT=window, EMOTION_FAULT_ONCE=str(desk.directory / "once"))
    assert (desk.directory / "once").exists()
    assert done.returncode == 0 or desk.run(*command).returncode == 0
    assert desk.read("runs") == "x\n"


def test_a_read_only_log_directory_is_one_line(desk):
    (desk.directory / "log").write_text("a file where a directory is needed")
    done = desk.run("JOB=1:1", "log/z.{JOB}.log", "true")
    assert done.returncode == 1
    assert "log" in one_error_line(done.stderr)


def test_start_up_is_cheap(desk):
    command = ("JOB=1:1", "log/q.{JOB}.log", "true")
    desk.run(*command)
    _, seconds = least_processor_seconds(lambda: desk.run(*command), 0.4)
    assert seconds < 0.4
