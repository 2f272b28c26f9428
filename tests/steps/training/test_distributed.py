"""Two processes train like one: the same global batches give the same losses."""

import json
import subprocess
import sys

import pytest

from steps.training.distributed import World, launch, total_each

SCRIPT = '''
import json, sys
from pathlib import Path
import torch
from steps.training import distributed
from steps.training.config import OptimizerConfig, TrainingConfig
from steps.training.objective import Supervised
from steps.training.trainer import Trainer

world = distributed.start("cpu")
torch.manual_seed(0)
model = torch.nn.Linear(5, 1)
model.loss = lambda batch: {"loss": (model(batch) - batch.sum(1, keepdim=True)).square().mean(), "items": len(batch)}
x = torch.randn(33, 5, generator=torch.Generator().manual_seed(1))

class Batches:
    def count(self, epoch):
        return 3
    def epoch(self, epoch, start):
        for batch in x.split(11)[start:]:
            yield batch[world.rank::world.size]  # 6 and 5 items of each batch of 11

config = TrainingConfig(epochs=3, metric="loss", tensorboard=False, optimizer=OptimizerConfig(learning_rate=0.05),
                        checkpoint_every_batches=2, checkpoint_every_seconds=0)
evaluate = lambda model: {"loss": float(model(x).square().mean())}
outcome = Trainer(Supervised(model), Batches(), evaluate, config, Path(sys.argv[1]) / "checkpoint", world=world,
                  log_dir=Path(sys.argv[1])).fit()
if world.main:
    Path(sys.argv[1], "curve.json").write_text(json.dumps(outcome.curve))
distributed.stop()
'''


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    curves = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        out.mkdir()
        subprocess.run([*launch(processes), str(tmp_path / "train.py"), str(out)], check=True, timeout=200)
        curves.append(json.loads((out / "curve.json").read_text()))
    for one, two in zip(*curves, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-4)
        assert two["dev_loss"] == pytest.approx(one["dev_loss"], rel=1e-4)


def test_one_process_needs_no_launcher():
    assert launch(1) == [sys.executable]
    assert "--standalone" in launch(4) and "--nproc-per-node=4" in launch(4)


def test_totals_of_one_process_are_its_values():
    assert {key: value.item() for key, value in total_each({"a": 2, "b": 0.5}, World()).items()} == {"a": 2.0, "b": 0.5}
