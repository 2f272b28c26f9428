"""Two nodes' worth of ranks on a real Slurm: the losses of one process, also after a kill.

Two array tasks meet by steps/asr/train/launch.py, each runs torchrun with one process (gloo). A Conformer learns on
simulated features through the recognizer's own batches; their plan gives one process with accumulate 2 the batches
that two processes with accumulate 1 take.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE, wait_until
from tests.utils.slurm_cluster import SlurmCluster, slurm  # noqa: F401  (fixture)
from utils.files import ROOT

pytestmark = pytest.mark.slow

TRAIN = '''
import json, os, sys, time
from pathlib import Path
import numpy as np
import torch
from steps.asr.decode.engine import engine
from steps.asr.train.epoch_plan import EpochPlan
from steps.asr.model import CtcModel
from steps.models.conformer import ConformerConfig
from steps.training import distributed
from steps.training.config import OptimizerConfig, TrainingConfig
from steps.training.random_state import generator
from steps.training.objective import Supervised
from steps.training.trainer import Trainer

out, pause = Path(sys.argv[1]), float(sys.argv[2])
world = distributed.start("cpu")
seconds = generator(0, "seconds").uniform(0.5, 1.5, 96).astype(np.float32)
torch.manual_seed(0)
model = CtcModel(20, 9, ConformerConfig(dim=16, layers=1, heads=2, kernel=3, channels=4, dropout=0.0),
                 engine("torch"), 0.3)

def utterance(number):
    random = generator(1, number)
    frames = torch.from_numpy(random.standard_normal((int(100 * seconds[number]), 20)).astype(np.float32))
    return frames, random.integers(2, 9, 3).tolist()

class Batches:
    """Groups of two batches a step; one process takes both, one after the other."""
    plan = EpochPlan(seconds, [(0, 48), (48, 96)], max_duration=8.0, buckets=2, window=48, world=2)
    def mine(self, epoch):
        if world.size == 2:
            return list(self.plan.batches(epoch, world.rank))
        return [batch for group in self.plan.groups(epoch) for batch in group]
    def count(self, epoch):
        return len(self.mine(epoch))
    def epoch(self, epoch, start):
        for number, batch in enumerate(self.mine(epoch)):
            if number >= start:
                time.sleep(pause)
                print(f"epoch {epoch} batch {number}", flush=True)
                found = [utterance(int(one)) for one in batch]
                lengths = torch.tensor([len(frames) for frames, _ in found])
                padded = torch.nn.utils.rnn.pad_sequence([frames for frames, _ in found], batch_first=True)
                targets = [target for _, target in found]
                yield {"features": padded, "lengths": lengths, "targets": torch.tensor(sum(targets, [])),
                       "target_lengths": torch.tensor([len(target) for target in targets])}

config = TrainingConfig(epochs=2, metric="loss", tensorboard=False, checkpoint_every_seconds=0, clip_norm=1.0,
                        checkpoint_every_batches=2, accumulate=2 // world.size,
                        optimizer=OptimizerConfig(kind="sgd", learning_rate=0.01, momentum=0.9))
outcome = Trainer(Supervised(model), Batches(), None, config, out / "checkpoint", world=world,
                  log_dir=out / "log").fit()
if world.main:
    Path(out, "curve.json").write_text(json.dumps(outcome.curve))
    Path(out, "world.json").write_text(json.dumps({"size": world.size, "group": os.environ.get("GROUP_WORLD_SIZE")}))
distributed.stop()
'''


@pytest.fixture
def desk(tmp_path, slurm: SlurmCluster):  # noqa: F811
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "lab.yaml").write_text("backend: slurm\npoll_seconds: 0.5\nrecord_seconds: 3\n")
    environment = {**os.environ, **slurm.environment, "EMOTION_CLUSTER": str(tmp_path / "lab.yaml")}
    return tmp_path, environment


def start_two_nodes(directory, environment, out, pause):
    """The dispatcher with an array of two tasks, one for each node."""
    return subprocess.Popen(
        [ROOT / "utils/job.sh", "--mem", "1500M", "JOB=1:2", f"{out}/log/train.{{JOB}}.log", sys.executable, "-m",
         "steps.asr.train.launch", "--nodes", "2", "--node", "{JOB}", "--meeting", f"{out}/log", "--wait", "120", "--",
         str(directory / "train.py"), str(out), str(pause)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train_alone(directory, out):
    out.mkdir()
    subprocess.run([sys.executable, str(directory / "train.py"), str(out), "0"], check=True, timeout=600, cwd=ROOT)
    return json.loads((out / "curve.json").read_text())


def processes_of(path, *words):
    """Living processes whose command line names the path and one of the words."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes()
        except OSError:
            continue
        if str(path).encode() in command and any(word in command for word in words):
            found.append(int(line.parent.name))
    return found


def test_two_nodes_learn_like_one_process_with_a_kill_in_between(desk):
    directory, environment = desk
    one = train_alone(directory, directory / "one")
    out = directory / "two"
    dispatcher = start_two_nodes(directory, environment, out, 1.0)
    wait_until(lambda: (out / "checkpoint").exists() or dispatcher.poll() is not None, 600)
    assert dispatcher.poll() is None, "no checkpoint was written"
    # Everything of one node dies at once: its launcher, torchrun and rank. The other node must not hang on.
    victims = processes_of(out, b"--node\x001\x00", b"--node-rank=0")
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert dispatcher.wait(timeout=600) != 0
    assert not (out / "curve.json").exists()
    again = start_two_nodes(directory, environment, out, 0.0)
    _, told = again.communicate(timeout=600)
    assert again.returncode == 0, told
    assert json.loads((out / "world.json").read_text()) == {"size": 2, "group": "2"}
    two = json.loads((out / "curve.json").read_text())
    assert len(one) == len(two) == 2
    for alone, together in zip(one, two, strict=True):
        assert together["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)


def test_a_finished_training_ends_at_once(desk):
    directory, environment = desk
    out = directory / "done"
    first = start_two_nodes(directory, environment, out, 0.0)
    assert first.wait(timeout=600) == 0
    stamp = (out / "curve.json").stat().st_mtime_ns
    done = subprocess.run([sys.executable, "-m", "steps.asr.train.launch", "--nodes", "2", "--node", "2", "--meeting",
                           f"{out}/log", "--", str(directory / "train.py"), str(out), "0.0"], cwd=ROOT,
                          timeout=PATIENCE, capture_output=True, text=True)
    assert done.returncode == 0 and "is done" in done.stdout
    assert (out / "curve.json").stat().st_mtime_ns == stamp
