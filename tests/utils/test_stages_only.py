"""--only: some subsystems alone, with what they need; what gathers them does so over what is there. --trust-earlier."""

import shutil

import pytest

from tests.utils.toy_recipe import Toy

STAGES = """
stage 1 "Prepare" --in table.tsv --out data/a.tsv -- ./do prepare data/a.tsv
stage 2 "Extract fine" --in data/a.tsv --out data/f -- ./do fine data/f
stage 3 "Extract coarse" --in data/a.tsv --out data/c -- ./do coarse data/c
stage 4 "Train net" --name net --in data/f --out exp/net/p -- ./do net --set "$set" exp/net/p
stage 5 "Train svm" --name svm --in data/c --out exp/svm/p -- ./do svm exp/svm/p
stage 6 "Train forest" --name forest --in data/c --out exp/forest/p -- ./do forest exp/forest/p
stage 7 "Fuse" --at-least 2 --in-member net=exp/net/p --in-member svm=exp/svm/p --in-member forest=exp/forest/p \\
  --out exp/fused.tsv -- ./do fuse --leave-out "{left-out}" exp/fused.tsv
stage 8 "Score" --in-member net=exp/net/p --in-member svm=exp/svm/p --in-member forest=exp/forest/p \\
  --in-if-there exp/fused.tsv --in-if-there data/f --out exp/s -- \\
  ./do score --leave-out "{left-out}" --fused exp/fused.tsv --fine data/f exp/s
stage 9 "Export" --in exp/net/p --out exp/e -- ./do export exp/e
run_stages
"""


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe", STAGES)


def said(toy, name="s"):
    return toy.read(f"exp/{name}/.kept").splitlines()[-1]


def test_only_some_are_trained_with_what_they_need_and_the_rest_follows_over_them(toy):
    result = toy.run("--only", "svm forest")
    assert result.returncode == 0, result.stderr
    assert toy.calls == ["prepare", "coarse", "svm", "forest", "fuse", "score"]
    assert "--only leaves out stage 2, 4, 9" in result.stdout
    assert said(toy) == "score --leave-out net --fused exp/fused.tsv exp/s"
    toy.run("--only", "svm forest")
    assert toy.calls == []


def test_a_later_run_without_only_goes_on_from_what_is_there(toy):
    toy.run("--only", "svm")
    assert toy.calls == ["prepare", "coarse", "svm", "score"], "one alone is not fused"
    assert said(toy) == "score --leave-out net forest exp/s"
    assert toy.run().returncode == 0 and toy.calls == ["fine", "net", "forest", "fuse", "score", "export"]
    assert said(toy) == "score --fused exp/fused.tsv --fine data/f exp/s"
    assert toy.run().returncode == 0 and toy.calls == []


@pytest.mark.slow
def test_what_is_there_already_counts_and_what_is_unfinished_does_not(toy):
    toy.run("--only", "svm")
    toy.write("after.forest", "exit 1")
    toy.run("--only", "forest")
    toy.run("--only", "net")
    assert toy.calls == ["fine", "net", "fuse", "score", "export"]
    assert said(toy) == "score --leave-out forest --fused exp/fused.tsv --fine data/f exp/s"


@pytest.mark.slow
def test_what_is_there_and_stale_is_taken_and_said(toy):
    toy.run()
    result = toy.run("--only", "svm", "--set", "new")
    assert toy.calls == [] and "note: stage 4 (Train net) is taken as it is, although option --set" in result.stdout


@pytest.mark.parametrize(("words", "says"), [
    (["--only", "smv"], "--only: this recipe trains no smv; it trains net, svm, forest"),
    (["--only", "svm", "--stage", "4"], "--stage 4: --only leaves out stage 4 (Train net)"),
    (["--only"], "--only needs a value"),
])
def test_an_unknown_name_is_answered_with_those_that_exist(toy, words, says):
    result = toy.run(*words)
    assert result.returncode == 2 and result.stderr == f"error: {says}\n" and toy.calls == []


def test_a_recipe_without_subsystems_says_so(tmp_path):
    toy = Toy(tmp_path / "recipe")
    assert "it has no subsystems to choose from" in toy.run("--only", "x").stderr


@pytest.mark.slow
def test_a_stage_alone_runs_over_what_is_there_and_others_are_left_out_in_a_line(toy):
    toy.run("--only", "svm", "--stop-stage", "5")
    result = toy.run("--stage", "6", "--trust-earlier")
    assert result.returncode == 0 and toy.calls == ["forest", "fuse", "score"], result.stderr
    assert said(toy) == "score --leave-out net --fused exp/fused.tsv exp/s"
    result = toy.run("--stage", "1", "--trust-earlier")
    assert result.returncode == 0 and "done" not in result.stderr


@pytest.mark.slow
def test_what_was_never_made_is_not_said_to_be_done(toy):
    toy.run("--only", "svm")
    result = toy.run("--stage", "9", "--trust-earlier")
    assert result.returncode == 2 and toy.calls == []
    assert "stage 9 (Export) needs exp/net/p, which stage 4 makes and has not made" in result.stderr
    toy.run()
    shutil.rmtree(toy.path / "exp/net/p")
    said = toy.run("--stage", "9", "--trust-earlier").stderr
    assert "needs exp/net/p, which stage 4 did not make; run stage 4 again" in said


@pytest.mark.slow
def test_dependents_that_lack_something_do_not_stop_the_stage_that_was_asked_for(toy):
    toy.run("--only", "svm")
    result = toy.run("--stage", "2", "--trust-earlier", "--dry-run")
    assert result.returncode == 0 and "2  Extract fine: would run: --stage 2" in result.stdout
    shutil.rmtree(toy.path / "data/c")
    toy.record(3).unlink()
    result = toy.run("--stage", "1", "--stop-stage", "8", "--trust-earlier")
    assert result.returncode == 0, result.stderr
