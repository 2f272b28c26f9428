"""FixMatch: its loss by hand, its batches, and training through plan and run_task on vectors and on
frames."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from steps.experiments import plan, run_task
from steps.models.config import MultitaskDnnConfig
from steps.models.multitask_dnn import MultitaskDnn
from steps.semi_supervised.batches import WithUnlabelled
from steps.semi_supervised.config import FixMatchConfig
from steps.semi_supervised.fixmatch import FixMatch
from steps.subsystems.network import VectorBatches, VectorInputs
from steps.training.distributed import World
from utils.config import read_yaml
from utils.errors import UsageError, UserError
from utils.files import ROOT

FIXMATCH = "training.objective=fixmatch training.tensorboard=false training.epochs=3 refit=false"
DNN = f"{FIXMATCH} model.trunk=[16] model.branch=[8] training.batch_size=8 training.optimizer.learning_rate=0.01"
RNN = (f"{FIXMATCH} model.projection=[16] model.hidden=8 model.branch=[8] frames.stack=1 frames.stride=1 "
       "training.batch_size=8 training.fixmatch.strong=[{noise:\\ 0.3},{time_mask:\\ 0.3}]")


def small_network(dropout=0.0):
    torch.manual_seed(0)
    return MultitaskDnn(4, {"emotion": 3},
                        MultitaskDnnConfig(trunk=[8], branch=[8], tasks={"emotion": 1.0},
                                                              dropout=dropout))


def small_batches(world=None, passes=2, config=None):
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    ids = [f"l{number}" for number in range(10)]
    labelled = VectorBatches(x, {"emotion": torch.arange(10) % 3}, ids, 4, 0, world)
    unlabelled = VectorInputs(np.random.default_rng(2).normal(size=(60, 4)).astype(np.float32))
    return WithUnlabelled(labelled, ids, unlabelled,
                          config or FixMatchConfig(ratio=3, passes=passes), 0)


def test_the_loss_is_that_of_the_labels_and_the_masked_cross_entropy_of_the_guesses():
    network, batch = small_network(), next(iter(small_batches().epoch(1, 0)))
    network.train()
    with torch.no_grad():
        weak, strong = (network(batch[name]["x"])["emotion"].softmax(dim=1).numpy()
                        for name in ("weak", "strong"))
        labels = float(network.loss(batch)["loss"])
    threshold = float(np.sort(weak.max(axis=1))[len(weak) // 2]) - 1e-6  # half of the guesses are confident
    terms = [-np.log(strong[row, guess.argmax()]) * (guess.max() >= threshold)
             for row, guess in enumerate(weak)]
    with torch.no_grad():
        found = FixMatch(network, FixMatchConfig(threshold=threshold, weight=0.7),
                         "emotion").loss(batch)
    assert 0 < np.count_nonzero(terms) < len(terms)
    assert float(found["loss_unlabelled"]) == pytest.approx(np.mean(terms), rel=1e-5)
    assert float(found["confident"]) == pytest.approx(np.count_nonzero(terms) / len(terms))
    assert float(found["loss"]) == pytest.approx(labels + 0.7 * np.mean(terms), rel=1e-5)
    assert found["items"] == len(batch["x"]) and len(weak) == 3 * len(batch["x"])


def test_a_guess_is_made_without_dropout_and_without_a_gradient():
    network, batch = small_network(dropout=0.9), next(iter(small_batches().epoch(1, 0)))
    objective = FixMatch(network, FixMatchConfig(), "emotion")
    objective.train()
    (one, _), (two, _) = objective._guess(batch["weak"]), objective._guess(batch["weak"])
    assert torch.equal(one, two) and not one.requires_grad and network.training


def test_an_epoch_goes_through_the_labelled_utterances_as_often_as_it_is_told():
    batches = small_batches(passes=2)
    assert batches.count(1) == 6 == len(list(batches.epoch(1, 0)))
    assert small_batches(passes=0).passes == 2  # 60 unlabelled, 3 for each of 10
    positions = torch.cat([batch["position"] for batch in batches.epoch(1, 0)])
    assert sorted(positions.tolist()) == sorted(2 * list(range(10)))
    seen = [torch.cat([batch["weak"]["x"] for batch in batches.epoch(epoch, 0)])
            for epoch in (1, 2)]
    assert not torch.equal(*seen)


@pytest.mark.parametrize("start", range(7))
def test_an_epoch_goes_on_at_any_batch(start):
    whole, rest = list(small_batches().epoch(2, 0)), list(small_batches().epoch(2, start))
    assert len(rest) == 6 - start
    for one, two in zip(whole[start:], rest, strict=True):
        assert torch.equal(one["x"], two["x"])
        assert all(torch.equal(one[name]["x"], two[name]["x"]) for name in ("weak", "strong"))


def test_two_processes_see_what_one_sees():
    alone = list(small_batches().epoch(1, 0))
    shares = [list(small_batches(World(rank, 2)).epoch(1, 0)) for rank in range(2)]
    for whole, *parts in zip(alone, *shares, strict=True):
        views = [sorted(tuple(row) for batch in batches for row in batch["strong"]["x"].tolist())
                 for batches in ([whole], parts)]
        assert views[0] == views[1]


def train(data, out, config, settings, *options):
    assert plan.main(["--config", config, "--inputs", "toy", "--protocol", "plain", "--folds",
                      "1", "--set",
                      settings, *options, "--data", str(data), "--out", str(out)]) == 0
    task = out / "log" / "task.1.json"
    unlabelled = options[options.index("--unlabelled") + 1] if "--unlabelled" in options else ""
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out),
                          "--unlabelled", unlabelled,
                          str(task)]) == 0
    return out / json.loads(task.read_text())["variant"] / "fold1" / "seed0"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exp" / "toy" / "plain"


def test_a_network_on_vectors_learns_from_what_is_hidden(toy, out, capsys):
    directory = train(toy, out, "dnn", DNN, "--labels", "12")
    assert directory.parts[-3] == "norm-global+labels-12"
    assert json.loads((directory / "metrics.json").read_text())["train_items"] == 12
    curve = (directory / "log" / "curve.tsv").read_text().splitlines()
    assert {"train_loss_unlabelled",
            "train_confident"} <= set(curve[0].split("\t")) and len(curve) == 4
    config = read_yaml(directory / "config.yaml")
    assert config["labels"] == 12 and config["config"]["training"]["fixmatch"]["threshold"] == 0.95


@pytest.mark.parametrize(("config", "settings"), [("attention_rnn", RNN), pytest.param("pyresnet", (
    f"{FIXMATCH} training.epochs=1 model.width=0.07 training.fixmatch.ratio=1 training.fixmatch.passes=1"),
    marks=pytest.mark.slow)])
def test_a_network_on_frames_does_too(toy_frames, out, config, settings):
    directory = train(toy_frames, out, config, settings, "--label-share", "0.2")
    assert directory.parts[-3] == "norm-global+labels-0.2"
    assert "train_loss_unlabelled" in (directory / "log" / "curve.tsv").read_text()


def test_the_objective_is_part_of_the_identity_and_the_earlier_one_is_not(toy, out):
    train(toy, out, "dnn", DNN, "--labels", "12")
    with pytest.raises(UsageError, match=r"training\.fixmatch\.threshold = 0\.95, now .* = 0\.9"):
        train(toy, out, "dnn", f"{DNN} training.fixmatch.threshold=0.9", "--labels", "12")
    from steps.subsystems.network_config import NetworkTraining
    from steps.training.config import identity

    assert not {"objective", "fixmatch"} & identity(NetworkTraining(), "training").keys()
    assert identity(NetworkTraining(objective="fixmatch"), "training")["fixmatch"]["ratio"] == 4


def test_wrong_uses_are_one_line(toy, out):
    with pytest.raises(UsageError,
                       match=r"training\.fixmatch has options, but training\.objective is supervised"):
        train(toy, out, "dnn", "training.fixmatch.ratio=2")
    with pytest.raises(UserError, match="strong names time_mask, which is for frames"):
        train(toy, out, "dnn", f"{DNN} training.fixmatch.strong=[{{time_mask:\\ 0.3}}]",
              "--labels", "12")


@pytest.mark.slow
def test_a_killed_training_ends_as_if_it_had_not_been(toy, out, tmp_path):
    settings = f"{DNN} training.checkpoint_every_batches=1"
    whole = train(toy, tmp_path / "whole" / "toy" / "plain", "dnn", settings, "--labels", "12")
    program = f"""
