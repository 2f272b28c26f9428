"""Sub-stages, --show, --stages, and settings that concern one configuration."""

import subprocess

import pytest

from tests.utils.toy_recipe import Toy
from utils.stages.command import own_settings, parse_command
from utils.stages.number import StageNumber

STAGES = """
stage 3 "Prepare" --out a.tsv -- ./do prepare a.tsv
for n in 1 2 10; do stage "3.$n" "Noise $n" --in a.tsv --out "b$n" -- ./do "noise$n" "b$n"; done
stage 4 "Train" --in b10 --out "exp/t t" -- ./do train --set "$set" "exp/t t"
run_stages
"""


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "recipe", STAGES)


def test_numbers_are_ordered_as_a_reader_counts():
    texts = ["3", "3.1", "3.2", "3.10", "4"]
    numbers = [StageNumber.parse(text) for text in texts]
    assert sorted(reversed(numbers)) == numbers and [f"{number:>4}" for number in numbers][3] == "3.10"
    with pytest.raises(ValueError):
        StageNumber.parse("3.1.2")


def test_sub_stages_run_in_their_order_and_each_has_a_record_of_its_own(toy):
    assert toy.run().returncode == 0
    assert toy.calls == ["prepare", "noise1", "noise2", "noise10", "train"]
    again = toy.run("--stage", "3.10")
    assert again.returncode == 0, again.stderr
    assert toy.calls == ["noise10", "train"]
    assert toy.run().returncode == 0 and toy.calls == []


def test_a_run_that_stops_at_a_stage_takes_its_sub_stages_along(toy):
    assert toy.run("--stop-stage", "3").returncode == 0
    assert toy.calls == ["prepare", "noise1", "noise2", "noise10"]
    assert toy.run("--stop-stage", "3.2").returncode == 0 and toy.calls == []


def test_what_is_no_number_of_a_stage_is_one_line(toy):
    for word in ("3.", "3.5", "3.1.1", "x.1"):
        done = toy.run("--why", word)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and word in done.stderr


def test_show_prints_a_command_that_a_shell_runs(toy):
    toy.run("--stop-stage", "3")
    shown = toy.run("--show", "4", "--set", "x=a b")
    assert shown.returncode == 0 and shown.stdout.count("\n") == 1 and toy.calls == []
    environment = {**toy.env, "EMOTION_STAGE_INPUTS": ""}
    assert subprocess.run(["bash", "-c", shown.stdout], cwd="/", env=environment).returncode == 0
    assert (toy.path / "exp/t t/x").exists() and "x=a b" in toy.read("exp/t t/.kept")


def test_the_table_of_stages_says_what_is_done(toy):
    toy.run("--stop-stage", "3.1")
    lines = toy.run("--stages").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "3.1", "3.2", "3.10", "4"]
    assert [" ".join(line.split()[-2:]) for line in lines[1:3]] == ["1 done", "to do"] and toy.calls == []


@pytest.mark.parametrize(("text", "known", "kept"), [
    ("a=1 svm:C=2 dnn:x=3", {"dnn"}, "a=1 dnn:x=3"), ("svm:C=2", {"dnn"}, ""), ("a=1 ", {"dnn"}, "a=1 "),
    ("a=1 svm:C=[1, 2] b=3", {"dnn"}, "a=1 b=3"), ("'svm:t={e: 1.0, f: 2}' b=3", {"dnn"}, "b=3"),
    ("path=a:b", {"dnn"}, "path=a:b"), ("x='a", {"dnn"}, "x='a"), ("svm:C=[1, 2", {"dnn"}, "svm:C=[1, 2")])
def test_a_setting_of_another_configuration_is_left_out(text, known, kept):
    assert own_settings(text, known) == kept


def test_a_setting_of_one_configuration_concerns_its_stages_alone():
    def parts(config, settings):
        words = ["steps/train_subsystem.sh", "--config", config, "--inputs", "is10", "--set", settings, "data", "out"]
        return parse_command(words).components()

    assert parts("linear_svm", "pyresnet:model.width=1") == parts("linear_svm", "")
    assert parts("pyresnet", "pyresnet:model.width=1") != parts("pyresnet", "")
    assert parts("linear_svm", "refit=true") != parts("linear_svm", "")


@pytest.mark.parametrize("size", ["", "size=tiny"])
def test_the_group_tiny_of_a_configuration_counts_where_the_size_is_given_alone(tmp_path, size):
    toy = Toy(tmp_path / "recipe", 'stage 1 "Train" --out e -- ./do train --config net --set "$set" e\nrun_stages\n')
    conf = toy.path / "conf" / "net.yaml"
    conf.parent.mkdir(exist_ok=True)
    conf.write_text("rate: 1\n")
    assert toy.run("--set", size).returncode == 0 and toy.calls == ["train"]
    conf.write_text("rate: 1\ntiny:\n  rate: 2\n  # why\n\n  model: {width: 1}\n")
    assert toy.run("--set", size).returncode == 0 and toy.calls == (["train"] if size else [])
    conf.write_text("rate: 3\ntiny:\n  rate: 2\n")
    assert toy.run("--set", size).returncode == 0 and toy.calls == ["train"]
