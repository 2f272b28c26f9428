"""The plan of an array: what belongs to another one is cleared, the key that changed is named, tasks hold to it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from utils.array_plan import PLAN, ArrayPlan, stage_inputs
from utils.errors import UserError
from utils.files import ROOT

FIRST = {"options": {"rate": 8, "name": "x"}, "num_tasks": 3}


def array(out, planned=FIRST, **further):
    return ArrayPlan(out, planned, ("sum.txt", "index.*", "archives"), "counting", "steps/count.sh", **further)


def leave(out):
    """What a whole array leaves, and a file that is none of its own."""
    (out / "archives").mkdir()
    for name in ("sum.txt", "index.1", "index.3", "archives/a.npy", "README"):
        (out / name).write_text("whole")


def left(out):
    return sorted(path.name for path in out.iterdir())


@pytest.fixture
def begun(tmp_path):
    out = tmp_path / "out"
    array(out).prepare()
    leave(out)
    return out


def test_the_same_plan_keeps_what_is_there_and_says_which_tasks_are_left(begun, capsys):
    array(begun).prepare()
    assert array(begun).tasks_left(lambda out, task: out / f"index.{task}") == [2]
    assert left(begun) == ["README", "archives", "index.1", "index.3", PLAN, "sum.txt"]
    assert capsys.readouterr().err == ""


def test_another_plan_clears_what_the_former_left_and_names_the_key(begun, capsys):
    other = {**FIRST, "options": {"rate": 16, "name": "x"}}
    array(begun, other).prepare()
    assert left(begun) == ["README", PLAN] and json.loads((begun / PLAN).read_text()) == other
    assert capsys.readouterr().err == f"{begun}: options.rate changed since an earlier run; counting again\n"


@pytest.mark.parametrize("damaged", [None, "{", ""])
def test_without_a_plan_that_can_be_read_nothing_counts(begun, damaged):
    (begun / PLAN).unlink()
    if damaged is not None:
        (begun / PLAN).write_text(damaged)
    with pytest.raises(UserError, match=r"has no plan\.json; run steps/count\.sh"):
        array(begun).hold()
    array(begun).prepare()
    assert left(begun) == ["README", PLAN]
    array(begun).hold()


def test_a_key_that_only_an_older_program_knew_clears_nothing(begun):
    (begun / PLAN).write_text(json.dumps({**FIRST, "beam": 3}))
    array(begun).prepare()
    array(begun).hold()
    assert "sum.txt" in left(begun)


@pytest.mark.parametrize(("then", "now", "same"), [("one", "", True), ("", "two", True), ("one", "two", False)])
def test_inputs_of_the_stage_count_where_both_know_them(tmp_path, monkeypatch, then, now, same):
    monkeypatch.setenv("EMOTION_STAGE_INPUTS", then)
    array(tmp_path, {**FIRST, **stage_inputs()}).prepare()
    leave(tmp_path)
    monkeypatch.setenv("EMOTION_STAGE_INPUTS", now)
    task = array(tmp_path, {**FIRST, **stage_inputs()})
    if same:
        task.hold()
    else:
        with pytest.raises(UserError, match="begun with inputs 'one', this task has 'two'"):
            task.hold()
    task.prepare()
    assert ("sum.txt" in left(tmp_path)) is same


def test_a_task_of_another_plan_is_refused_with_key_values_and_front_end(begun):
    with pytest.raises(UserError, match=r"options\.name 'x', this task has 'y'; run steps/count\.sh again"):
        array(begun, {**FIRST, "options": {"rate": 8, "name": "y"}}).hold()


def test_the_plan_may_lie_under_another_name(tmp_path):
    array(tmp_path, name="settings.json").prepare()
    array(tmp_path, name="settings.json").hold()
    assert left(tmp_path) == ["settings.json"]


def test_nothing_is_removed_while_the_former_plan_stands(begun, tmp_path):
    program = ("import sys; from pathlib import Path; from utils.array_plan import ArrayPlan\n"
               "ArrayPlan(Path(sys.argv[1]), {'num_tasks': 5}, ('sum.txt',), 'counting', 'x.sh').prepare()")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EMOTION_FAULT": f"{begun}/{PLAN}",
                   "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    for status in (-signal.SIGKILL, 0):
        assert subprocess.run([sys.executable, "-c", program, begun], env=environment, check=False).returncode == status
        assert ("sum.txt" in left(begun)) is bool(status)


def test_what_a_kill_amid_the_clearing_leaves_is_neither_taken_up_nor_written_to(begun, capsys):
    """Not by a run with the former settings either: what is left may not be whole."""
    (begun / PLAN).write_text("{}")
    with pytest.raises(UserError, match=r"has no plan\.json"):
        array(begun).hold()
    array(begun).prepare()
    assert left(begun) == ["README", PLAN] and capsys.readouterr().err == ""
