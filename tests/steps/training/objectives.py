"""Two objectives with a memory, a network and batches for the tests of resuming; as a program, it
trains one of them.

    python objectives.py KIND OUT [KILL_AT]     one process, or several by torchrun; writes
    OUT/result.json
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from steps.training import distributed
from steps.training.config import OptimizerConfig, TrainingConfig
from steps.training.objective import Objective
from steps.training.random_state import shuffled
from steps.training.trainer import Trainer

ITEMS, EPOCHS, COUNT = 30, 3, 4  # 4 batches of 8, 8, 7 and 7 items


class MeanTeacher(Objective):
    """A teacher that is the moving average of the network, and to which the network's outputs are
    drawn."""

    def __init__(self, network, world=None):
        super().__init__(network)
        self.teacher = copy.deepcopy(network).requires_grad_(False)
        self.share = 0.0
        self.updates = 0

    @property
    def kept(self):
        return self.teacher

    def train(self):
        self.network.train()
        self.teacher.train()

    def before_step(self, clock):
        self.share = min(1.0, clock.step / clock.steps_per_epoch)

    def loss(self, batch):
        mine = self.network(batch["x"])
        with torch.no_grad():
            theirs = self.teacher(batch["x"])
        drawn = (mine - theirs).square().mean()
        return {"loss": (mine - batch["y"]).square().mean() + self.share * drawn,
                "loss_drawn": drawn,
                "items": len(mine)}

    def after_step(self, clock):
        self.updates += 1
        with torch.no_grad():
            for mine, theirs in zip(self.teacher.state_dict().values(),
                                    self.network.state_dict().values(),
                                    strict=True):
                mine.copy_(0.8 * mine + 0.2 * theirs if mine.is_floating_point() else theirs)

    def memory(self):
        return self.teacher.state_dict()

    def remember(self, tensors):
        self.teacher.load_state_dict(tensors)


class TemporalEnsemble(Objective):
    """The moving average of the outputs of each item over the epochs; known to every process after
    an epoch."""

    def __init__(self, network, world=None):
        super().__init__(network)
        self.world = world or distributed.World()
        self.mean = torch.zeros(ITEMS, device=self.world.device)
        self.new = torch.zeros(ITEMS, device=self.world.device)

    def loss(self, batch):
        mine = self.network(batch["x"])
        self.new[batch["item"]] = mine.detach()[:, 0]
        drawn = (mine[:, 0] - self.mean[batch["item"]]).square().mean()
        return {"loss": (mine - batch["y"]).square().mean() + 0.3 * drawn, "items": len(mine)}

    def after_epoch(self, clock):
        seen = sum(each["new"] for each in distributed.gathered({"new": self.new}, self.world))
        self.mean = 0.6 * self.mean + 0.4 * seen
        self.new = torch.zeros_like(self.new)

    def memory(self):
        return {"mean": self.mean, "new": self.new}

    def remember(self, tensors):
        self.mean, self.new = tensors["mean"], tensors["new"]


OBJECTIVES = {"mean_teacher": MeanTeacher, "temporal_ensemble": TemporalEnsemble}


class Batches:
    """30 items; `stop(epoch, batch)` is called before each batch."""

    def __init__(self, world=None, stop=None):
        self.world, self.stop = world or distributed.World(), stop
        self.x = torch.randn(ITEMS, 3, generator=torch.Generator().manual_seed(3))
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]])

    def count(self, epoch):
        return COUNT

    def epoch(self, epoch, start):
        order = torch.tensor([int(key) for key in shuffled(map(str, range(ITEMS)), 0, epoch)])
        for number, chosen in itertools.islice(enumerate(order.tensor_split(COUNT)), start, None):
            if self.stop is not None:
                self.stop(epoch, number)
            mine = chosen[self.world.rank::self.world.size]
            yield {"x": self.x[mine], "y": self.y[mine], "item": mine}


def train(kind, out, stop=None, world=None, **options):
    """Train to the end: (objective, outcome)."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(),
                            nn.Linear(8, 1))
    objective = OBJECTIVES[kind](network, world)
    batches = Batches(world, stop)
    config = TrainingConfig(epochs=EPOCHS, metric="loss", tensorboard=False,
                            checkpoint_every_seconds=0.0,
                            optimizer=OptimizerConfig(learning_rate=0.02),
                            **{"checkpoint_every_batches": 1, **options})
    trainer = Trainer(objective, batches,
                      lambda kept: {"loss": float((kept(batches.x) - batches.y).square().mean())},
                      config, Path(out) / "checkpoint", world=world)
    return objective, trainer.fit()


def result(objective, outcome):
    """Everything that a resumed training must reach again, as JSON values: exact, since float ->
    JSON -> float is."""
    curve = [{key: value for key, value in row.items() if key != "seconds"}
             for row in outcome.curve]
    tensors = {**{f"network.{key}": value for key, value in objective.network.state_dict().items()},
               **{f"memory.{key}": value for key, value in objective.memory().items()}}
    return {"curve": curve, "best": outcome.best_epoch, "metrics": outcome.metrics,
            "tensors": {key: value.double().flatten().tolist() for key,
                        value in sorted(tensors.items())}}


def every_batch(kind, out, world=None):
    """Stop before each batch of a training, take it up: the stops after which the end differs, of
    how many."""

    def stop_at(place):
        def stop(epoch, batch):
            if (epoch, batch) == place:
                raise KeyboardInterrupt
        return stop

    whole = result(*train(kind, out / "whole", world=world))
    places = list(itertools.product(range(1, EPOCHS + 1), range(COUNT)))
    wrong = []
    for place in places:
        directory = out / "-".join(map(str, place))
        with contextlib.suppress(KeyboardInterrupt):
            train(kind, directory, stop_at(place), world)
        if result(*train(kind, directory, world=world)) != whole:
            wrong.append(place)
    return {"wrong": wrong, "places": len(places), "whole": whole}


def main():
    kind, out, kill = sys.argv[1], Path(sys.argv[2]), [int(word) for word in sys.argv[3:]]
    world = distributed.start("cpu")

    def stop(epoch, batch):
        if [epoch, batch] == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        found = every_batch(kind, out,
                            world) if kill == [0] else result(*train(kind, out, stop, world))
        (out / f"result.{world.rank}.json").write_text(json.dumps(found))
    finally:
        distributed.stop()


if __name__ == "__main__":
    main()