import os, signal, sys
from steps.experiments import run_task
from steps.semi_supervised.batches import WithUnlabelled
views = WithUnlabelled._views
def killing(self, positions, number):
    if number == {3}:
        os.kill(os.getpid(), signal.SIGKILL)
    return views(self, positions, number)
WithUnlabelled._views = killing
run_task.main(sys.argv[1:])
"""
    words = ["--device", "cpu", "--data", str(toy), "--out", str(out),
             str(out / "log" / "task.1.json")]
    plan.main(["--config", "dnn", "--inputs", "toy", "--protocol", "plain", "--folds", "1",
               "--set", settings,
               "--labels", "12", "--data", str(toy), "--out", str(out)])
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, env={**os.environ},
                          timeout=200,
                          check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(out.glob("*/fold1/seed0/checkpoint/select/state.json"))
    resumed = train(toy, out, "dnn", settings, "--labels", "12")
    for part in ("dev", "test"):
        name = f"scores/emotion/{part}.tsv"
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


@pytest.mark.slow
def test_two_processes_train_like_one(toy, tmp_path):
    curves = []
    for processes in ("1", "2"):
        out = tmp_path / processes / "toy" / "plain"
        subprocess.run([ROOT / "steps/train_subsystem.sh", "--processes", processes, "--device",
                        "cpu", "--folds", "1",
                        "--config", "dnn", "--inputs", "toy", "--protocol", "plain", "--labels",
                        "12", "--set",
                        f"{DNN} model.dropout=0 training.fixmatch.threshold=0.4", toy, out],
                       check=True, timeout=200)
        lines = next(out.glob("*/fold1/seed0/log/curve.tsv")).read_text().splitlines()
        curves.append([[float(cell) for cell in line.split("\t")[:8]] for line in lines[1:]])
        assert lines[0].split("\t")[3:5] == ["train_loss_unlabelled", "train_confident"]
    assert curves[0][-1][4] > 0.3, "guesses count"
    np.testing.assert_allclose(*curves, rtol=1e-3, atol=1e-4)
