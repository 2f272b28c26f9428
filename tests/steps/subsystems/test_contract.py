"""Configurations of kinds, and the words that make them of the defaults; what is known of a kind without torch."""

import subprocess
import sys

import pytest

from steps.subsystems.contract import SPECS, ExperimentConfig, Learner, load_experiment_config, overrides
from utils.errors import UsageError
from utils.files import ROOT


@pytest.mark.parametrize(("name", "words"), [
    ("linear_svm", ["C=[0.001, 1.0e-05]"]),
    ("multitask_dnn", ["model.trunk=[64]", "model.tasks={emotion: 1.0, age: 0.5}", "training.epochs=3",
                       "training.optimizer.learning_rate=2.0e-05"]),
    ("pyresnet", ["refit=false", "frames.max_crop=0", "model.width=0.25", "training.precision=bf16"]),
    ("attention_rnn", ["clip_features=null", "frames.normalize_utterance=true"]),
    ("random_forest", [])])
def test_the_words_of_a_configuration_give_it_again(name, words):
    config, default = load_experiment_config(name, words), load_experiment_config(name)
    said = overrides(config, default)
    assert sorted(word.partition("=")[0] for word in said) == sorted(word.partition("=")[0] for word in words)
    assert load_experiment_config(name, said) == config


@pytest.mark.parametrize("name", SPECS)
def test_a_specification_names_a_configuration_and_a_learner(name):
    spec = SPECS[name]
    assert issubclass(spec.config_type(), ExperimentConfig) and issubclass(spec.learner_type(), Learner)
    assert {*spec.targets} <= {"class", "number", "track"} and spec.reads in ("utterance", "dialogue")
    model = spec.config_type()(kind=name)
    assert all(hasattr(model.model, option) for option in spec.trunk)


def test_the_configuration_knows_every_trunk():
    from steps.models.config import ARCHITECTURES, ASR_ENCODER
    from steps.models.spectrogram_network import TRUNKS

    assert set(ARCHITECTURES) == {*TRUNKS, ASR_ENCODER}


def test_a_plan_imports_neither_torch_nor_scikit_learn():
    """Reading a configuration takes a tenth of the time that they take to arrive."""
    names = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml") if "\nkind:" in f"\n{path.read_text()}")
    assert {"pyresnet", "attention_rnn", "multitask_dnn", "asr_encoder", "random_forest", "text_svm"} <= {*names}
    code = ("import sys; from steps.experiments import plan; from steps.subsystems import contract, start; "
            f"[contract.load_experiment_config(name) for name in {names}]; "
            "print('heavy:', *sorted({'torch', 'sklearn', 'lhotse'} & {*sys.modules}))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "heavy:\n"


def test_a_setting_goes_to_the_configurations_that_have_its_key(capsys):
    assert load_experiment_config("dnn", ["training.epochs=5"]).training.epochs == 5
    assert capsys.readouterr().err == ""
    assert load_experiment_config("linear_svm", ["training.epochs=5"]) == load_experiment_config("linear_svm")
    assert capsys.readouterr().err == "note: --set training.epochs=5: linear_svm has no such key; left out here\n"
    for word in ("training.epoch=5", "linear_svm:training.epochs=5"):
        with pytest.raises(UsageError, match="unknown key training"):
            load_experiment_config("linear_svm", [word])
