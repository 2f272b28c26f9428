"""Tables in READMEs come from the committed score summaries and from nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from steps.scoring import recompute
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
MARKERS = "<!-- results:begin egs/{recipe} -->\n<!-- results:end -->\n"


@pytest.fixture
def tree(tmp_path):
    """A copy of the committed results, and a README that wants their tables and those of a recipe without results."""
    recipes = [path.parent for path in sorted(ROOT.glob("egs/*/*/RESULTS.json"))]
    assert recipes, "no results are committed"
    for recipe in recipes:
        target = tmp_path / recipe.relative_to(ROOT)
        target.mkdir(parents=True)
        shutil.copy(recipe / "RESULTS.json", target)
        shutil.copy(recipe / "RESULTS.md", target)
    (tmp_path / "egs/new/ensemble").mkdir(parents=True)
    names = [*("/".join(recipe.parts[-2:]) for recipe in recipes), "new/ensemble"]
    every = MARKERS.replace("egs/{recipe}", "egs")
    (tmp_path / "README.md").write_text("".join(MARKERS.format(recipe=name) for name in names) + every)
    return tmp_path


def test_committed_tables_are_what_the_committed_summaries_give():
    assert recompute.main(["--check"]) == 0


def test_tables_are_filled_once_and_then_stay(tree, capsys):
    assert recompute.main(["--check", "--root", str(tree)]) == 1
    assert recompute.main(["--root", str(tree)]) == 0
    text = (tree / "README.md").read_text()
    assert "| subsystem |" in text and text.count(recompute.NO_RESULTS) == 1
    assert "| recipe | test | system |" in text.partition("<!-- results:begin egs -->")[2]
    assert recompute.main(["--check", "--root", str(tree)]) == 0


def test_a_recipe_without_results_is_no_error_and_its_readme_says_so(tmp_path, capsys):
    (tmp_path / "egs/new/ensemble").mkdir(parents=True)
    readme = tmp_path / "egs/new/ensemble/README.md"
    readme.write_text("# New\n\n" + MARKERS.format(recipe="new/ensemble"))
    assert recompute.main(["--check", "--root", str(tmp_path)]) == 0
    assert "egs/new/ensemble/README.md: egs/new/ensemble has no results yet\n" in capsys.readouterr().out
    assert recompute.main(["--root", str(tmp_path)]) == 0
    assert "\n\nNo results yet.\n\n" in readme.read_text()
    assert recompute.main(["--check", "--root", str(tmp_path)]) == 0
    readme.write_text(readme.read_text().replace("No results yet.", "| best | 99.9 |"))
    assert recompute.main(["--check", "--root", str(tmp_path)]) == 1


def test_a_corrected_summary_changes_metrics_interval_and_table(tree):
    path = next(tree.glob("egs/*/*/RESULTS.json"))
    results = json.loads(path.read_text())
    row = next(row for row in results["rows"] if row["part"] == "test" and "UA" in row["metrics"])
    told, row["metrics"]["UA"] = row["metrics"]["UA"], 0.123
    path.write_text(json.dumps(results))
    assert recompute.main(["--check", "--root", str(tree)]) == 1
    assert recompute.main(["--root", str(tree)]) == 0
    again = next(other for other in json.loads(path.read_text())["rows"]
                 if all(other[key] == row[key] for key in ("subsystem", "variant", "part", "protocol")))
    assert again["metrics"]["UA"] == told


def test_a_block_of_no_recipe_and_a_block_without_end_are_errors(tree):
    (tree / "README.md").write_text(MARKERS.format(recipe="nosuch/ensemble"))
    with pytest.raises(UserError, match="there is no recipe egs/nosuch/ensemble"):
        recompute.main(["--root", str(tree)])
    (tree / "README.md").write_text("<!-- results:begin egs/new/ensemble -->\n")
    with pytest.raises(UserError, match="has no <!-- results:end"):
        recompute.main(["--root", str(tree)])
