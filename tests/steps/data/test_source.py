"""Corpus modules as newcomers write them: a mistake in one is a line that names its place."""

import sys
import types
from pathlib import Path

import pytest

from steps.data import prepare
from tests.steps.data.test_prepare import run, tone
from utils.corpus import Corpus, Row, Target, notice, one_speaker_out

HEAD = """
from utils.corpus import Corpus, Row, Target, notice, one_speaker_out
CORPUS = Corpus("lab", (Target(classes=("a", "b")),))
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
    (HEAD + "def rows(directory):\n    return [Row('u', 'u', start='soon')]\n", "start is 'soon'; expected seconds"),
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
    module.CORPUS = Corpus("lab", (Target(classes=("a", "b")),))
    module.protocols = lambda rows: [one_speaker_out("out", rows)]

    def rows(directory: Path):
        notice("looked for texts in texts/: none there")
        return [Row(f"u{n}", str(tone(tmp_path / f"{n}.wav", n)), fields={"emotion": "ab"[n % 2], "speaker": n // 2})
                for n in range(6)]

    module.rows = rows
    monkeypatch.setitem(sys.modules, "local_lab", module)
    assert run(prepare.main, "--corpus-module", "local_lab", "--corpus-dir", tmp_path, tmp_path / "data") == 0
    assert capsys.readouterr().err == "warning: looked for texts in texts/: none there\n"
    assert "none there" in (tmp_path / "data/corpus.json").read_text()


def test_what_has_no_speaker_and_no_fold_is_counted(tmp_path, monkeypatch, capsys):
    module = types.ModuleType("local_lab")
    module.CORPUS = Corpus("lab", (Target(classes=("a", "b")),))
    module.protocols = lambda rows: [one_speaker_out("out", rows)]
    module.rows = lambda directory: [
        Row(f"u{n}", tone(tmp_path / f"{n}.wav", n), fields={
            "emotion": "ab"[n % 2], "speaker": n // 2 if n < 6 else "NA"}) for n in range(9)]
    monkeypatch.setitem(sys.modules, "local_lab", module)
    assert run(prepare.main, "--corpus-module", "local_lab", "--corpus-dir", tmp_path, tmp_path / "data") == 0
    told = capsys.readouterr().err
    assert "3 of 9 utterances have no speaker" in told
    assert "protocol out: 3 utterances without a speaker are in none of its folds" in told


def test_sound_that_is_not_there_is_told_beside_what_is_wrong_with_the_rows(prepared, tmp_path, capsys):
    tone(tmp_path / "u1.wav", 1)
    text = "return [Row(f'u{n}', d / f'u{n}.wav', '0', fields={'emotion': 'ac'[n]}) for n in (0, 1)]\n"
    assert prepared(HEAD + "def rows(d):\n    " + text) == 1
    told = capsys.readouterr().err
    assert "2 mistakes (1 labels, 1 recordings)" in told and "u0.wav: No such file" in told and "'c'" in told
