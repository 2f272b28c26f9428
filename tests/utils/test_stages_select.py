"""--stage, --stop-stage, --force, --trust-earlier, --dry-run and --why."""

import pytest

from tests.utils.toy_recipe import Toy
from utils.stages.command import parse_command


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe")


@pytest.fixture
def done(toy):
    result = toy.run()
    assert result.returncode == 0, result.stderr
    return toy


def snapshot(toy: Toy) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in toy.path.rglob("*")
            if path.name != "calls"}


def test_an_explicit_stage_runs_from_scratch_and_then_what_depends_on_it(done):
    done.write("data/f/.kept", "by the former run\n")
    done.run("--stage", "2")
    assert done.calls == ["extract", "train"]
    assert "former run" not in done.read("data/f/.kept") and "former run" in done.read("data/f.old/.kept")


def test_an_older_old_is_replaced(done):
    done.write("data/f.old/ancient", "")
    done.run("--stage", "2")
    assert not (done.path / "data/f.old/ancient").exists() and (done.path / "data/f.old/x").exists()


def test_an_explicit_unfinished_stage_goes_on_in_place(done):
    done.write("after.extract", "exit 1")
    done.run("--stage", "2")
    (done.path / "after.extract").unlink()
    done.run("--stage", "2")
    assert done.calls == ["extract", "train"]
    assert len(done.read("data/f/.kept").splitlines()) == 2
    assert len(done.read("data/f.old/.kept").splitlines()) == 1


def test_a_stage_that_needs_a_stale_one_is_refused_with_its_name_and_reason(done):
    result = done.run("--stage", "4", "--color", "blue")
    assert result.returncode == 2 and done.calls == [] and result.stderr.count("\n") == 1
    assert "stage 4 (Train) needs stage 1 (Prepare), which is stale: option --color was 'red', is" in result.stderr
    result = done.run("--stage", "2", "--stop-stage", "2", "--color", "blue")
    assert result.returncode == 2 and "stage 2 (Extract) needs stage 1 (Prepare)" in result.stderr


def test_staleness_further_up_is_followed_to_its_root(toy):
    toy.recipe('stage 1 "A" --out 1.tsv -- ./do a --set "$set" 1.tsv\n'
               'stage 2 "B" --in 1.tsv --out 2.tsv -- ./do b 2.tsv\n'
               'stage 3 "C" --in 2.tsv --out 3.tsv -- ./do c 3.tsv\nrun_stages\n')
    toy.run()
    result = toy.run("--stage", "3", "--set", "x")
    assert result.returncode == 2
    assert "stage 3 (C) needs stage 2 (B), which needs stage 1 (A), which is stale: option --set" in result.stderr


def test_a_dependent_of_the_stage_that_needs_something_else_missing_is_refused_before_anything_runs(toy):
    toy.run("--stop-stage", "1")
    result = toy.run("--stage", "2")
    assert result.returncode == 0 and toy.calls == ["extract", "train"]
    toy.recipe('stage 1 "A" --out a.tsv -- ./do a a.tsv\nstage 2 "B" --out b.tsv -- ./do b b.tsv\n'
               'stage 3 "C" --in a.tsv --in b.tsv --out c.tsv -- ./do c c.tsv\nrun_stages\n')
    result = toy.run("--stage", "1")
    assert result.returncode == 2 and toy.calls == [] and "stage 3 (C) needs stage 2 (B), which is" in result.stderr
    assert toy.run("--stage", "1", "--stop-stage", "2").returncode == 0 and toy.calls == ["a"]


def test_trust_earlier_goes_on_and_a_plain_run_later_repairs(done):
    result = done.run("--stage", "2", "--color", "blue", "--trust-earlier")
    assert result.returncode == 0 and done.calls == ["extract", "train"]
    done.run("--color", "blue")
    assert done.calls == ["prepare", "extract", "train"]


def test_trust_earlier_still_needs_the_files(done):
    (done.path / "data/a.tsv").unlink()
    result = done.run("--stage", "2", "--trust-earlier")
    assert result.returncode == 2 and done.calls == [] and "data/a.tsv" in result.stderr


