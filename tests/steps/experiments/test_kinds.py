"""Configurations of kinds, and the words that make them of the defaults."""

import pytest

from steps.experiments.kinds import load_experiment_config, overrides


@pytest.mark.parametrize(("name", "words"), [
    ("linear_svm", ["penalties=[0.001, 1.0e-05]"]),
    ("multitask_dnn", ["model.trunk=[64]", "model.tasks={emotion: 1.0, age: 0.5}", "training.epochs=3",
                       "training.optimiser.learning_rate=2.0e-05"]),
    ("pyresnet", ["refit=false", "frames.longest=0", "model.width=0.25", "training.precision=bf16"]),
    ("attention_rnn", ["clip=null", "frames.normalise_utterance=true"]),
    ("random_forest", [])])
def test_the_words_of_a_configuration_give_it_again(name, words):
    config, default = load_experiment_config(name, words), load_experiment_config(name)
    said = overrides(config, default)
    assert sorted(word.partition("=")[0] for word in said) == sorted(word.partition("=")[0] for word in words)
    assert load_experiment_config(name, said) == config
