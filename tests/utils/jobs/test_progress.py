"""Progress on a terminal and in a file."""

import io
import sys

from utils.jobs.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_one_line_that_is_updated(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(20, 4)
    progress.update(4, 2)
    progress.update(4, 2)
    progress.update(12, 2, "pending: Resources")
    progress.close()
    assert sys.stderr.getvalue().split("\r\x1b[K") == [
        "", "4/20 tasks done, 2 running", "12/20 tasks done, 2 running (pending: Resources)", ""]


def test_a_file_has_few_plain_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    progress = Progress(20, 0)
    for second in range(3600):
        clock[0] = float(second)
        progress.update(second // 200, 2)
    lines = sys.stderr.getvalue().splitlines()
    assert 5 <= len(lines) <= 12 and lines[0] == "0/20 tasks done, 2 running"
    assert not any("\r" in line or "\x1b" in line for line in lines)
