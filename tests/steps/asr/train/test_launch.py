"""Nodes of a training find each other, and never by the file of a killed run."""

import json
import socket
import threading

import pytest

from steps.asr.train import launch
from utils.errors import UsageError, UserError

OPTIONS = ["--nodes", "2", "--meeting"]


def test_a_node_without_a_first_one_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="--max-jobs-run"):
        launch.find_meeting(tmp_path / "meeting.json", "code", wait=0.6)


def test_the_file_of_a_killed_run_is_not_believed(tmp_path):
    """Nobody listens at its port any more; the new file appears while the node waits."""
    path = tmp_path / "meeting.json"
    path.write_text(json.dumps({"host": "127.0.0.1", "port": launch.free_port(), "command": "c", "done": False}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        fresh = {"host": "127.0.0.1", "port": listener.getsockname()[1], "command": "c", "done": False}
        threading.Timer(0.8, lambda: path.write_text(json.dumps(fresh))).start()
        assert launch.find_meeting(path, "c", wait=20) == fresh


def test_a_meeting_of_another_command_is_passed_over(tmp_path):
    path = tmp_path / "meeting.json"
    path.write_text(json.dumps({"host": "h", "port": 1, "command": "other", "done": True}))
    assert launch.read_meeting(path, "mine") == {} and launch.read_meeting(path, "other")["done"]


def test_rank_0_is_on_the_first_node(tmp_path):
    words = [*OPTIONS, str(tmp_path), "--node", "2", "--processes", "4", "--", "-m", "some.module", "--node", "x"]
    command = launch.torchrun(launch.parse(words), {"host": "n1", "port": 5})
    assert {"--nnodes=2", "--node-rank=1", "--nproc-per-node=4", "--master-addr=n1", "--master-port=5"} <= set(command)
    assert command[-4:] == ["-m", "some.module", "--node", "x"]


@pytest.mark.parametrize(("words", "told"), [
    (["--node", "3", "--", "x"], "--node is 3"), (["--node", "1"], "no command"),
    (["--node", "0", "--", "x"], "1 or more")])
def test_a_wrong_call_is_one_line(tmp_path, words, told):
    with pytest.raises(UsageError, match=told):
        launch.parse([*OPTIONS, str(tmp_path), *words])


def test_the_exit_status_of_the_ranks_is_that_of_the_node(tmp_path):
    (tmp_path / "fail.py").write_text("import sys; sys.exit(3)")
    words = ["--nodes", "1", "--node", "1", "--meeting", str(tmp_path), "--", str(tmp_path / "fail.py")]
    assert launch.main(words) != 0
    assert not json.loads((tmp_path / "meeting.json").read_text())["done"]
