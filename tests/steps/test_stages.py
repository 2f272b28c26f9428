"""What recipes hand to the stage engine: the words of their stages, without running any."""

import shlex
import subprocess

import pytest

from utils.files import ROOT

ENSEMBLE = ("--corpus-dir", "/corpus", "--asr", "none")


def commands(tmp_path, recipe, *options):
    """Title -> words of the command of each stage of a recipe."""
    place = tmp_path / "egs" / recipe
    place.mkdir(parents=True, exist_ok=True)
    for name in ("utils", "steps", "conf", "local", "path.sh"):
        if not (tmp_path / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    (place / "cmd.sh").write_bytes((ROOT / "egs" / recipe / "cmd.sh").read_bytes())
    text = (ROOT / "egs" / recipe / "run.sh").read_text()
    assert text.endswith("\nrun_stages\n")
    told = text.removesuffix("run_stages\n") + "printf '%s\\0' \"${_o_stages[@]}\"\n"
    (place / "run.sh").write_text(told)
    done = subprocess.run(["bash", place / "run.sh", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words, found = done.stdout.split("\0")[:-1], {}
    while words:
        count = int(words[1])
        stage, words = words[2:2 + count], words[2 + count:]
        found[stage[1]] = stage[stage.index("--") + 1:]
    return found


def after(words, option):
    return words[words.index(option) + 1]


@pytest.mark.parametrize(("recipe", "options", "named"), [
    ("emodb/ensemble", ENSEMBLE, {}),
    ("emodb/ensemble", (*ENSEMBLE, "--noise", "20 -5"), {"--noise": "20 -5"}),
    ("emodb/ensemble", (*ENSEMBLE, "--noise", "10", "--comparisons", "true"),
     {"--comparisons": "true", "--noise": "10"}),
    ("emodb/ensemble", (*ENSEMBLE, "--only", "svm_is10 forest_is10"), {"--only": "svm_is10 forest_is10"}),
    ("emodb/pyresnet", ("--corpus-dir", "/corpus", "--windows", "true"), {"--windows": "true"}),
])
def test_the_rows_of_a_recipe_name_its_options_that_chose_what_is_trained(tmp_path, recipe, options, named):
    score = commands(tmp_path, recipe, *options)["Score"]
    said = shlex.split(after(score, "--recipe-options")) if "--recipe-options" in score else []
    assert dict(zip(said[::2], said[1::2], strict=True)) == named


@pytest.mark.parametrize(("recipe", "trains"), [
    ("emodb/ensemble", "svm_compare, forest_is10, svm_is10, dnn_compare"),
    ("emodb/pyresnet", "svm_is10, resnet, pyresnet"),
    ("meld/text", "text"), ("daic_woz/depression", "svm_is10, pyresnet_random"), ("mini/asr", ""),
])
def test_only_of_an_unknown_subsystem_is_answered_with_those_of_the_recipe(recipe, trains):
    done = subprocess.run([ROOT / "egs" / recipe / "run.sh", "--only", "nosuch", "--dry-run"], capture_output=True,
                          text=True)
    assert done.returncode == 2 and "--only: this recipe trains no nosuch; it " in done.stderr
    assert f"trains {trains}" in done.stderr if trains else "has no subsystems" in done.stderr


def test_of_a_tiny_recipe_all_experiments_share_processes_and_of_a_full_one_those_that_are_short(tmp_path):
    for size, wanted in (("full", "auto"), ("tiny", "3")):
        trains = [words for title, words in commands(tmp_path, "emodb/ensemble", *ENSEMBLE, "--size", size, "--nj",
                                                     "3").items() if title.startswith("Train ")]
        assert len(trains) > 6 and any("--permute-labels" in words for words in trains)
        assert {after(words, "--tasks") for words in trains} == {wanted}