def test_after_a_failure_with_trust_earlier_the_offered_command_takes_it_up(done):
    done.write("after.train", "exit 1")
    last = done.run("--stage", "2", "--color", "blue", "--trust-earlier").stderr.splitlines()[-1]
    assert last.endswith("run.sh --color blue --trust-earlier --stage 4")
    (done.path / "after.train").unlink()
    assert done.run("--color", "blue", "--trust-earlier", "--stage", "4").returncode == 0
    assert len(done.read("exp/t/.kept").splitlines()) == 2


def test_force_runs_all_from_scratch_up_to_the_stop_stage(done):
    done.run("--force", "--stop-stage", "3")
    assert done.calls == ["prepare", "extract", "other"]
    assert len(done.read("data/o/.kept").splitlines()) == 1 and (done.path / "data/o.old").exists()


def test_force_starts_an_unfinished_stage_from_scratch_too(toy):
    toy.write("after.other", "exit 1")
    toy.run()
    toy.run("--stage", "3", "--force")
    assert len(toy.read("data/o/.kept").splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--stage", "9"], ["--stop-stage", "9"], ["--why", "9"], ["--stage", "0"],
                                       ["--stage", "3", "--stop-stage", "2"]])
def test_a_stage_that_is_not_there_is_status_2(done, arguments):
    result = done.run(*arguments)
    assert result.returncode == 2 and done.calls == [] and result.stderr.count("\n") == 1
    assert arguments[0] in result.stderr and arguments[1] in result.stderr


def test_a_dry_run_predicts_through_stages_that_would_run_and_touches_nothing(done):
    done.write(".lock", "somebody else")
    before = snapshot(done)
    result = done.run("--dry-run", "--color", "blue", "--set", "x")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "1  Prepare: would run: option --color was 'red', is 'blue'",
        "2  Extract: would run: stage 1 would run first",
        "3  Other: would run: option --set was '', is 'x'",
        "4  Train: would run: stage 1 would run first; stage 2 would run first"]
    assert snapshot(done) == before


def test_a_dry_run_of_a_fresh_recipe_leaves_no_trace(toy):
    before = snapshot(toy)
    result = toy.run("--dry-run")
    assert result.returncode == 0 and result.stdout.count("would run: ") == 4 and snapshot(toy) == before


def test_a_dry_run_of_one_stage_and_of_a_refused_one(done):
    result = done.run("--dry-run", "--stage", "2")
    assert result.stdout.splitlines() == ["2  Extract: would run: --stage 2",
                                          "4  Train: would run: stage 2 would run first"]
    assert done.run("--dry-run", "--stage", "2", "--color", "blue").returncode == 2
    assert "goes on from what is there" in done.run("--dry-run", "--seeds", "0 1").stdout


def test_why_tells_every_reason_and_those_of_earlier_stages(done):
    before = snapshot(done)
    assert "stage 4 (Train) would not run: done since 2" in done.run("--why", "4").stdout
    text = done.run("--why", "4", "--color", "blue", "--seeds", "1").stdout
    assert "stage 4 (Train) would run, because\n  - stage 1 would run first\n" in text
    assert "  - option --seeds was '0', is '1'" in text
    assert "  stage 1 (Prepare) would run, because\n    - option --color was 'red', is 'blue'" in text
    assert snapshot(done) == before


def test_free_options_of_a_command_leave_its_parts_alone():
    words = ["steps/x.sh", "--nj", "2", "--tasks", "2", "--cmd", "--odd a b", "--set", "a=1", "--permute-labels",
             "--seeds", "0 1", "--device=cuda", "--gpu", "1", "data/x"]
    assert parse_command(words, ["gpu"]).components() == {
        "command": "steps/x.sh", "option --permute-labels": "precomputed", "option --seeds": "'0 1'",
        "option --set": "'a=1'", "argument 1": "'data/x'"}


def test_of_a_long_option_only_the_words_that_differ_are_told(toy):
    same = " ".join(f"model.key{k}=1" for k in range(20))
    toy.run("--set", f"first=1 {same} last=1")
    text = toy.run("--dry-run", "--set", f"first=1 {same} new=2 last=1").stdout
    assert "option --set was ... (nothing) ..., is ... new=2 ..." in text
    text = toy.run("--dry-run", "--set", f"first=2 {same} last=1").stdout
    assert "option --set was 'first=1 ..., is 'first=2 ..." in text
