"""A run's results stay below exp/ and continue the committed ones; publishing takes them over, all or nothing."""

import json
from pathlib import Path

import pytest

from steps.scoring import publish, recompute, results
from steps.scoring.continued import continue_results
from tests.steps.scoring.test_trials import transcribed
from utils.errors import run_main

BLOCK = "# {name}\n\n<!-- results:begin {name} -->\n<!-- results:end -->\n\nThe end.\n"
RECIPE, OTHER = "egs/made/asr", "egs/other/asr"


@pytest.fixture
def root(tmp_path):
    """Two recipes without results, and READMEs that want their tables."""
    for recipe in (RECIPE, OTHER):
        (tmp_path / recipe).mkdir(parents=True)
        (tmp_path / recipe / "README.md").write_text(BLOCK.format(name=recipe))
    (tmp_path / "README.md").write_text(BLOCK.format(name="egs"))
    return tmp_path


def score(root: Path, *rows: dict, recipe: str = RECIPE) -> None:
    """What a scoring stage does with its rows."""
    directory = root / recipe
    continue_results(directory / "exp/RESULTS", directory / "RESULTS.json", rows)


def call(root: Path, *words: str) -> int:
    return run_main(publish.main, ["--root", str(root), *words])


def files(root: Path) -> dict[str, bytes]:
    """What git would see: everything but exp/."""
    found = [path for path in root.rglob("*") if path.is_file() and "exp" not in path.relative_to(root).parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_scoring_changes_nothing_that_is_committed_and_shows_its_rows_among_the_committed_ones(root):
    score(root, transcribed("graph"))
    assert call(root, RECIPE) == 0
    before = files(root)
    score(root, transcribed("greedy", errors=3))
    assert files(root) == before
    assert {row["subsystem"] for row in results.load(root / RECIPE / "exp/RESULTS.json")} == {"graph", "greedy"}
    (root / RECIPE / "exp/RESULTS.json").unlink()
    score(root, transcribed("greedy", errors=3))  # as in another checkout, where graph was never trained
    assert [row["subsystem"] for row in results.load(root / RECIPE / "exp/RESULTS.json")] == ["greedy"]
    text = (root / RECIPE / "exp/RESULTS.md").read_text()
    assert "| graph |" in text and "| greedy |" in text and text.startswith(f"# Results: {RECIPE}\n")


def test_publishing_changes_the_tables_of_the_recipe_and_the_overview_and_nothing_twice(root, capsys):
    score(root, transcribed("graph"), transcribed("graph", "dev"), transcribed("greedy", errors=3))
    before = files(root)
    assert call(root, "--dry-run", RECIPE) == 0
    assert files(root) == before and f"would write {RECIPE}/RESULTS.json" in capsys.readouterr().out
    assert call(root, RECIPE) == 0
    told = capsys.readouterr().out
    assert f"{RECIPE}: 3 rows new, 0 replaced (0 of them with other figures), 0 gone; 3 in all\n" in told
    assert "  new       made, official, text, test: graph: WER 10.0, CER 2.5; seeds 0, 1 folds\n" in told.replace(
        ", substitutions 10.0, deletions 0.0, insertions 0.0", "")
    after = files(root)
    assert {name for name in after if after[name] != before.get(name)} == {
        f"{RECIPE}/RESULTS.json", f"{RECIPE}/RESULTS.md", f"{RECIPE}/README.md", "README.md"}
    assert after[f"{RECIPE}/README.md"].decode().count("| greedy |") == 1
    assert b"[made/asr](egs/made/asr/README.md)" in after["README.md"]
    assert after[f"{RECIPE}/RESULTS.md"] == (root / RECIPE / "exp/RESULTS.md").read_bytes()
    assert run_main(recompute.main, ["--check", "--root", str(root)]) == 0
    capsys.readouterr()
    assert call(root, RECIPE) == 0
    assert capsys.readouterr().out == f"{RECIPE}: nothing new\n" and files(root) == after


def test_a_row_that_is_replaced_is_told_with_its_old_and_new_figures_and_the_others_stay(root, capsys):
    score(root, transcribed("graph"), transcribed("greedy", errors=3))
    call(root, RECIPE)
    greedy = next(row for row in results.load(root / RECIPE / "RESULTS.json") if row["subsystem"] == "greedy")
    score(root, transcribed("graph", errors=2))
    capsys.readouterr()
    assert call(root, RECIPE) == 0
    told = capsys.readouterr().out
    assert "0 rows new, 1 replaced (1 of them with other figures), 0 gone; 2 in all" in told
    line = next(line for line in told.splitlines() if line.startswith("  replaced"))
    assert line.startswith("  replaced  made, official, text, test: graph: WER 10.0,") and " -> WER 20.0," in line
    rows = {row["subsystem"]: row for row in results.load(root / RECIPE / "RESULTS.json")}
    assert rows["graph"]["metrics"]["WER"] == 0.2 and rows["greedy"]["metrics"] == greedy["metrics"]


def test_another_commit_with_the_same_figures_is_counted_only(root, capsys):
    score(root, transcribed("graph"))
    call(root, RECIPE)
    score(root, {**transcribed("graph"), "commit": "def"})
    capsys.readouterr()
    assert call(root, RECIPE) == 0
    assert "0 rows new, 1 replaced (0 of them with other figures)" in capsys.readouterr().out
    assert results.load(root / RECIPE / "RESULTS.json")[0]["commit"] == "def"


@pytest.mark.parametrize(("row", "option", "words"), [
    ({"marks": ["synthetic", "size tiny"]}, None, "of --size tiny"),
    ({"commit": "abc+"}, "--allow-dirty", "code that was not committed"),
    ({"commit": ""}, "--allow-dirty", "code that was not committed"),
    ({"seeds": [1]}, "--allow-partial", "fewer folds or seeds than committed"),
    ({"folds": []}, "--allow-partial", "fewer folds or seeds than committed")])
def test_rows_that_no_table_should_have_are_refused_and_nothing_is_written(root, capsys, row, option, words):
    score(root, transcribed("graph"))
    call(root, RECIPE)
    score(root, {**transcribed("graph", errors=2), **row})
    score(root, transcribed("graph"), recipe=OTHER)
    before = files(root)
    capsys.readouterr()
    assert call(root, OTHER, RECIPE) == 1 and files(root) == before
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {RECIPE}: nothing is published: made, official, text, test: graph (WER 20.0,")
    assert words in told.err and told.err.count("\n") == 1
    if option:
        assert call(root, option, OTHER, RECIPE) == 0
        assert files(root) != before and len(results.load(root / OTHER / "RESULTS.json")) == 1
    else:
        assert call(root, "--allow-dirty", "--allow-partial", RECIPE) == 1


def test_what_cannot_be_published_is_one_line(root, capsys):
    assert call(root, "egs/made") == 2 and "egs/made is no recipe" in capsys.readouterr().err
    assert call(root, RECIPE) == 1 and f"run {RECIPE}/run.sh first" in capsys.readouterr().err
    continue_results(root / RECIPE / "tiny/exp/RESULTS", None, [transcribed("graph")])
    assert call(root, RECIPE) == 1 and "--size tiny show that the recipe works" in capsys.readouterr().err
    score(root, transcribed("graph"))
    path = root / RECIPE / "exp/RESULTS.json"
    content = json.loads(path.read_text())
    content["rows"][0]["summary"] = {"kind": "errors"}
    path.write_text(json.dumps(content))
    assert call(root, RECIPE) == 1
    told = capsys.readouterr().err
    assert f"{path}: a row is damaged" in told and "remove it and score again" in told and told.count("\n") == 1


def test_a_disk_that_fills_up_leaves_every_table_as_it_was(root, monkeypatch, capsys):
    score(root, transcribed("graph"))
    before, calls = files(root), []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("utils.files.os.fsync", full)
    assert call(root, RECIPE) == 1 and files(root) == before
    assert "no space left" in capsys.readouterr().err


def test_another_primary_system_is_told(root, capsys):
    def fusion(name: str, errors: int) -> dict:
        return {**transcribed(name, errors=errors), "primary": True, "fuses": ["graph"]}

    score(root, fusion("equal", 2))
    call(root, RECIPE)
    score(root, fusion("logistic", 1))
    capsys.readouterr()
    assert call(root, RECIPE) == 0
    assert "  primary of made, official: equal -> logistic\n" in capsys.readouterr().out
