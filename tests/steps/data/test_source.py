"""Corpus modules as newcomers write them: a mistake in one is a line that names its place."""

import sys
import types
from pathlib import Path

import pytest

from steps.data import prepare
from tests.steps.data.test_prepare import run, tone
from utils.corpus import Corpus, Row, notice, one_speaker_out

HEAD = """
from utils.corpus import Corpus, Row, notice, one_speaker_out
CORPUS = Corpus("lab", ("a", "b"))
def protocols(rows):
    return [one_speaker_out("out", rows)]
"""


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Prepare the corpus of a module with this text, or of these rows."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("steps.data.source.ROOT", tmp_path)

    def prepared(text: str) -> int:
        (tmp_path / "lab_module.py").write_text(text)
        monkeypatch.delitem(sys.modules, "lab_module", raising=False)
        return run(prepare.main, "--corpus-module", "lab_module", "--corpus-dir", tmp_path, tmp_path / "data")

    return prepared


@pytest.mark.parametrize(("text", "says"), [
    (HEAD + "def rows(directory):\n    return [{}['x']]\n", "lab_module.py, line 7: KeyError: 'x'"),
    (HEAD + "def rows(directory):\n    yield 'a.wav', 'happy'\n", "rows() gave ('a.wav', 'happy'); expected Row(...)"),
    (HEAD + "def rows(directory)\n    pass\n", "lab_module.py, line 6: SyntaxError"),
    ("import nosuch_package\n" + HEAD, "lab_module.py, line 1: ModuleNotFoundError: No module named 'nosuch_package'"),
    (HEAD + "x = 1 / 0\n", "lab_module.py, line 6: ZeroDivisionError"),
    (HEAD + "def rows(directory):\n    return []\n", "no utterances were found"),
    (HEAD + "def rows(directory):\n    return [Row('u', 'u', fields=['a'])]\n", "fields is ['a']; expected a mapping"),
    (HEAD + "def rows(directory):\n    return [Row('u', 'u.wav', start='0')]\n", "start is '0'; expected seconds"),
    (HEAD + "def rows(directory):\n    return [Row('u', 3)]\n", "path is 3; expected a path"),
])
def test_a_mistake_in_a_module_is_one_line_that_names_its_place(prepared, capsys, text, says):
    assert prepared(text) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_failing_protocol_is_named_too(prepared, tmp_path, capsys):
    tone(tmp_path / "u.wav", 1)
    text = HEAD.replace("return [one", "return [rows[9], one") + "def rows(d):\n    return [Row('u', d / 'u.wav')]\n"
    assert prepared(text) == 1
    assert "lab_module.py, line 5: IndexError" in capsys.readouterr().err


def test_what_a_module_tells_is_kept_with_the_data(tmp_path, monkeypatch, capsys):
    module = types.ModuleType("local_lab")
    module.CORPUS, module.protocols = Corpus("lab", ("a", "b")), lambda rows: [one_speaker_out("out", rows)]

    def rows(directory: Path):
        notice("looked for texts in texts/: none there")
        return [Row(f"u{n}", str(tone(tmp_path / f"{n}.wav", n)), fields={"emotion": "ab"[n % 2], "speaker": n // 2})
                for n in range(6)]

    module.rows = rows
    monkeypatch.setitem(sys.modules, "local_lab", module)
    assert run(prepare.main, "--corpus-module", "local_lab", "--corpus-dir", tmp_path, tmp_path / "data") == 0
    assert capsys.readouterr().err == "warning: looked for texts in texts/: none there\n"
    assert "none there" in (tmp_path / "data/corpus.json").read_text()
