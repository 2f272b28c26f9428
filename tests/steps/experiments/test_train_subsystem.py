"""The front end: usage mistakes, dispatch, resuming with further seeds, and a failure that is named."""

import json
import subprocess

import pytest

from steps.experiments import plan, task_files
from utils.files import ROOT


def train(*arguments, **options):
    return subprocess.run([str(ROOT / "steps" / "train_subsystem.sh"), *map(str, arguments)], capture_output=True,
                          text=True, **options)


FIT = ["--config", "c", "--inputs", "f", "--protocol", "p"]


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "required: --config, --inputs, --protocol, DATA, OUT"),
    (["--config"], "--config: expected one argument"),
    (["--nonsense", "1"], "unknown option --nonsense"),
    (["--input", "1"], "did you mean --inputs?"),
    ([*FIT, "data"], "required: OUT"),
    ([*FIT, "--nj", "two", "data", "out"], "--nj: 'two'; accepted: 1 or more"),
    ([*FIT, "--tasks", "0", "data", "out"], "--tasks: '0'; accepted: 1 or more"),
    ([*FIT, "--device", "tpu", "data", "out"], "--device: invalid choice: 'tpu'"),
    ([*FIT, "--cmd", "nosuch.sh", "data", "out"], "--cmd 'nosuch.sh': there is no such command"),
])
def test_a_wrong_call_is_one_line_and_status_2(arguments, message):
    done = train(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and message in done.stderr


@pytest.mark.parametrize(("options", "wanted"), [
    (["--tasks", "auto", "--nj", "4"], 4),  # of two folds and three seeds
    (["--tasks", "auto", "--nj", "9"], 6),
    (["--tasks", "2", "--nj", "9"], 2),
    ([], 6)])
def test_short_experiments_share_as_many_processes_as_may_run_at_once(toy, tmp_path, capsys, options, wanted):
    words = ["--config", "random_forest", "--inputs", "toy", "--protocol", "plain", "--data", str(toy),
             "--out", str(tmp_path / "exp/forest/plain")]
    assert plan.main([*words, "--seeds", "0 1 2", *options]) == 0
    assert capsys.readouterr().out == f"{wanted} {tmp_path / 'exp/forest/plain/log'}\n"
    shares = [task_files.content_of(path, {str: object})
              for path in task_files.task_files(tmp_path / "exp/forest/plain/log").values()]
    assert sorted(task["seed"] for share in shares for task in share) == [0, 0, 1, 1, 2, 2] and len(shares) == wanted


def test_long_experiments_have_a_task_each():
    assert task_files.number_of_tasks("auto", 2, task_files.FEW_UTTERANCES) == 2
    assert task_files.number_of_tasks("auto", 2, task_files.FEW_UTTERANCES + 1) is None
    assert task_files.number_of_tasks("auto", 2, 60, light=False) is None


def test_help_names_every_option():
    done = train("--help")
    assert done.returncode == 0
    for name in ("config", "inputs", "protocol", "norms", "seeds", "folds", "set", "permute-labels", "nj", "tasks",
                 "cmd"):
        assert f"--{name} " in done.stdout


@pytest.mark.slow
def test_tasks_run_as_jobs_and_a_further_seed_keeps_the_first(toy, tmp_path):
    out = tmp_path / "exp" / "forest" / "plain"
    common = ["--config", "random_forest", "--inputs", "toy", "--protocol", "plain", "--set", "trees=10",
              "--folds", "1"]
    done = train(*common, "--nj", 2, "--norms", "global speaker", toy, out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first = out / "norm-global" / "fold1" / "seed0" / "scores" / "emotion" / "test.tsv"
    assert "norm-speaker, emotion: 1 experiments" in done.stdout
    stamp = first.stat().st_mtime_ns
    done = train(*common, "--seeds", "0 1", toy, out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert first.stat().st_mtime_ns == stamp
    assert (out / "norm-global" / "fold1" / "seed1" / "metrics.json").is_file()
    assert json.loads((out / "subsystem.json").read_text())["seeds"] == [0, 1]


@pytest.mark.slow
def test_a_plan_that_cannot_be_dispatches_nothing(toy, tmp_path):
    out = tmp_path / "exp" / "svm" / "plain"
    done = train("--config", "linear_svm", "--inputs", "toy", "--protocol", "nope", toy, out, cwd=tmp_path)
    assert done.returncode == 2 and "no protocol 'nope'" in done.stderr
    assert not out.exists()
