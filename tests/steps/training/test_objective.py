"""Objectives: what they remember survives a stop at any batch, what they keep is judged and
stored."""

import json
import subprocess

import pytest
import torch

from steps.training import checkpoint
from steps.training.config import TrainingConfig
from steps.training.distributed import World, launch
from steps.training.gradients import check_additive
from steps.training.objective import Objective, Supervised
from steps.training.trainer import Trainer
from tests.steps.training import objectives
from utils.errors import UsageError

KINDS = list(objectives.OBJECTIVES)
PROGRAM = [objectives.__file__]


def run(out, kind, *more, processes=1):
    """The program of objectives.py; what each process reached."""
    out.mkdir(exist_ok=True)
    done = subprocess.run([*launch(processes), *PROGRAM, kind, str(out), *map(str, more)],
                          capture_output=True,
                          text=True, timeout=300, check=False)
    return done, [json.loads(path.read_text()) for path in sorted(out.glob("result.*.json"))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_stops_before_any_batch_ends_as_if_it_had_not(tmp_path, kind):
    found = objectives.every_batch(kind, tmp_path)
    assert found["wrong"] == [] and found["places"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_that_stop_before_any_batch_end_as_if_they_had_not(tmp_path, kind):
    done, (first, second) = run(tmp_path, kind, 0, processes=2)
    assert done.returncode == 0, done.stderr
    assert first["wrong"] == second["wrong"] == [] and first["places"] == 12
    assert first["whole"]["curve"] == second["whole"]["curve"]
    assert first["whole"]["tensors"]["network.0.weight"] == second["whole"]["tensors"]["network.0.weight"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "processes", "place"), [
    ("mean_teacher", 1, (2, 3)), ("temporal_ensemble", 1, (2, 1)),
    ("mean_teacher", 2, (2, 1)), ("temporal_ensemble", 2, (3, 2))])
def test_a_training_killed_by_sigkill_ends_as_if_it_had_not(tmp_path, kind, processes, place):
    whole, expected = run(tmp_path / "whole", kind, processes=processes)
    assert whole.returncode == 0, whole.stderr
    killed, nothing = run(tmp_path / "killed", kind, *place, processes=processes)
    assert killed.returncode != 0 and nothing == []
    resumed, found = run(tmp_path / "killed", kind, processes=processes)
    assert resumed.returncode == 0, resumed.stderr
    assert f"resumed after epoch {place[0] - 1}, batch {place[1]}" in resumed.stdout
    assert found == expected


def test_the_teacher_is_judged_and_stored(tmp_path):
    objective, outcome = objectives.train("mean_teacher", tmp_path)
    stored = checkpoint.load_tensors(tmp_path / "checkpoint", "best")
    assert all(torch.equal(value, stored[key])
               for key, value in objective.teacher.state_dict().items())
    assert not torch.equal(stored["0.weight"], objective.network.state_dict()["0.weight"])
    batches = objectives.Batches()
    judged = float((objective.teacher.eval()(batches.x) - batches.y).square().mean())
    assert outcome.metrics == {"loss": judged}


def test_a_finished_training_gives_back_the_teacher(tmp_path):
    objective, _ = objectives.train("mean_teacher", tmp_path)
    again, _ = objectives.train("mean_teacher", tmp_path)
    assert again.updates == 0
    assert all(torch.equal(value, again.teacher.state_dict()[key])
               for key, value in objective.teacher.state_dict().items())


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_a_moving_average_is_updated_once_a_step(tmp_path, accumulate):
    objective, _ = objectives.train("mean_teacher", tmp_path, accumulate=accumulate)
    assert objective.updates == objectives.EPOCHS * objectives.COUNT // accumulate


def test_the_items_of_an_ensemble_are_joined_after_each_epoch(tmp_path):
    objective, _ = objectives.train("temporal_ensemble", tmp_path)
    assert bool((objective.mean != 0).all()) and not objective.new.any()


def test_the_order_of_calls(tmp_path):
    calls = []

    class Told(Supervised):
        def train(self):
            calls.append("train")
            super().train()

        def before_step(self, clock):
            calls.append(("before", clock.epoch, clock.step))

        def loss(self, batch):
            calls.append("loss")
            return super().loss(batch)

        def after_step(self, clock):
            calls.append(("after", clock.epoch, clock.step))

        def after_epoch(self, clock):
            calls.append(("epoch", clock.epoch, clock.step, clock.steps_per_epoch, clock.epochs))

    network = torch.nn.Linear(3, 1)
    network.loss = lambda batch: {"loss": network(batch["x"]).square().mean(),
                                  "items": len(batch["x"])}
    Trainer(Told(network), objectives.Batches(), None,
            TrainingConfig(epochs=2, accumulate=3, tensorboard=False),
            tmp_path / "checkpoint").fit()
    first = ["train", ("before", 1, 0), "loss", "loss", "loss", ("after", 1, 0), ("before", 1, 1),
             "loss",
             ("after", 1, 1), ("epoch", 1, 2, 2, 2)]
    assert calls[:len(first)] == first
    assert calls[-1] == ("epoch", 2, 4, 2, 2)


class Concordance(Objective):
    """No mean over items."""

    additive = False

    def loss(self, batch):
        return {"loss": torch.zeros(()), "items": 1}


def test_a_loss_that_is_no_mean_takes_a_batch_in_one_piece_only():
    objective = Concordance(torch.nn.Linear(1, 1))
    check_additive(objective, TrainingConfig(), World())
    with pytest.raises(UsageError,
                       match=r"training\.accumulate is 2, but the loss of Concordance is no mean over it"):
        check_additive(objective, TrainingConfig(accumulate=2), World())
    with pytest.raises(UsageError, match="2 processes train, but the loss of Concordance"):
        check_additive(objective, TrainingConfig(), World(1, 2))
    check_additive(Supervised(objective.network), TrainingConfig(accumulate=2), World(1, 2))


def test_a_memory_that_is_not_taken_up_is_an_error():
    with pytest.raises(NotImplementedError, match="Concordance has a memory"):
        Concordance(torch.nn.Linear(1, 1)).remember({"a": torch.zeros(1)})
