"""Which stages run, and why: toy recipes on the real engine."""

import os

import pytest

from tests.patience import least_processor_seconds
from tests.utils.toy_recipe import Toy
from utils.leash import start_time


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe")


@pytest.fixture
def done(toy):
    """A toy whose stages are all done."""
    result = toy.run()
    assert result.returncode == 0, result.stderr
    return toy


def test_everything_runs_once_and_again_at_once_nothing_does(toy):
    first = toy.run()
    assert first.returncode == 0 and toy.calls == ["prepare", "extract", "other", "train"]
    assert "1  Prepare: runs: not done yet" in first.stdout and "1  Prepare: ran" in first.stdout
    second = toy.run()
    assert second.returncode == 0 and toy.calls == []
    assert second.stdout.splitlines() == [f"{number}  {title}: done already" for number, title in
                                          [(1, "Prepare"), (2, "Extract"), (3, "Other"), (4, "Train")]]


def test_a_run_is_found_again_from_any_directory(done, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert done.run().returncode == 0 and done.calls == []


def test_free_options_rerun_nothing(done):
    done.run("--nj", "7")
    assert done.calls == []


def test_an_option_reruns_only_the_stages_that_take_it(done):
    result = done.run("--set", "epochs=3")
    assert done.calls == ["other"]
    assert "3  Other: runs: option --set was '', is 'epochs=3'" in result.stdout
    assert "former output moved to data/o.old" in result.stdout
    assert (done.path / "data/o.old/x").exists()
    done.run("--set", "epochs=3")
    assert done.calls == []


def test_what_depends_on_a_rerun_stage_runs_again_and_says_so(done):
    result = done.run("--color", "blue")
    assert done.calls == ["prepare", "extract", "train"]
    assert "2  Extract: runs: stage 1 ran again" in result.stdout


def test_a_corrected_table_is_noticed_and_a_touched_one_is_not(done):
    os.utime(done.path / "table.tsv", (1, 1))
    done.run()
    assert done.calls == []
    done.write("table.tsv", "a\tc\n")
    result = done.run()
    assert done.calls == ["prepare", "extract", "other", "train"]
    assert "table.tsv changed" in result.stdout


def test_a_table_made_by_a_stage_and_corrected_by_hand_at_the_same_size_reruns_what_reads_it(done):
    text = done.read("data/a.tsv")
    done.write("data/a.tsv", text.replace("made", "MADE"))
    result = done.run()
    assert "data/a.tsv changed" in result.stdout
    assert done.calls == ["extract", "train"]
    assert "MADE" in done.read("data/a.tsv")


def test_recordings_count_by_path_size_and_time(done):
    os.utime(done.path / "audio/sub/2.wav", (1, 1))
    assert "files under audio changed (2 files)" in done.run().stdout
    assert "prepare" in done.calls
    done.write("audio/3.wav", "RIFF")
    assert "files under audio changed (3 files, were 2 files)" in done.run().stdout


def test_recordings_behind_links_to_directories_are_seen_and_circles_end(toy, tmp_path):
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (elsewhere / "3.wav").write_text("RIFF")
    (toy.path / "audio/linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(toy.path / "audio")
    (toy.path / "audio/self").symlink_to("self")
    toy.run()
    toy.run()
    assert toy.calls == []
    (elsewhere / "3.wav").write_text("RIFF, another")
    assert "files under audio changed (3 files)" in toy.run("--dry-run").stdout
    (elsewhere / "3.wav").unlink()
    assert "files under audio changed (2 files, were 3 files)" in toy.run().stdout


@pytest.mark.parametrize(("harm", "says"), [
    (lambda toy: (toy.path / "data/f/x").unlink(), "output data/f/x is missing"),
    (lambda toy: (toy.path / "data/f/x").write_text(""), "output data/f/x has 0 bytes, had 16"),
    (lambda toy: (toy.path / "data/f").rename(toy.path / "data/elsewhere"), "output data/f is missing"),
    (lambda toy: toy.record(2).unlink(), "not done yet"),
    (lambda toy: toy.record(2).write_text('{"run": '), "not done yet"),
])
def test_a_damaged_output_is_noticed(done, harm, says):
    harm(done)
    result = done.run()
    assert result.returncode == 0 and says in result.stdout
    assert done.calls == ["extract", "train"]
    assert done.read("data/f/x") == "made by extract\n"


def test_logs_checkpoints_and_hidden_files_are_no_part_of_an_output(done):
    for name in ("log/a", "checkpoint/b", ".done/c", ".hidden", "x.tmp", "y.old", "note.txt"):
        done.write(f"data/f/{name}", "new")
    done.run()
    assert done.calls == []


def test_a_failing_command_never_counts_as_done(toy):
    # `if ( set -e; ...; touch done )` would reach the touch; here the command is a process of its own.
    toy.write("before.extract", "false; touch reached")
    result = toy.run("--set", "a b")
    assert result.returncode == 1 and toy.calls == ["prepare", "extract"]
    assert not (toy.path / "reached").exists() and not toy.record(2).exists()
    last = result.stderr.splitlines()[-1]
    assert "stage 2 (Extract)" in last and "exit status 1" in last and "log/stage2.log" in last
    assert last.endswith("run.sh --set 'a b'")
    (toy.path / "before.extract").unlink()
    result = toy.run("--set", "a b")
    assert result.returncode == 0 and toy.calls == ["extract", "other", "train"]
    assert "2  Extract: runs: it was begun and did not finish" in result.stdout


def test_exit_status_2_passes_through_and_a_signal_is_named(toy):
    toy.write("before.prepare", "exit 2")
    assert toy.run().returncode == 2
    toy.write("before.prepare", "kill -KILL $$")
    result = toy.run()
    assert result.returncode == 1 and "SIGKILL" in result.stderr


def test_the_command_to_take_up_again_does_not_start_from_scratch_again(done):
    done.write("before.train", "exit 1")
    last = done.run("--stage", "1", "--force", "--nj", "3").stderr.splitlines()[-1]
    assert last.endswith("run.sh --nj 3")


def test_options_that_a_stage_refuses_cost_nothing_that_was_done(toy):
    toy.run()
    toy.write("before.prepare", 'case " $* " in *" blue "*) echo "error: no blue here" >&2; exit 2 ;; esac\n')
    refused = toy.run("--color", "blue")
    assert refused.returncode == 2 and "the former output is back" in refused.stdout
    assert toy.read("data/a.tsv") == "made by prepare\n" and not (toy.path / "data/a.tsv.old").exists()
    again = toy.run()
    assert again.returncode == 0 and toy.calls == [] and again.stdout.count("done already") == 4


def test_a_stage_that_was_asked_for_and_fails_is_still_to_be_done(toy):
    toy.run()
    toy.write("before.prepare", "exit 2\n")
    assert toy.run("--stage", "1").returncode == 2
    (toy.path / "before.prepare").unlink()
    assert toy.run().returncode == 0 and toy.calls[0].startswith("prepare")


def test_a_stage_that_fails_with_something_written_goes_on_from_there(toy):
    toy.run()
    toy.write("after.prepare", "exit 1\n")
    failed = toy.run("--color", "blue")
    assert failed.returncode == 1 and "former output is back" not in failed.stdout
    assert (toy.path / "data/a.tsv.old").exists()


def test_success_without_the_declared_output_is_a_failure(toy):
    toy.write("after.prepare", 'rm "$out"')
    result = toy.run()
    assert result.returncode == 1 and "did not write data/a.tsv" in result.stderr
    assert not toy.record(1).exists()


def test_more_extent_keeps_what_is_there_and_other_changes_move_it(done):
    done.run("--seeds", "0 1")
    assert done.calls == ["train"]
    assert done.read("exp/t/.kept").splitlines() == ["train --seeds 0 exp/t", "train --seeds 0 1 exp/t"]
    assert not (done.path / "exp/t.old").exists()
    done.run("--seeds", "0 1 2", "--color", "green")
    assert done.read("exp/t/.kept").splitlines() == ["train --seeds 0 1 2 exp/t"]
    assert (done.path / "exp/t.old/.kept").exists()


def test_an_unfinished_stage_goes_on_in_place_unless_its_settings_changed(toy):
    toy.write("after.other", "exit 1")
    toy.run("--set", "a=1")
    toy.run("--set", "a=1")
    assert len(toy.read("data/o/.kept").splitlines()) == 2
    toy.run("--set", "a=2")
    assert toy.read("data/o/.kept").splitlines() == ["other --set a=2 data/o"]


def test_the_hash_for_task_markers_survives_a_resume_but_not_a_start_from_scratch(toy):
    toy.write("after.train", "exit 1")
    toy.run()
    first = toy.inputs["train"]
    (toy.path / "after.train").unlink()
    toy.run()
    assert toy.inputs["train"] == first
    toy.run("--seeds", "0 1")
    assert toy.inputs["train"] == first
    toy.run("--stage", "4", "--seeds", "0 1")
    assert toy.inputs["train"] != first


def test_configurations_of_both_levels_are_inputs(toy):
    toy.recipe('stage 1 "Fit" --out exp/m -- ./do fit --config toy_model exp/m\nrun_stages\n')
    toy.run()
    toy.write("conf/toy_model.yaml", "a: 1\n")
    assert "conf/toy_model.yaml is new" in toy.run().stdout
    toy.write("conf/toy_model.yaml", "a: 2\n")
    assert "runs: conf/toy_model.yaml changed" in toy.run().stdout
    toy.run()
    assert toy.calls == []


def test_what_a_stage_finds_in_its_environment(toy):
    toy.recipe('stage 7 "Env" --out env.tsv -- bash -c \'echo "$EMOTION_STAGE|$EMOTION_RECIPE|$PWD|$ROOT" > env.tsv; '
               "read -r line || echo no input'\nrun_stages\n")
    result = toy.run()
    assert "no input" in result.stdout
    stage, recipe, directory, root = toy.read("env.tsv").strip().split("|")
    assert stage == "7" and recipe == directory == str(toy.path) and (toy.path / root / "utils/recipe.sh").exists()


def test_arguments_arrive_byte_for_byte(toy):
    toy.recipe('stage 1 "Args" --out out.tsv -- python -c \'import os, sys; '
               'open("out.tsv", "wb").write(b"|".join(map(os.fsencode, sys.argv[1:])))\' --set "$set" $\'\\xff\'\n'
               "run_stages\n")
    value = "$(touch x) `touch x` 'a' \"b\" \\ * \n ä"
    result = toy.run("--set", value)
    assert result.returncode == 0, result.stderr
    assert (toy.path / "out.tsv").read_bytes() == b"--set|" + value.encode() + b"|\xff"
    assert not (toy.path / "x").exists()
    toy.run("--set", value)
    assert toy.run("--set", value).stdout == "1  Args: done already\n"


def test_the_output_goes_to_the_terminal_and_to_a_log_with_a_header(toy):
    toy.write("before.prepare", 'printf "10%%\\r50%%\\r100%%\\n"; echo warning >&2; printf "no newline"')
    result = toy.run()
    assert "no newline" in result.stdout and result.stderr == "warning\n"
    log = toy.read("log/stage1.log").splitlines()
    assert log.index("100%") < log.index("no newline") and "warning" in log[-3:]
    header = "\n".join(line for line in log if line.startswith("#"))
    for word in ("command: ./do prepare", "called as:", "commit:", "python:", "host:", "date:"):
        assert word in header


def test_a_child_left_behind_neither_holds_the_engine_nor_outlives_the_stage(toy):
    toy.write("before.prepare", "yes & sleep 1000 & echo $! > child")
    assert toy.run().returncode == 0
    assert start_time(int(toy.read("child"))) is None


def test_an_output_changed_in_place_is_never_moved_and_its_loss_is_noticed(toy):
    toy.recipe('stage 1 "Collect" --update all.tsv -- bash -c \'echo "$1" >> all.tsv\' -- "$set"\nrun_stages\n')
    toy.run("--set", "a")
    toy.run("--set", "b")
    assert toy.read("all.tsv") == "a\nb\n"
    (toy.path / "all.tsv").unlink()
    assert "output all.tsv is missing" in toy.run("--set", "b").stdout


def test_markers_lock_and_logs_lie_in_the_stage_directory(toy):
    toy.recipe('stage_dir=tiny\nstage 1 "A" --out tiny/a.tsv -- ./do a tiny/a.tsv\nrun_stages\n')
    assert toy.run().returncode == 0
    assert toy.record(1, work="tiny").exists() and (toy.path / "tiny/log/stage1.log").exists()
    assert not (toy.path / ".stages").exists()


@pytest.mark.parametrize(("arguments", "says"), [
    (["--corpus-dir", "/no/such"], "needs /no/such, which does not exist and no stage makes; check --corpus-dir"),
    (["--corpus-dir", "away/x"], "needs away/x, which does not exist as seen from"),
    (["--corpus-dir", ""], "its path is empty; give it with --corpus-dir"),
    (["--corpus-dir", "empty"], "needs empty, which holds no files; check --corpus-dir"),
    (["--corpus-dir", "table.tsv"], "needs table.tsv to be a directory; check --corpus-dir"),
])
def test_a_missing_input_is_one_line_and_nothing_runs(toy, arguments, says):
    (toy.path / "empty").mkdir()
    result = toy.run(*arguments)
    assert result.returncode == 2 and toy.calls == []
    assert result.stderr.count("\n") == 1 and says in result.stderr and "stage 1 (Prepare)" in result.stderr


def test_the_option_is_named_of_whose_words_one_is_missing(toy):
    toy.recipe('stage 1 "A" --in /no/such/cuts.gz --out a -- true\nrun_stages\n')
    assert "; check --set" in toy.run("--set", "one=audio two=/no/such").stderr
    assert "; check" not in toy.run("--set", "one=audio two=/no/su").stderr


def test_a_missing_input_far_down_is_said_before_anything_runs(toy):
    (toy.path / "table.tsv").unlink()
    assert toy.run().returncode == 2 and toy.calls == []


def test_an_input_that_its_stage_does_not_make_is_named(toy):
    toy.recipe('stage 1 "A" --out data/d -- ./do a data/d\n'
               'stage 2 "B" --in data/d/nothing.tsv --out b.tsv -- ./do b b.tsv\nrun_stages\n')
    for status in (1, 2):  # stage 1 failed to do its work; then it is known before anything runs
        result = toy.run()
        assert result.returncode == status
        assert "stage 2 (B) needs data/d/nothing.tsv, which stage 1 did not make" in result.stderr


def test_a_wrong_option_is_told_as_soon_as_its_stage_is_done_with_what_there_is(toy):
    toy.recipe('stage 1 "A" --out data/d -- bash -c "mkdir -p data/d && touch data/d/one.tsv data/d/two.tsv"\n'
               'stage 2 "B" --in table.tsv --out b.tsv -- ./do b b.tsv\n'
               'stage 3 "C" --in b.tsv --in "data/d/$set.tsv" --out c.tsv -- ./do c c.tsv\nrun_stages\n')
    for _ in range(2):
        result = toy.run("--set", "three")
        assert result.returncode == 2 and toy.calls == []
        assert "error: --set is 'three', but stage 3 (C) needs data/d/three.tsv" in result.stderr
        assert "did not make; there are: one, two\n" in result.stderr
    assert toy.run("--set", "two").returncode == 0


@pytest.mark.parametrize(("stages", "says"), [
    ('stage 1 "A" --out a -- true\nstage 2 "B" --out ./a -- true', "a is an output of stages 1 and 2"),
    ('stage 1 "A" --out a -- true\nstage 2 "B" --out a/b -- true', "lie in one another"),
    ('stage 1 "A" --in b --out a -- true\nstage 2 "B" --out b -- true', "only the later stage 2 makes"),
    ('stage 1 "A" --in a --out a -- true', "its input and its output"),
    ('stage 1 "A" -- true\nstage 1 "B" -- true', "stage 1 is declared twice"),
    ('stage 2 "A" -- true\nstage 1 "B" -- true', "stage 1 is declared after stage 2"),
    ('stage 1 "A" --needs 2 -- true\nstage 2 "B" -- true', "--needs 2 is not an earlier stage"),
    ('stage x "A" -- true', "stage x"), ('stage 1 -- true', "title is missing"), ('stage 1 "A" true', "no --"),
    ('stage 1 "A" --', "no command"), ('stage 1 "A" --output a -- true', "unknown word --output"),
    ('stage 1 "A" --out "" -- true', "--out is empty"), ('stage 1 "A" --out -- true', "--out needs a value"),
    ("true", "declares no stage"), ('stage 1 "A" --out a -- steps/no_such.sh', "there is no steps/no_such.sh"),
    ('stage 1 "A" --out a -- no_such_program', "there is no program no_such_program"),
])
def test_a_contradictory_recipe_is_refused(toy, stages, says):
    toy.recipe(stages + "\nrun_stages\n")
    result = toy.run()
    assert result.returncode == 2 and says in result.stderr and result.stderr.count("\n") == 1


def test_needs_orders_stages_without_a_file(toy):
    toy.recipe('stage 1 "A" --out a.tsv -- ./do a --set "$set" a.tsv\n'
               'stage 2 "B" --needs 1 --out b.tsv -- ./do b b.tsv\nrun_stages\n')
    toy.run()
    toy.run("--set", "x")
    assert toy.calls == ["a", "b"]


def test_gzip_counts_by_what_is_in_it(toy):
    import gzip
    toy.recipe('stage 1 "A" --in in.gz --out a.tsv -- ./do a a.tsv\nrun_stages\n')
    with gzip.GzipFile(toy.path / "in.gz", "wb", mtime=1) as stream:
        stream.write(b"text")
    toy.run()
    with gzip.GzipFile(toy.path / "in.gz", "wb", mtime=2) as stream:
        stream.write(b"text")
    toy.run()
    assert toy.calls == []
    with gzip.GzipFile(toy.path / "in.gz", "wb", mtime=2) as stream:
        stream.write(b"next")
    toy.run()
    assert toy.calls == ["a"]
    whole = (toy.path / "in.gz").read_bytes()
    (toy.path / "in.gz").write_bytes(whole[:-4])
    assert toy.run().returncode == 0 and toy.calls == ["a"]


def test_nothing_to_do_takes_under_a_second_for_twelve_stages_and_two_thousand_recordings(toy):
    for index in range(2000):
        toy.write(f"audio/speaker{index % 24}/{index}.wav", "RIFF")
    lines = ['stage 1 "Prepare" --in-audio audio --out data/1 -- ./do s1 data/1']
    lines += [f'stage {n} "Next" --in data/{n - 1} --in table.tsv --out data/{n} -- ./do s{n} data/{n}'
              for n in range(2, 13)]
    toy.recipe("\n".join(lines) + "\nrun_stages\n")
    assert toy.run().returncode == 0
    done, seconds = least_processor_seconds(toy.run, 1)
    assert done.stdout.count("done already") == 12 and seconds < 1


def test_going_back_to_another_variant_finds_it_done(tmp_path):
    toy = Toy(tmp_path / "recipe", '''
stage 1 "Train" --in table.tsv --out "exp/$color" -- ./do train --color "$color" "exp/$color"
stage 2 "Score" --in "exp/$color" --out "scores/$color" -- ./do score "scores/$color"
run_stages
''')
    toy.run("--color", "red")
    toy.run("--color", "blue")
    assert toy.calls == ["train", "score"]
    toy.run("--color", "red")
    assert toy.calls == [] and not list((toy.path / "exp").glob("*.old"))
