"""Experiments end to end on a small data set: score tables, refit, priors, resuming, refusal, permuted labels."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from steps.experiments import plan, run_task
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from utils.config import read_yaml
from utils.errors import UsageError, UserError
from utils.files import ROOT

FOREST = "trees=40"
NETWORK = ("model.trunk=[24] model.branch=[8] training.epochs=12 training.batch_size=16 training.tensorboard=false "
           "training.optimizer.learning_rate=0.01")


def plan_tasks(data, out, config, settings="", **options):
    arguments = ["--config", config, "--inputs", "toy", "--protocol", "plain", "--set", settings,
                 "--data", str(data), "--out", str(out)]
    for name, value in options.items():
        arguments += [f"--{name}"] if value is True else [f"--{name}", value]
    assert plan.main(arguments) == 0
    return sorted((out / "log").glob("task.*.json"), key=lambda path: int(path.name.split(".")[1]))


def run_all(data, out, config, settings="", **options):
    for task in plan_tasks(data, out, config, settings, **options):
        assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exp" / "toy_system" / "plain"


@pytest.mark.parametrize(("config", "settings"), [("random_forest", FOREST), ("linear_svm", ""),
                                                  ("multitask_dnn", NETWORK), ("dnn", NETWORK)])
def test_every_kind_writes_whole_score_tables_and_beats_chance(toy, out, config, settings):
    run_all(toy, out, config, settings, norms="speaker", folds="1")
    directory = out / "norm-speaker" / "fold1" / "seed0"
    scores = read_scores(directory / "scores" / "emotion" / "test.tsv")
    assert scores.ids == [f"s5-{n:02d}" for n in range(20)]
    assert scores.classes == ["angry", "happy", "sad"]
    np.testing.assert_allclose(np.exp(scores.logp).sum(axis=1), 1, atol=1e-5)
    metrics = read_metrics(directory, "emotion")
    assert metrics["prior_scored"] == ["s4-02", "s5-07"] and metrics["train_left_out"] == ["s1-05"]
    assert metrics["test"]["UA"] > 0.6 and metrics["test"]["n"] == 19
    assert scores.labels[3] is None  # unlabelled, scored all the same
    assert read_yaml(directory / "config.yaml")["config"]["kind"] in ("random_forest", "linear_svm", "multitask_dnn")
    assert not (directory / "checkpoint").exists()
    assert not list(out.rglob("*.pkl")) and not list(out.rglob("*.pt"))


def test_an_utterance_without_features_has_the_class_prior_of_train(toy, out):
    run_all(toy, out, "linear_svm", folds="1")
    scores = read_scores(out / "norm-global" / "fold1" / "seed0" / "scores" / "emotion" / "test.tsv")
    # Train: speakers 0-3, 20 each as 7 + 7 + 6; without the unlabelled s0-04 (happy) and s1-05 (sad), which failed.
    counts = np.array([28, 27, 23]) + 1.0
    np.testing.assert_allclose(scores.logp[scores.ids.index("s5-07")], np.log(counts / counts.sum()), atol=1e-5)


def test_a_subsystem_describes_itself(toy, out):
    plan_tasks(toy, out, "random_forest", FOREST, norms="global speaker", seeds="3 4")
    about = json.loads((out / "subsystem.json").read_text())
    assert about["subsystem"] == "toy_system" and about["variants"] == ["norm-global", "norm-speaker"]
    assert about["folds"] == [1, 2] and about["seeds"] == [3, 4]


def test_seeds_of_a_deterministic_machine_run_once(toy, out, capsys):
    assert len(plan_tasks(toy, out, "linear_svm", seeds="3 4", folds="2")) == 1
    assert "deterministic: only seed 3" in capsys.readouterr().err


def test_a_shorter_plan_leaves_no_task_of_a_longer_one(toy, out):
    assert len(plan_tasks(toy, out, "linear_svm", norms="global speaker")) == 4
    assert len(plan_tasks(toy, out, "linear_svm")) == 2


@pytest.mark.parametrize(("config", "settings"), [("random_forest", FOREST), ("multitask_dnn", NETWORK)])
def test_experiments_that_share_a_process_score_as_if_alone(toy, out, tmp_path, config, settings):
    options = {"norms": "global speaker", "seeds": "0 1", "folds": "1"}
    alone, together = out, tmp_path / "shared" / "toy_system" / "plain"
    assert len(plan_tasks(toy, alone, config, settings, **options)) == 4
    run_all(toy, alone, config, settings, **options)
    assert len(plan_tasks(toy, together, config, settings, tasks="3", **options)) == 3
    run_all(toy, together, config, settings, tasks="3", **options)
    tables = sorted(path.relative_to(alone) for path in alone.rglob("scores/*/*.tsv"))
    assert len(tables) == 8
    for path in tables:
        assert (alone / path).read_bytes() == (together / path).read_bytes(), path


def test_a_share_is_taken_up_behind_its_last_finished_experiment(toy, out, capsys):
    task, = plan_tasks(toy, out, "linear_svm", tasks="1")
    run_task.main(["--data", str(toy), "--out", str(out), str(task)])
    (out / "norm-global/fold2/seed0/metrics.json").unlink()  # as a kill in the second one leaves it
    before = (out / "norm-global/fold1/seed0/metrics.json").stat().st_mtime_ns
    capsys.readouterr()
    run_task.main(["--data", str(toy), "--out", str(out), str(task)])
    assert capsys.readouterr().out.count("finished before") == 1
    assert (out / "norm-global/fold2/seed0/metrics.json").is_file()
    assert (out / "norm-global/fold1/seed0/metrics.json").stat().st_mtime_ns == before


def test_the_end_counts_what_was_planned_and_names_the_log_of_what_is_missing(toy, out, capsys):
    tasks = plan_tasks(toy, out, "linear_svm", norms="global speaker", tasks="2")
    for task in tasks:
        run_task.main(["--data", str(toy), "--out", str(out), str(task)])
    capsys.readouterr()
    assert len(plan_tasks(toy, out, "linear_svm", norms="global speaker", tasks="2", finish=True)) == 2
    said = capsys.readouterr().out
    assert "norm-global, emotion: 2 experiments" in said and "norm-speaker, emotion: 2 experiments" in said
    (out / "norm-speaker/fold2/seed0/scores/emotion/dev.tsv").unlink()  # the fourth, in the second task
    with pytest.raises(UserError, match=r"fold2/seed0 has no scores of emotion, see .*/log/train\.2\.log"):
        plan_tasks(toy, out, "linear_svm", norms="global speaker", tasks="2", finish=True)


def test_a_finished_experiment_is_left_alone(toy, out, capsys):
    run_all(toy, out, "linear_svm", folds="1")
    path = out / "norm-global" / "fold1" / "seed0" / "metrics.json"
    before = path.stat().st_mtime_ns
    run_all(toy, out, "linear_svm", folds="1")
    assert path.stat().st_mtime_ns == before
    assert "finished before" in capsys.readouterr().out


def test_another_configuration_is_refused_by_name(toy, out):
    run_all(toy, out, "linear_svm", folds="1")
    with pytest.raises(UsageError, match=r"config\.balanced = True, now config\.balanced = False"):
        run_all(toy, out, "linear_svm", "balanced=false", folds="1")


def test_changed_data_is_refused_by_name(toy, out):
    run_all(toy, out, "linear_svm", folds="1")
    table = (toy / "splits" / "plain.tsv").read_text()
    (toy / "splits" / "plain.tsv").write_text(table.replace("s0-00\t1\ttrain\n", ""))
    with pytest.raises(UsageError, match="with data = "):
        run_all(toy, out, "linear_svm", folds="1")


def test_refit_changes_test_scores_and_leaves_dev_alone(toy, out, tmp_path):
    tables = {}
    for refit in ("true", "false"):
        place = tmp_path / refit / "svm" / "plain"
        run_all(toy, place, "linear_svm", f"refit={refit}", folds="1")
        directory = place / "norm-global" / "fold1" / "seed0"
        tables[refit] = {part: (directory / "scores" / "emotion" / f"{part}.tsv").read_bytes()
                         for part in ("dev", "test")}
    assert tables["true"]["dev"] == tables["false"]["dev"]
    assert tables["true"]["test"] != tables["false"]["test"]


def test_nothing_depends_on_the_labels_of_test(toy, out, tmp_path):
    run_all(toy, out, "linear_svm", folds="1")
    import gzip

    with gzip.open(toy / "cuts.jsonl.gz", "rt") as stream:
        cuts = [json.loads(line) for line in stream]
    for cut in cuts:
        if cut["id"].startswith("s5"):
            cut["supervisions"][0]["custom"] = {"emotion": "sad"}
    with gzip.open(toy / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)
    other = run_all(toy, tmp_path / "other" / "svm" / "plain", "linear_svm", folds="1")
    one, two = (read_scores(place / "norm-global/fold1/seed0/scores/emotion/test.tsv") for place in (out, other))
    assert one.labels != two.labels
    np.testing.assert_array_equal(one.logp, two.logp)


def test_permuted_labels_fall_to_chance(toy, out, make_dataset, tmp_path):
    generator = np.random.default_rng(0)
    labels = ["abcd"[n % 4] for n in range(480)]
    rows = generator.normal(size=(480, 8)) + 2 * np.eye(8)[[n % 4 for n in range(480)]]
    ids = [f"u{n:03d}" for n in range(480)]
    fold = {key: "train" if n < 200 else "dev" if n < 280 else "test" for n, key in enumerate(ids)}
    data = make_dataset(tmp_path / "four", ids, labels, ["s"] * 480, [None] * 480, rows, [fold])
    run_all(data, out, "linear_svm", "C=[0.1]")
    seeds = [str(seed) for seed in range(10)]
    for seed in seeds:  # a permutation moves whole clusters, so that one alone may lie far from chance
        run_all(data, out, "linear_svm", "C=[0.1]", seeds=seed, **{"permute-labels": True})

    def recall(variant, seed):
        return read_metrics(out / variant / "fold1" / f"seed{seed}", "emotion")["test"]["UA"]

    assert recall("norm-global", 0) > 0.8
    assert abs(np.mean([recall("norm-global+permuted", seed) for seed in seeds]) - 0.25) < 0.1


def test_tasks_that_the_corpus_lacks_are_left_out_aloud(toy, out, capsys):
    tasks = " 'model.tasks={emotion: 1.0, gender: 0.5, age: 0.2}'"
    run_all(toy, out, "multitask_dnn", NETWORK + tasks, folds="1")
    assert "task age is left out" in capsys.readouterr().out
    run_all(toy, out.parent / "other", "multitask_dnn", NETWORK + " keep_model=true refit=false", folds="1")
    about = json.loads((out.parent / "other" / "norm-global/fold1/seed0/model.json").read_text())
    assert about["tasks"] == {"emotion": 3, "speaker": 4, "gender": 2}  # speakers of the training part only


def test_an_override_may_concern_one_configuration_only(toy, out, capsys):
    task = plan_tasks(toy, out, "random_forest", "random_forest:trees=7 dnn:training.epochs=3")[0]
    assert json.loads(task.read_text())["config"]["trees"] == 7
    with pytest.raises(UsageError, match="nonsense"):
        plan_tasks(toy, out, "random_forest", "nonsense:trees=7")
    with pytest.raises(UsageError, match="unknown key training;"):
        plan_tasks(toy, out, "random_forest", "training.epoch=3")
    plan_tasks(toy, out, "random_forest", "training.epochs=3")
    assert "training.epochs=3: random_forest has no such key" in capsys.readouterr().err


def test_bad_requests_are_one_line_each(toy, out):
    with pytest.raises(UserError, match="no fold 9"):
        plan_tasks(toy, out, "linear_svm", folds="9")
    with pytest.raises(UserError, match="protocol"):
        assert plan.main(["--config", "linear_svm", "--inputs", "toy", "--protocol", "nope", "--data", str(toy),
                          "--out", str(out)]) == 0
    with pytest.raises(UsageError, match="'x' is no whole number"):
        plan_tasks(toy, out, "linear_svm", seeds="x")
    with pytest.raises(UsageError, match="normalization is 'gobal'"):
        plan_tasks(toy, out, "linear_svm", norms="gobal")
    corpus = json.loads((toy / "corpus.json").read_text())
    (toy / "corpus.json").write_text(json.dumps({**corpus, "targets": [{"field": "age", "kind": "number"}]}))
    with pytest.raises(UserError, match="target is number, it takes class"):
        plan_tasks(toy, out, "linear_svm")


def test_a_support_vector_machine_imports_no_torch(toy, out):
    task, = plan_tasks(toy, out, "linear_svm", folds="1")
    code = ("import sys; from steps.experiments import run_task; "
            f"run_task.main(['--data', {str(toy)!r}, '--out', {str(out)!r}, {str(task)!r}]); "
            "print('torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False"


def spawn(toy, out, task, **environment):
    return subprocess.run([sys.executable, "-m", "steps.experiments.run_task", "--device", "cpu", "--data", str(toy),
                           "--out", str(out), str(task)], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "EMOTION_NUM_THREADS": "1", **environment})


@pytest.mark.slow
@pytest.mark.parametrize("window", ["checkpoint/select", "select.previous", "checkpoint/refit", "model.safetensors",
                                    "emotion/dev.tsv", "emotion/test.tsv", "metrics.json", "config.yaml", "curve.tsv"])
def test_a_kill_in_any_window_changes_no_score(toy, out, tmp_path, window):
    settings = NETWORK + " keep_model=true training.checkpoint_every_batches=2"
    task, = plan_tasks(toy, out, "multitask_dnn", settings, folds="1")
    whole = tmp_path / "whole" / "toy_system" / "plain"
    plain, = plan_tasks(toy, whole, "multitask_dnn", settings, folds="1")
    run_task.main(["--device", "cpu", "--data", str(toy), "--out", str(whole), str(plain)])
    once = tmp_path / "once"
    killed = spawn(toy, out, task, EMOTION_FAULT=window, EMOTION_FAULT_ONCE=str(once))
    assert killed.returncode == -9 and once.exists(), killed.stderr
    again = spawn(toy, out, task)
    assert again.returncode == 0, again.stderr
    for name in ("scores/emotion/dev.tsv", "scores/emotion/test.tsv", "model.safetensors"):
        one, two = (place / "norm-global" / "fold1" / "seed0" / name for place in (whole, out))
        assert one.read_bytes() == two.read_bytes(), name
    assert not list((out / "norm-global" / "fold1" / "seed0").rglob("*.previous"))
