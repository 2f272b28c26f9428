"""kill -9 at every point of a run: nothing half-done counts as done, nothing runs twice at once, nothing is lost."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.patience import PATIENCE, wait_until
from tests.utils.toy_recipe import ROOT, Toy
from utils.leash import group_members, process_state


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe")


def results(toy: Toy) -> dict[str, str]:
    """What the stages wrote."""
    return {name: toy.read(name) for name in ("data/a.tsv", "data/f/x", "data/o/x", "exp/t/x")}


def reference(tmp_path) -> dict[str, str]:
    clean = Toy(tmp_path / "reference")
    assert clean.run().returncode == 0
    return results(clean)


def wait_gone(group: int) -> None:
    wait_until(lambda: not group_members(group))


# Where the engine dies by the fault hook in the write-to-rename window of a file, and what the next run calls.
@pytest.mark.parametrize(("fault", "calls"), [
    (".lock", ["prepare", "extract", "other", "train"]),  # before anything began
    ("2.started.json", ["extract", "other", "train"]),  # before the command
    ("2.json", ["extract", "other", "train"]),  # after the command, before its marker
    ("4.json", ["train"]),
])
def test_killed_in_a_write_to_rename_window(toy, tmp_path, fault, calls):
    result = toy.run(EMOTION_FAULT=fault, EMOTION_FAULT_ONCE=str(tmp_path / "fired"))
    assert result.returncode == -signal.SIGKILL and (tmp_path / "fired").exists()
    assert "done already" not in toy.run("--dry-run", "--stage", "2", "--trust-earlier").stdout
    result = toy.run()
    assert result.returncode == 0, result.stderr
    assert toy.calls == calls
    assert results(toy) == reference(tmp_path)
    toy.run()
    assert toy.calls == [] and not list(toy.path.glob(".lock"))


@pytest.mark.parametrize("fault", ["2.started.json", "2.json"])
def test_killed_around_a_rerun_from_scratch_the_former_output_is_kept_as_old(toy, tmp_path, fault):
    toy.run()
    toy.write("data/f/.kept", "of the first run\n")
    toy.run("--stage", "2", EMOTION_FAULT=fault, EMOTION_FAULT_ONCE=str(tmp_path / "fired"))
    toy.run("--stage", "2")
    assert toy.calls == ["extract", "train"]
    assert toy.read("data/f.old/.kept") == "of the first run\n" and "first run" not in toy.read("data/f/.kept")


def test_two_interrupted_tries_with_other_settings_never_cost_the_finished_output(toy):
    toy.run("--set", "good")
    toy.write("after.other", "exit 1")
    toy.run("--set", "second")
    toy.run("--set", "third")
    toy.run("--set", "fourth")
    assert toy.read("data/o.old/.kept") == "other --set good data/o\n"
    assert toy.read("data/o.partial/.kept") == "other --set third data/o\n"
    (toy.path / "after.other").unlink()
    toy.run("--set", "fourth")
    toy.run("--set", "fifth")
    assert "fourth" in toy.read("data/o.old/.kept"), "what is finished replaces what was finished before"


@pytest.mark.slow
def test_an_extension_that_broke_off_is_still_a_finished_output(toy):
    toy.run()
    toy.write("after.train", "exit 1")
    for seeds in ("0 1", "0 1 2"):
        toy.run("--seeds", seeds)
    for color in ("blue", "green"):
        toy.run("--seeds", "0 1", "--color", color)
    assert toy.read("exp/t.old/.kept").splitlines()[0] == "train --seeds 0 exp/t"


@pytest.mark.slow
def test_a_damaged_output_does_not_replace_a_whole_old_one(toy):
    toy.run("--set", "good")
    toy.run("--set", "second")
    (toy.path / "data/o/x").write_text("cut")
    toy.run("--set", "second")
    assert "good" in toy.read("data/o.old/.kept") and toy.read("data/o.partial/x") == "cut"


def test_killed_between_two_outputs_that_make_room_both_are_kept(toy, tmp_path):
    toy.recipe('stage 1 "A" --out a --out b -- ./do both --set "$set" a b\nrun_stages\n')
    toy.write("after.both", 'mkdir -p a; echo "$*" > a/x')
    toy.run("--set", "one")
    toy.run("--set", "two")
    record = toy.marker(1)
    (toy.path / "a").rename(toy.path / "a.moved")  # as a kill after the first of two renames leaves it
    shutil.rmtree(toy.path / "a.old")
    (toy.path / "a.moved").rename(toy.path / "a.old")
    toy.record(1).with_suffix(".started.json").write_text(json.dumps({**record, "run": "later", "moving": ".old"}))
    toy.run("--set", "three")
    assert "two" in toy.read("a.old/x") and "two" in toy.read("b.old/.kept")


def test_killed_between_the_start_record_of_more_extent_and_its_marker_nothing_is_moved(toy, tmp_path):
    toy.run()
    for fault in ("4.started.json", "4.json"):
        toy.run("--seeds", "0 1", EMOTION_FAULT=fault, EMOTION_FAULT_ONCE=str(tmp_path / fault))
        assert (tmp_path / fault).exists()
    toy.run("--seeds", "0 1")
    assert toy.calls == ["train"] and not (toy.path / "exp/t.old").exists()
    assert toy.read("exp/t/.kept").splitlines()[0] == "train --seeds 0 exp/t"


def test_after_more_extent_broke_off_the_former_extent_does_not_count_as_done(toy):
    toy.run()
    toy.write("after.train", "exit 1")
    toy.run("--seeds", "0 1")
    (toy.path / "after.train").unlink()
    toy.run()
    assert toy.calls == ["train"]


def test_a_leftover_start_record_of_a_finished_stage_does_not_count(toy):
    toy.write("after.prepare", "cp .stages/*1.started.json kept.json")
    toy.run()
    os.rename(toy.path / "kept.json", toy.record(1).with_suffix(".started.json"))
    toy.run()
    assert toy.calls == []


@pytest.mark.parametrize("whole_tree", [False, True])
def test_killed_during_the_command(toy, tmp_path, whole_tree):
    toy.write("before.extract", "echo $$ > group; sleep 1000 & sleep 1000")
    run = toy.start()
    group = toy.wait_for_number("group")
    if whole_tree:
        tree = [run.pid]
        for pid in tree:
            found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
            tree += [int(word) for word in found.stdout.split()]
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):  # the leash was quicker
                os.kill(pid, signal.SIGKILL)
    else:
        run.kill()
    run.wait()
    wait_gone(group)
    toy.write("before.extract", "")
    result = toy.run()
    assert result.returncode == 0, result.stderr
    assert toy.calls == ["extract", "other", "train"]
    assert "2  Extract: runs: it was begun and did not finish" in result.stdout
    assert results(toy) == reference(tmp_path)


def test_the_next_run_right_after_the_kill_never_meets_the_former_stage(toy):
    # Each command notes its begin and its end in one file; two at once would show as begin, begin.
    toy.write("before.extract", 'echo "begin $$" >> times; touch running; while [ -e hold ]; do sleep 0.01; done')
    toy.write("hold", "")
    for _ in range(3):
        run = toy.start()
        toy.wait_for("running")
        group = toy.wait_for_number("times")
        run.kill()
        run.wait()
        toy.write("before.extract", f'if grep -qs "State:.[RSDT]" /proc/{group}/status; then '
                                    "touch twice; fi\n" + toy.read("before.extract"))
        (toy.path / "running").unlink()
    (toy.path / "hold").unlink()
    assert toy.run().returncode == 0
    assert not (toy.path / "twice").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_ends_the_stage_releases_the_lock_and_says_how_to_go_on(toy, number, status):
    toy.write("before.extract", "echo $$ > group; (trap '' TERM INT HUP; sleep 1000) & sleep 1000")
    inherited = signal.signal(number, signal.SIG_DFL)  # the engine obeys a nohup of these tests
    run = toy.start("--set", "a b")
    signal.signal(number, inherited)
    group = toy.wait_for_number("group")
    run.send_signal(number)
    if number == signal.SIGINT:
        time.sleep(0.05)
        run.send_signal(number)  # an impatient second Ctrl-C
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == status
    assert errors.count("\n") == 1 and "stage 2 (Extract)" in errors and errors.endswith("run.sh --set 'a b'\n")
    assert not group_members(group) and not (toy.path / ".lock").exists()


def test_a_reader_that_goes_away_ends_the_run_without_a_word_and_leaves_no_lock(toy):
    toy.write("before.prepare", "while true; do echo line; sleep 0.01; done")
    run = toy.start()
    run.stdout.readline()
    run.stdout.close()
    assert run.wait(timeout=PATIENCE) == 141
    assert run.stderr.read() == "" and not (toy.path / ".lock").exists()
    run.stderr.close()


def test_a_full_disk_is_one_line_and_leaves_no_marker(toy):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    (toy.path / "log").mkdir()
    os.symlink("/dev/full", toy.path / "log/stage1.log")
    result = toy.run()
    assert result.returncode == 1 and "no space left" in result.stderr and "Traceback" not in result.stderr
    assert not toy.record(1).exists() and not (toy.path / ".lock").exists()


def test_ctrl_z_stops_the_stage_and_its_tasks_and_fg_goes_on_with_all(toy):
    toy.write("before.extract", f"{ROOT}/utils/job.sh --time 100s JOB=1:1 'log/t.{{JOB}}.log' "
                                "bash -c 'echo $$ > task; while [ ! -e go ]; do sleep 0.05; done'")
    run = toy.start()
    task = toy.wait_for_number("task")
    run.send_signal(signal.SIGTSTP)
    wait_until(lambda: process_state(run.pid)[0] == process_state(task)[0] == "T")
    toy.write("go", "")
    time.sleep(0.3)
    assert process_state(task)[0] == "T"
    run.send_signal(signal.SIGCONT)
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, errors
    assert toy.calls == ["prepare", "extract", "other", "train"]


def test_a_stopped_run_that_is_told_to_end_ends_in_order(toy):
    toy.write("before.extract", "echo $$ > group; sleep 1000")
    run = toy.start()
    group = toy.wait_for_number("group")
    run.send_signal(signal.SIGTSTP)
    wait_until(lambda: process_state(run.pid)[0] == "T")
    run.send_signal(signal.SIGTERM)
    run.send_signal(signal.SIGCONT)  # as `kill %1` of a shell does
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 143 and "stage 2 (Extract)" in errors
    assert not group_members(group) and not (toy.path / ".lock").exists()


@pytest.mark.parametrize("removed", ["data .stages log .lock", "data", "$PWD"])
def test_a_directory_that_is_removed_under_a_run_is_one_line(toy, removed):
    begun = "until grep -q pgid .lock; do sleep 0.02; done"  # from then on the engine writes nothing before the end
    toy.write("before.extract", f"{begun}; rm -rf {removed}; exec true")
    done = toy.run()
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stderr.startswith("error: "), done.stderr
    assert "removed while this run worked" in done.stderr or removed == "data"
    assert toy.path.exists() == (removed != "$PWD")
