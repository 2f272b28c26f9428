"""The tree below a process: whoever started it, from whatever thread, and nobody else."""

import os
import subprocess
import sys

import pytest

from tests.patience import wait_until
from utils.jobs import processes

# A process that starts one child in a thread of its own, which starts one in turn, tells their numbers, and waits.
TREE = """
import subprocess, sys, threading
sleeper = "import time; print(flush=True); time.sleep(1000)"
child = ("import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', %r], stdout=subprocess.PIPE); "
         "p.stdout.readline(); print(os.getpid(), p.pid, flush=True); p.wait()" % sleeper)
started, stay = threading.Event(), threading.Event()
def work():
    global process
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True)
    started.set()
    stay.wait()
threading.Thread(target=work, daemon=True).start()
started.wait()
print(process.stdout.readline().strip(), flush=True)
process.wait()
"""


@pytest.fixture
def tree():
    """(a process, the numbers of those below it)."""
    process = subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, text=True)
    try:
        yield process.pid, [int(word) for word in process.stdout.readline().split()]
    finally:
        assert processes.kill_tree(process.pid)
        process.kill()
        process.wait()


def test_both_ways_to_look_find_children_and_theirs(tree):
    root, below = tree
    assert len(below) == 2
    assert sorted(processes.descendants(root)) == sorted(processes.listed_below(root)) == sorted(below)
    assert processes.listed_below(below[1]) == []


def test_watching_does_not_look_at_strangers(tree, monkeypatch):
    monkeypatch.setattr(processes, "descendants", None)
    assert len(processes.listed_below(tree[0])) == 2


def test_without_the_kernels_lists_every_process_is_looked_at(tree, monkeypatch):
    real, asked = open, []

    def without(path, *words):
        if str(path).endswith("/children"):
            asked.append(path)
            raise FileNotFoundError(path)
        return real(path, *words)

    monkeypatch.setattr("builtins.open", without)
    assert sorted(processes.listed_below(tree[0])) == sorted(tree[1]) and asked


def test_what_has_ended_has_nothing_below_it():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert processes.listed_below(process.pid) == []


def test_a_killed_tree_is_gone(tree):
    root, below = tree
    assert processes.kill_tree(root)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below))
    assert processes.listed_below(root) == []
