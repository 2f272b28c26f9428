"""What config.yaml holds: read and written alike, also where an earlier version wrote it."""

import json

import pytest

from steps.data.variant import Variant
from steps.experiments import run_task
from steps.experiments.run_spec import RunSpec
from steps.experiments.task_files import content_of
from steps.subsystems.contract import load_experiment_config
from steps.training.config import identity, refuse
from tests.steps.experiments.test_run_task import out, plan_tasks  # noqa: F401 - out is a fixture
from utils.config import read_yaml, write_yaml
from utils.errors import DamagedFile, UsageError

SETTINGS = "model.trunk=[24] training.epochs=3 refit=true"
# As a version before RunSpec wrote it, of the first fold of the fixture `toy` with SETTINGS.
EARLIER = """variant: norm-speaker
norm: speaker
fold: 1
seed: 0
subsystem: dnn
kind: multitask_dnn
config_name: multitask_dnn
features: toy
corpus: toy
protocol: plain
permute_labels: false
data: 73447e00894fb89a9e71906be443d744
config:
  kind: multitask_dnn
  refit: true
  keep_model: true
  clip: 3.0
  model:
    tasks:
      emotion: 1.0
      speaker: 0.3
      gender: 0.6
    input_dropout: 0.0
    input_noise: 0.0
    trunk:
    - 24
    branch:
    - 1024
    dropout: 0.5
  training:
    epochs: 3
    batch_size: 64
    accumulate: 1
    patience: 6
    metric: UA
    class_weights: balanced
    clip_norm: 5.0
    precision: auto
    optimizer:
      kind: adamw
      learning_rate: 0.0001
      weight_decay: 0.0
      momentum: 0.9
    schedule:
      kind: cosine
      warmup_steps: 0
      step_epochs: 20
      step_factor: 0.1
      final: 0.0
    checkpoint_every_seconds: 60.0
    checkpoint_every_epochs: 0
    checkpoint_every_batches: 0
    tensorboard: true
    per_unit: 0
    backbone_lr_scale: 1.0
    targets: labels
"""


def test_a_plan_of_today_is_what_an_earlier_version_planned(toy, out, tmp_path):  # noqa: F811
    path = tmp_path / "config.yaml"
    path.write_text(EARLIER)
    earlier = RunSpec.read(path)
    [task] = plan_tasks(toy, out.parents[1] / "dnn" / "plain", "multitask_dnn", SETTINGS, norms="speaker", folds="1")
    [content] = content_of(task, {str: object})
    assert RunSpec.parse(content, task) == earlier
    # An experiment, and a checkpoint in mid-epoch, of that version are taken up: what both keep is no other identity.
    directory = earlier.directory(tmp_path)
    run_task.refuse_other(path, earlier.identity())
    refuse(identity(read_yaml(path)), earlier.identity(), directory)


def test_another_configuration_is_refused_by_its_key(toy, out, tmp_path):  # noqa: F811
    path = tmp_path / "config.yaml"
    path.write_text(EARLIER.replace("epochs: 3", "epochs: 4"))
    [task] = plan_tasks(toy, out.parents[1] / "dnn" / "plain", "multitask_dnn", SETTINGS, norms="speaker", folds="1")
    [content] = content_of(task, {str: object})
    with pytest.raises(UsageError, match=r"was made with config.training.epochs = 4, now .* = 3"):
        run_task.refuse_other(path, RunSpec.parse(content, task).identity())


@pytest.mark.parametrize("changes", [
    {}, {"targets": ("arousal", "valence"), "variant": Variant(norm="none", targets=("arousal", "valence"))},
    {"labels": 0.1, "variant": Variant(norm="global", labels="0.1", permuted=True), "init": {"name": "x"},
     "unlabelled": ({"set": "a", "utterances": 3},), "augment": {"snr": "random"}}])
def test_a_run_is_written_and_read(tmp_path, changes):
    run = RunSpec("linear_svm", load_experiment_config("linear_svm"), "is10", "mini", "global", "svm",
                  **{"variant": Variant(norm="global"), **changes}, fold=2, seed=3, config_name="linear_svm",
                  protocol="plain", data="0f")
    write_yaml(tmp_path / "config.yaml", run.to_dict())
    assert RunSpec.read(tmp_path / "config.yaml") == run
    assert RunSpec.parse(json.loads(json.dumps(run.to_dict())), "task.1.json") == run
    assert run.directory(tmp_path) == tmp_path / str(run.variant) / "fold2" / "seed3"


def test_the_target_of_an_earlier_version_is_its_label(tmp_path):
    run = RunSpec("linear_svm", load_experiment_config("linear_svm"), "is10", "mini")
    assert RunSpec.parse({**run.to_dict(), "label": "phq8"}, "config.yaml").targets == ("phq8",)


@pytest.mark.parametrize(("values", "message"), [
    ({"kind": "perceptron"}, "config.yaml: kind is 'perceptron'"), ({"norm": "both"}, "config.yaml: norm is 'both'"),
    ({"fold": -1}, "config.yaml: fold is -1"), ({"features": "../x"}, "config.yaml: features is '../x'")])
def test_a_damaged_file_is_one_line(values, message):
    run = RunSpec("linear_svm", load_experiment_config("linear_svm"), "is10", "mini")
    with pytest.raises(DamagedFile, match=message):
        RunSpec.parse({**run.to_dict(), **values}, "config.yaml")


def test_an_unknown_option_is_named():
    run = RunSpec("linear_svm", load_experiment_config("linear_svm"), "is10", "mini").to_dict()
    with pytest.raises(UsageError, match="config.yaml: unknown key config.balance; did you mean balanced"):
        RunSpec.parse({**run, "config": {**run["config"], "balance": True}}, "config.yaml")
